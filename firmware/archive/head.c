#include "head.h"

#include <stdio.h>
#include <string.h>

// Offsets and sizes of the fields.
enum {
  NAME_AT = 0,
  MODE_AT = 100,
  UID_AT = 108,
  GID_AT = 116,
  SIZE_AT = 124,
  TIME_AT = 136,
  NUMBER_BYTES = 12,
  CHECKSUM_AT = 148,
  CHECKSUM_BYTES = 8,
  TYPE_AT = 156,
  MAGIC_AT = 257,
  MAGIC_BYTES = 8,
  PREFIX_AT = 345,
};

static const char magic[MAGIC_BYTES] = {'u', 's', 't', 'a', 'r', '\0', '0', '0'};
static const char gnu_magic[MAGIC_BYTES] = {'u', 's', 't', 'a', 'r', ' ', ' ', '\0'};  // of `tar` without --format

static bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

bool archive_name_is_valid(const char *name) {
  const size_t chars = strlen(name);
  struct base_span rest = base_span_text(name);
  if (chars == 0 || chars > ARCHIVE_MAX_NAME) return false;
  while (rest.data) {
    const struct base_span segment = base_span_cut(&rest, '/');
    if (segment.bytes == 0 || base_span_is(segment, ".") || base_span_is(segment, "..")) return false;
    for (size_t i = 0; i < segment.bytes; i++) {
      if (!is_plain((char)segment.data[i])) return false;
    }
  }
  return true;
}

// The sum of all bytes, those of the checksum itself taken as spaces.
static unsigned checksum_of(const uint8_t block[ARCHIVE_BLOCK_BYTES]) {
  unsigned sum = 0;
  for (int i = 0; i < ARCHIVE_BLOCK_BYTES; i++) {
    sum += i >= CHECKSUM_AT && i < CHECKSUM_AT + CHECKSUM_BYTES ? ' ' : block[i];
  }
  return sum;
}

enum base_result archive_head_write(const struct archive_entry *entry, uint8_t out[ARCHIVE_BLOCK_BYTES],
                                    struct base_fault *fault) {
  char number[NUMBER_BYTES + 1];
  if (!archive_name_is_valid(entry->name) || entry->modified_s < 0 ||
      (uint64_t)entry->modified_s > ARCHIVE_MAX_FILE_BYTES) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "archive", "a name or time can not be written in an archive");
  }
  if (entry->bytes > ARCHIVE_MAX_FILE_BYTES) {
    return BASE_FAIL(fault, BASE_TOO_LARGE, "archive", "a file is too large for an archive");
  }
  memset(out, 0, ARCHIVE_BLOCK_BYTES);
  memcpy(out + NAME_AT, entry->name, strlen(entry->name));
  memcpy(out + MODE_AT, "0000600", 8);
  memcpy(out + UID_AT, "0000000", 8);
  memcpy(out + GID_AT, "0000000", 8);
  snprintf(number, sizeof number, "%011llo", (unsigned long long)entry->bytes);
  memcpy(out + SIZE_AT, number, NUMBER_BYTES);
  snprintf(number, sizeof number, "%011llo", (unsigned long long)entry->modified_s);
  memcpy(out + TIME_AT, number, NUMBER_BYTES);
  out[TYPE_AT] = '0';
  memcpy(out + MAGIC_AT, magic, MAGIC_BYTES);
  snprintf(number, sizeof number, "%06o", checksum_of(out));
  memcpy(out + CHECKSUM_AT, number, 7);
  out[CHECKSUM_AT + 7] = ' ';
  return BASE_OK;
}

// Octal digits, after spaces and before spaces or NULs, as writers of all times have them.
static bool read_octal(const uint8_t *field, size_t bytes, uint64_t *out) {
  size_t at = 0;
  *out = 0;
  while (at < bytes && field[at] == ' ') at++;
  const size_t first = at;
  while (at < bytes && field[at] >= '0' && field[at] <= '7') *out = *out * 8 + (uint64_t)(field[at++] - '0');
  const bool has_digits = at > first;
  while (at < bytes && (field[at] == ' ' || field[at] == '\0')) at++;
  return has_digits && at == bytes;
}

static enum base_result read_name(const uint8_t block[ARCHIVE_BLOCK_BYTES], bool is_folder, char *out,
                                  struct base_fault *fault) {
  const struct base_span field = base_span_of(block + NAME_AT, ARCHIVE_MAX_NAME);
  const uint8_t *end = memchr(field.data, '\0', field.bytes);
  struct base_span name = base_span_slice(field, 0, end ? (size_t)(end - field.data) : field.bytes);
  if (base_span_starts_with(name, "./")) name = base_span_slice(name, 2, name.bytes);  // as `tar -c .` writes it
  if (is_folder && name.bytes > 0 && name.data[name.bytes - 1] == '/') name.bytes--;
  if (is_folder && name.bytes == 0) name = base_span_text("folder");  // "./" itself
  if (block[PREFIX_AT] == '\0' && base_span_copy(name, out, ARCHIVE_MAX_NAME + 1) && archive_name_is_valid(out)) {
    return BASE_OK;
  }
  return BASE_FAIL(fault, BASE_UNSUPPORTED, "archive", "the archive has a file with a name that is not taken here");
}

enum base_result archive_head_read(const uint8_t block[ARCHIVE_BLOCK_BYTES], struct archive_entry *out, bool *is_folder,
                                   struct base_fault *fault) {
  uint64_t checksum, modified;
  if (memcmp(block + MAGIC_AT, magic, MAGIC_BYTES) != 0 && memcmp(block + MAGIC_AT, gnu_magic, MAGIC_BYTES) != 0) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "archive", "this is no tar archive");
  }
  if (!read_octal(block + CHECKSUM_AT, CHECKSUM_BYTES, &checksum) || checksum != checksum_of(block)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "archive", "the archive is damaged: the checksum of a header is wrong");
  }
  const uint8_t type = block[TYPE_AT];
  *is_folder = type == '5';
  if (type != '0' && type != '\0' && type != '5') {
    return BASE_FAIL(fault, BASE_UNSUPPORTED, "archive", "the archive has something else than plain files in it");
  }
  if (!read_octal(block + SIZE_AT, NUMBER_BYTES, &out->bytes) || out->bytes > ARCHIVE_MAX_FILE_BYTES ||
      !read_octal(block + TIME_AT, NUMBER_BYTES, &modified) || modified > ARCHIVE_MAX_FILE_BYTES ||
      (*is_folder && out->bytes != 0)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "archive", "the archive is damaged: a size or a time is none");
  }
  out->modified_s = (int64_t)modified;
  return read_name(block, *is_folder, out->name, fault);
}
