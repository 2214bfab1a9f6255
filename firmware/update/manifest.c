#include <inttypes.h>
#include <string.h>

#include "update/bundle.h"

static const char *const part_names[UPDATE_PARTS] = {[UPDATE_BOOT] = "boot", [UPDATE_ROOT] = "root"};

static bool is_board(const char *name) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
  const size_t length = strnlen(name, UPDATE_MAX_BOARD + 1);
  return length > 0 && length <= UPDATE_MAX_BOARD && strspn(name, letters) == length;
}

static enum base_result check(const struct update_manifest *manifest, struct base_fault *fault) {
  if (!is_board(manifest->board))
    return BASE_FAIL(fault, BASE_BAD_INPUT, "board", "a board's name is 1 to %d of a-z, 0-9, '-' and '_'",
                     UPDATE_MAX_BOARD);
  if (!slots_version_is_valid(manifest->version))
    return BASE_FAIL(fault, BASE_BAD_INPUT, "version", "'%s' is not a version such as 1.2.0", manifest->version);
  if (manifest->floor[0] != '\0' && !slots_version_is_valid(manifest->floor))
    return BASE_FAIL(fault, BASE_BAD_INPUT, "floor", "'%s' is not a version such as 1.2.0", manifest->floor);
  if (manifest->floor[0] != '\0' && slots_version_compare(manifest->floor, manifest->version) > 0)
    return BASE_FAIL(fault, BASE_BAD_INPUT, "floor", "the floor %s is above the version %s", manifest->floor,
                     manifest->version);
  if (manifest->created_s < 0) return BASE_FAIL(fault, BASE_BAD_INPUT, "created", "the time is before 1970");
  for (int part = 0; part < UPDATE_PARTS; part++) {
    const uint64_t bytes = manifest->parts[part].bytes;
    if (bytes == 0)
      return BASE_FAIL(fault, BASE_BAD_INPUT, part_names[part], "the %s image is empty", part_names[part]);
    if (bytes > UPDATE_MAX_IMAGE_BYTES)
      return BASE_FAIL(fault, BASE_TOO_LARGE, part_names[part],
                       "the %s image has %" PRIu64 " bytes, more than %" PRIu64, part_names[part], bytes,
                       UPDATE_MAX_IMAGE_BYTES);
  }
  return BASE_OK;
}

enum base_result update_manifest_write(const struct update_manifest *manifest, struct base_buffer *out,
                                       struct base_fault *fault) {
  enum base_result result = check(manifest, fault);
  if (result != BASE_OK) return result;
  result =
      base_buffer_printf(out, "board %s\nversion %s\nfloor %s\ncreated %" PRId64 "\n", manifest->board,
                         manifest->version, manifest->floor[0] != '\0' ? manifest->floor : "-", manifest->created_s);
  for (int part = 0; part < UPDATE_PARTS && result == BASE_OK; part++) {
    char digest[BASE_DIGEST_BASE64URL_CHARS + 1];
    integrity_digest_text(&manifest->parts[part].digest, digest);
    result = base_buffer_printf(out, "%s %" PRIu64 " %s\n", part_names[part], manifest->parts[part].bytes, digest);
  }
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "manifest", "no room for the manifest");
}

// The value of the next line, which has to be `name`'s.
static bool take_line(struct base_span *rest, const char *name, struct base_span *value) {
  if (memchr(rest->data, '\n', rest->bytes) == NULL) return false;
  *value = base_span_cut(rest, '\n');
  return base_span_is(base_span_cut(value, ' '), name) && value->data != NULL;
}

static bool take_text(struct base_span *rest, const char *name, char *out, size_t capacity) {
  struct base_span value;
  return take_line(rest, name, &value) && base_span_copy(value, out, capacity);
}

static bool take_part(struct base_span *rest, enum update_part part, struct update_manifest *out) {
  struct base_span value;
  return take_line(rest, part_names[part], &value) &&
         base_span_to_u64(base_span_cut(&value, ' '), &out->parts[part].bytes) &&
         integrity_digest_parse(value, &out->parts[part].digest);
}

static bool take_all(struct base_span text, struct update_manifest *out) {
  struct base_span value;
  uint64_t created_s;
  if (!take_text(&text, "board", out->board, sizeof(out->board)) ||
      !take_text(&text, "version", out->version, sizeof(out->version)) ||
      !take_text(&text, "floor", out->floor, sizeof(out->floor)) || !take_line(&text, "created", &value) ||
      !base_span_to_u64(value, &created_s) || created_s > INT64_MAX)
    return false;
  if (strcmp(out->floor, "-") == 0) out->floor[0] = '\0';
  out->created_s = (int64_t)created_s;
  return take_part(&text, UPDATE_BOOT, out) && take_part(&text, UPDATE_ROOT, out) && text.bytes == 0;
}

enum base_result update_manifest_parse(struct base_span text, struct update_manifest *out, struct base_fault *fault) {
  *out = (struct update_manifest){0};
  if (text.bytes > UPDATE_MAX_MANIFEST)
    return BASE_FAIL(fault, BASE_TOO_LARGE, "manifest", "the manifest is over %d bytes", UPDATE_MAX_MANIFEST);
  if (text.bytes == 0 || !take_all(text, out))
    return BASE_FAIL(fault, BASE_BAD_INPUT, "manifest", "the bundle's manifest breaks its rules");
  // One spelling only: what would not be written so is not read ("01", "floor ", ...).
  struct base_buffer again;
  base_buffer_init(&again, UPDATE_MAX_MANIFEST);
  enum base_result result = update_manifest_write(out, &again, fault);
  if (result == BASE_OK && !base_span_equal(base_buffer_span(&again), text))
    result = BASE_FAIL(fault, BASE_BAD_INPUT, "manifest", "the bundle's manifest is not spelled as it has to be");
  base_buffer_finish(&again);
  return result;
}
