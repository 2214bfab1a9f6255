#include "parameter.h"

#include <string.h>

static bool is_token_char(uint8_t c) {
  if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) return true;
  return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

// A value without quotes ends at white space or ';'. Boundaries are often sent so, although they may hold characters
// that a token may not (RFC 2046's own examples have ':' and '='), hence no stricter rule.
static bool is_bare_char(uint8_t c) { return c > ' ' && c != ';' && c != '"' && c != 0x7f; }

static bool is_control(uint8_t c) { return c < ' ' || c == 0x7f; }

static void skip_space(struct base_span *rest) {
  while (rest->bytes > 0 && (*rest->data == ' ' || *rest->data == '\t')) {
    *rest = base_span_slice(*rest, 1, rest->bytes - 1);
  }
}

struct base_span ingest_parameter_head(struct base_span field, struct base_span *rest) {
  size_t length = 0;
  while (length < field.bytes && field.data[length] != ';') length++;
  *rest = base_span_slice(field, length, field.bytes - length);
  return base_span_trim(base_span_slice(field, 0, length));
}

// `\"` and `\\` are escapes; another backslash stands for itself, as in the paths that old browsers send.
static bool read_quoted(struct base_span *rest, char *out) {
  size_t at = 1, length = 0;
  for (;; at++) {
    if (at >= rest->bytes || is_control(rest->data[at])) return false;
    uint8_t c = rest->data[at];
    if (c == '"') break;
    if (c == '\\' && at + 1 < rest->bytes && (rest->data[at + 1] == '"' || rest->data[at + 1] == '\\')) {
      c = rest->data[++at];
    }
    if (length == PARAMETER_MAX_VALUE) return false;
    out[length++] = (char)c;
  }
  out[length] = '\0';
  *rest = base_span_slice(*rest, at + 1, rest->bytes - at - 1);
  return true;
}

static bool read_bare(struct base_span *rest, char *out) {
  size_t length = 0;
  while (length < rest->bytes && is_bare_char(rest->data[length])) length++;
  if (length == 0 || length > PARAMETER_MAX_VALUE) return false;
  memcpy(out, rest->data, length);
  out[length] = '\0';
  *rest = base_span_slice(*rest, length, rest->bytes - length);
  return true;
}

enum ingest_parameter_outcome ingest_parameter_next(struct base_span *rest, struct ingest_parameter *out) {
  skip_space(rest);
  if (rest->bytes == 0) return PARAMETER_END;
  if (*rest->data != ';') return PARAMETER_MALFORMED;
  *rest = base_span_slice(*rest, 1, rest->bytes - 1);
  skip_space(rest);
  if (rest->bytes == 0) return PARAMETER_END;  // a last ';' is common and harmless

  size_t length = 0;
  while (length < rest->bytes && is_token_char(rest->data[length])) length++;
  out->name = base_span_slice(*rest, 0, length);
  *rest = base_span_slice(*rest, length, rest->bytes - length);
  if (length == 0 || rest->bytes == 0 || *rest->data != '=') return PARAMETER_MALFORMED;
  *rest = base_span_slice(*rest, 1, rest->bytes - 1);
  bool is_quoted = rest->bytes > 0 && *rest->data == '"';
  bool is_fine = is_quoted ? read_quoted(rest, out->value) : read_bare(rest, out->value);
  return is_fine ? PARAMETER_FOUND : PARAMETER_MALFORMED;
}
