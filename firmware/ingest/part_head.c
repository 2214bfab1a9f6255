#include "part_head.h"

#include <string.h>

#include "parameter.h"

struct seen_fields {
  bool disposition, type, encoding;
};

static struct base_span last_path_component(const char *path) {
  const char *last = path;
  for (const char *at = path; *at; at++) {
    if (*at == '/' || *at == '\\') last = at + 1;
  }
  return base_span_text(last);
}

static enum base_result take_name(const struct ingest_parameter *parameter, struct ingest_part *out,
                                  struct base_fault *fault) {
  if (out->name[0] != '\0') return BASE_FAIL(fault, BASE_BAD_INPUT, "name", "a part has two names");
  struct base_span name = base_span_text(parameter->value);
  if (name.bytes == 0 || !base_span_copy(name, out->name, sizeof out->name)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "name", "a part's name has 1..%d bytes", INGEST_MAX_PART_NAME);
  }
  return BASE_OK;
}

static enum base_result take_file_name(const struct ingest_parameter *parameter, struct ingest_part *out,
                                       struct base_fault *fault) {
  if (out->file_name[0] != '\0') return BASE_FAIL(fault, BASE_BAD_INPUT, "filename", "a part has two file names");
  if (!base_span_copy(last_path_component(parameter->value), out->file_name, sizeof out->file_name)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "filename", "a file name has at most %d bytes", INGEST_MAX_FILE_NAME);
  }
  return BASE_OK;
}

static enum base_result take_disposition(struct base_span value, struct ingest_part *out, struct base_fault *fault) {
  struct base_span rest;
  if (!base_span_is_nocase(ingest_parameter_head(value, &rest), "form-data")) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "Content-Disposition", "a part of a form has the disposition form-data");
  }
  struct ingest_parameter parameter;
  enum ingest_parameter_outcome outcome;
  while ((outcome = ingest_parameter_next(&rest, &parameter)) == PARAMETER_FOUND) {
    enum base_result result = BASE_OK;
    if (base_span_is_nocase(parameter.name, "name")) result = take_name(&parameter, out, fault);
    if (base_span_is_nocase(parameter.name, "filename")) result = take_file_name(&parameter, out, fault);
    if (result != BASE_OK) return result;
  }
  if (outcome == PARAMETER_MALFORMED) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "Content-Disposition", "the Content-Disposition of a part is malformed");
  }
  if (out->name[0] == '\0') {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "Content-Disposition", "a part of a form needs a name");
  }
  return BASE_OK;
}

static enum base_result take_type(struct base_span value, struct ingest_part *out, struct base_fault *fault) {
  if (base_span_copy(value, out->media_type, sizeof out->media_type)) return BASE_OK;
  return BASE_FAIL(fault, BASE_BAD_INPUT, "Content-Type", "the Content-Type of a part has at most %zu characters",
                   sizeof out->media_type - 1);
}

// RFC 7578 4.7 deprecates the field; only the encodings that leave the bytes alone are understood.
static enum base_result check_encoding(struct base_span value, struct base_fault *fault) {
  static const char *const harmless[] = {"binary", "8bit", "7bit"};
  for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++) {
    if (base_span_is_nocase(value, harmless[i])) return BASE_OK;
  }
  return BASE_FAIL(fault, BASE_UNSUPPORTED, "Content-Transfer-Encoding", "parts must be sent as they are, not encoded");
}

static bool is_first(bool *seen) {
  bool was_seen = *seen;
  *seen = true;
  return !was_seen;
}

static enum base_result take_line(struct base_span line, struct seen_fields *seen, struct ingest_part *out,
                                  struct base_fault *fault) {
  const uint8_t *colon = line.bytes > 0 ? memchr(line.data, ':', line.bytes) : NULL;
  struct base_span name = base_span_slice(line, 0, colon ? (size_t)(colon - line.data) : 0);
  // Folded lines begin with white space, and white space before the colon has fooled parsers before: both are refused.
  if (name.bytes == 0 || base_span_trim(name).bytes != name.bytes) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "", "a header line of a part is malformed");
  }
  struct base_span value = base_span_trim(base_span_slice(line, name.bytes + 1, line.bytes - name.bytes - 1));
  if (base_span_is_nocase(name, "Content-Disposition")) {
    if (is_first(&seen->disposition)) return take_disposition(value, out, fault);
  } else if (base_span_is_nocase(name, "Content-Type")) {
    if (is_first(&seen->type)) return take_type(value, out, fault);
  } else if (base_span_is_nocase(name, "Content-Transfer-Encoding")) {
    if (is_first(&seen->encoding)) return check_encoding(value, fault);
  } else {
    return BASE_OK;
  }
  return BASE_FAIL(fault, BASE_BAD_INPUT, "", "a part repeats a header field");
}

enum base_result ingest_part_head_parse(struct base_span head, struct ingest_part *out, struct base_fault *fault) {
  memset(out, 0, sizeof *out);
  struct seen_fields seen = {0};
  while (head.bytes > 0) {
    struct base_span line = base_span_cut(&head, '\n');
    line = base_span_slice(line, 0, line.bytes > 0 ? line.bytes - 1 : 0);  // the CR, which the caller has checked
    enum base_result result = take_line(line, &seen, out, fault);
    if (result != BASE_OK) return result;
  }
  if (!seen.disposition) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "Content-Disposition", "a part of a form needs a Content-Disposition");
  }
  return BASE_OK;
}
