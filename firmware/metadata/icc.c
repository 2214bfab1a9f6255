#include "metadata/icc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/utf8.h"

// ICC.1:2022 7.2 and 7.3: offsets in the header, the table behind it.
enum {
  AT_SIZE = 0,
  AT_VERSION = 8,
  AT_CLASS = 12,
  AT_DATA_SPACE = 16,
  AT_CONNECTION_SPACE = 20,
  AT_SIGNATURE = 36,
  AT_FLAGS = 44,
  AT_INTENT = 64,
  AT_ID = 84,
  HEADER_BYTES = 128,
  TABLE_AT = 132,
  TABLE_ENTRY_BYTES = 12,
  MAX_TAGS = 200,  // the richest of Adobe's have some 40
};

struct table {
  struct base_span profile;  // as long as its header says
  uint32_t tags;
};

static uint32_t get32(const uint8_t *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool is_one_of(const uint8_t *signature, const char *list) {
  for (; *list; list += 5) {
    if (memcmp(signature, list, 4) == 0) return true;
  }
  return false;
}

#define FAIL(...) (snprintf(out->problem, sizeof out->problem, __VA_ARGS__), false)

static bool check_header(struct base_span profile, struct metadata_icc *out) {
  const uint8_t *head = profile.data;
  uint32_t size = get32(head + AT_SIZE);
  if (size < TABLE_AT || size > profile.bytes) {
    return FAIL("it says that it has %" PRIu32 " bytes and has %zu", size, profile.bytes);
  }
  if (profile.bytes - size > 3) return FAIL("%zu bytes follow its end", profile.bytes - size);
  if (memcmp(head + AT_SIGNATURE, "acsp", 4) != 0) return FAIL("it has no signature \"acsp\"");
  if (head[AT_VERSION] != 2 && head[AT_VERSION] != 4 && head[AT_VERSION] != 5) {
    return FAIL("its version is %u", head[AT_VERSION]);
  }
  if (!is_one_of(head + AT_CLASS, "scnr mntr prtr link spac abst nmcl cenc mid  mlnk mvis ")) {
    return FAIL("its class \"%s\" is unknown", out->profile_class);
  }
  if (!is_one_of(head + AT_DATA_SPACE,
                 "XYZ  Lab  Luv  YCbr Yxy  RGB  GRAY HSV  HLS  CMYK CMY  2CLR 3CLR 4CLR 5CLR 6CLR 7CLR 8CLR 9CLR "
                 "ACLR BCLR CCLR DCLR ECLR FCLR ")) {
    return FAIL("its colour space \"%s\" is unknown", out->data_space);
  }
  bool is_link = memcmp(head + AT_CLASS, "link", 4) == 0;
  if (!is_link && head[AT_VERSION] < 5 && !is_one_of(head + AT_CONNECTION_SPACE, "XYZ  Lab  ")) {
    return FAIL("its connection space \"%s\" is neither XYZ nor Lab", out->connection_space);
  }
  return true;
}

static const uint8_t *entry_of(const struct table *table, uint32_t index) {
  return table->profile.data + TABLE_AT + (size_t)index * TABLE_ENTRY_BYTES;
}

static bool check_table(const struct table *table, struct metadata_icc *out) {
  size_t room = (table->profile.bytes - TABLE_AT) / TABLE_ENTRY_BYTES;
  if (table->tags > room || table->tags > MAX_TAGS) {
    return FAIL("it says that it has %" PRIu32 " tags", table->tags);
  }
  size_t data_at = TABLE_AT + (size_t)table->tags * TABLE_ENTRY_BYTES;
  for (uint32_t i = 0; i < table->tags; i++) {
    const uint8_t *entry = entry_of(table, i);
    uint32_t offset = get32(entry + 4), bytes = get32(entry + 8);
    if (offset < data_at || offset > table->profile.bytes || bytes > table->profile.bytes - offset) {
      return FAIL("tag %" PRIu32 " lies outside of it", i);
    }
    for (uint32_t j = 0; j < i; j++) {
      if (memcmp(entry_of(table, j), entry, 4) == 0) return FAIL("tag %" PRIu32 " is there twice", i);
    }
  }
  return true;
}

// Empty when it is not there. The table has been checked.
static struct base_span tag_of(const struct table *table, const char *signature) {
  for (uint32_t i = 0; i < table->tags; i++) {
    const uint8_t *entry = entry_of(table, i);
    if (memcmp(entry, signature, 4) == 0) return base_span_slice(table->profile, get32(entry + 4), get32(entry + 8));
  }
  return base_span_of(NULL, 0);
}

static bool has_tags(const struct table *table, const char *list) {
  for (; *list; list += 5) {
    if (tag_of(table, list).bytes == 0) return false;
  }
  return true;
}

// ICC.1:2022 8.2 to 8.9, without what differs between versions.
static bool check_required(const struct table *table, struct metadata_icc *out) {
  const uint8_t *head = table->profile.data;
  if (head[AT_VERSION] >= 5) return true;  // iccMAX has rules of its own
  if (!has_tags(table, "desc cprt ")) return FAIL("it has no description or no copyright");
  if (is_one_of(head + AT_CLASS, "link abst nmcl ")) return true;
  if (!has_tags(table, "wtpt ")) return FAIL("it has no white point");
  bool has_lut = has_tags(table, "A2B0 ");
  bool is_grey = memcmp(head + AT_DATA_SPACE, "GRAY", 4) == 0, is_rgb = memcmp(head + AT_DATA_SPACE, "RGB ", 4) == 0;
  if (has_lut || (is_grey && has_tags(table, "kTRC "))) return true;
  if (is_rgb && has_tags(table, "rXYZ gXYZ bXYZ rTRC gTRC bTRC ")) return true;
  return FAIL("it has neither a table nor curves for its colours");
}

static bool read_primaries(const struct table *table, double out[9]) {
  static const char *const signatures[3] = {"rXYZ", "gXYZ", "bXYZ"};
  for (int i = 0; i < 3; i++) {
    struct base_span tag = tag_of(table, signatures[i]);
    if (tag.bytes < 20 || memcmp(tag.data, "XYZ ", 4) != 0) return false;
    for (int c = 0; c < 3; c++) out[3 * i + c] = (int32_t)get32(tag.data + 8 + 4 * c) / 65536.0;
  }
  return true;
}

// UTF-16 to UTF-8 through a window of the description's size; lone surrogates become '?'.
static void copy_utf16(struct base_span text, char *out, size_t capacity) {
  uint8_t utf8[4 * METADATA_ICC_TEXT + 4];
  size_t used = 0;
  for (size_t i = 0; i + 2 <= text.bytes && used + 4 <= sizeof utf8; i += 2) {
    uint32_t c = (uint32_t)text.data[i] << 8 | text.data[i + 1];
    if (c == 0) break;
    if (c >= 0xd800 && c < 0xdc00 && i + 4 <= text.bytes && (text.data[i + 2] & 0xfc) == 0xdc) {
      c = 0x10000 + ((c & 0x3ff) << 10) + ((uint32_t)(text.data[i + 2] & 3) << 8 | text.data[i + 3]);
      i += 2;
    } else if (c >= 0xd800 && c < 0xe000) {
      c = '?';
    }
    if (c < 0x80) {
      utf8[used++] = (uint8_t)c;
    } else if (c < 0x800) {
      utf8[used++] = (uint8_t)(0xc0 | c >> 6);
      utf8[used++] = (uint8_t)(0x80 | (c & 63));
    } else {
      if (c >= 0x10000) {
        utf8[used++] = (uint8_t)(0xf0 | c >> 18);
        utf8[used++] = (uint8_t)(0x80 | (c >> 12 & 63));
      } else {
        utf8[used++] = (uint8_t)(0xe0 | c >> 12);
      }
      utf8[used++] = (uint8_t)(0x80 | (c >> 6 & 63));
      utf8[used++] = (uint8_t)(0x80 | (c & 63));
    }
  }
  base_utf8_copy_plain(base_span_of(utf8, used), out, capacity);
}

// 'desc' of version 2 (ICC.1:2001-04 6.5.17), 'mluc' of version 4 (10.15, its first language), or plain 'text'.
static void read_description(const struct table *table, char *out, size_t capacity) {
  struct base_span tag = tag_of(table, "desc");
  if (tag.bytes < 12) return;
  if (memcmp(tag.data, "mluc", 4) == 0) {
    if (tag.bytes < 28 || get32(tag.data + 8) == 0) return;
    copy_utf16(base_span_slice(base_span_slice(tag, get32(tag.data + 24), tag.bytes), 0, get32(tag.data + 20)), out,
               capacity);
    return;
  }
  bool is_desc = memcmp(tag.data, "desc", 4) == 0;
  struct base_span text = base_span_slice(tag, is_desc ? 12 : 8, is_desc ? get32(tag.data + 8) : tag.bytes);
  base_utf8_copy_plain(base_span_of(text.data, strnlen((const char *)text.data, text.bytes)), out, capacity);
}

// Flags, rendering intent and the ID itself count as zeros.
bool metadata_icc_id(struct base_span profile, struct base_span pieces[METADATA_ICC_ID_PIECES],
                     struct base_span *stated) {
  static const uint8_t zeros[METADATA_ICC_ID_BYTES];
  if (profile.bytes < HEADER_BYTES) return false;
  uint32_t size = get32(profile.data + AT_SIZE);
  if (size >= HEADER_BYTES) profile = base_span_slice(profile, 0, size);
  pieces[0] = base_span_slice(profile, 0, AT_FLAGS);
  pieces[1] = base_span_of(zeros, 4);
  pieces[2] = base_span_slice(profile, AT_FLAGS + 4, AT_INTENT - AT_FLAGS - 4);
  pieces[3] = base_span_of(zeros, 4);
  pieces[4] = base_span_slice(profile, AT_INTENT + 4, AT_ID - AT_INTENT - 4);
  pieces[5] = base_span_of(zeros, METADATA_ICC_ID_BYTES);
  pieces[6] = base_span_slice(profile, AT_ID + METADATA_ICC_ID_BYTES, profile.bytes);
  *stated = base_span_slice(profile, AT_ID, METADATA_ICC_ID_BYTES);
  if (memcmp(stated->data, zeros, METADATA_ICC_ID_BYTES) == 0) *stated = base_span_of(NULL, 0);
  return true;
}

void metadata_icc_read(struct base_span profile, struct metadata_icc *out) {
  memset(out, 0, sizeof *out);
  out->bytes = (uint32_t)base_min_u64(profile.bytes, UINT32_MAX);
  if (profile.bytes < TABLE_AT) {
    snprintf(out->problem, sizeof out->problem, "it has %zu bytes, less than a header", profile.bytes);
    return;
  }
  const uint8_t *head = profile.data;
  out->version_major = head[AT_VERSION];
  out->version_minor = head[AT_VERSION + 1] >> 4;
  base_utf8_copy_plain(base_span_of(head + AT_CLASS, 4), out->profile_class, sizeof out->profile_class);
  base_utf8_copy_plain(base_span_of(head + AT_DATA_SPACE, 4), out->data_space, sizeof out->data_space);
  base_utf8_copy_plain(base_span_of(head + AT_CONNECTION_SPACE, 4), out->connection_space,
                       sizeof out->connection_space);
  if (!check_header(profile, out)) return;
  struct table table = {.profile = base_span_slice(profile, 0, get32(head + AT_SIZE)),
                        .tags = get32(head + HEADER_BYTES)};
  if (!check_table(&table, out)) return;
  read_description(&table, out->description, sizeof out->description);
  out->has_primaries = read_primaries(&table, out->primaries);
  bool is_whole = check_required(&table, out);
  (void)is_whole;  // said by `problem`
}
