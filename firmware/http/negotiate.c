#include "http/negotiate.h"

#include <string.h>
#include <strings.h>

#include "chars.h"

enum { QUALITY_MAX = 1000 };
enum specificity { MATCH_NONE, MATCH_ANY, MATCH_TYPE, MATCH_EXACT };

// Cuts the next piece off at `separator`, but not inside a quoted string.
static struct base_span cut_unquoted(struct base_span *rest, char separator) {
  bool is_quoted = false;
  for (size_t i = 0; i < rest->bytes; i++) {
    uint8_t byte = rest->data[i];
    if (is_quoted && byte == '\\') {
      i++;
    } else if (byte == '"') {
      is_quoted = !is_quoted;
    } else if (!is_quoted && byte == (uint8_t)separator) {
      struct base_span piece = base_span_slice(*rest, 0, i);
      *rest = base_span_slice(*rest, i + 1, rest->bytes);
      return piece;
    }
  }
  struct base_span piece = *rest;
  *rest = base_span_of(NULL, 0);
  return piece;
}

// qvalue (RFC 9110 12.4.2) as thousandths: 0, 1, 0.5, 1.000; never more than three decimals.
static bool parse_quality(struct base_span text, int *out) {
  enum { MAX_CHARS = 5 };  // "0.123"
  if (text.bytes == 0 || text.bytes > MAX_CHARS || (text.data[0] != '0' && text.data[0] != '1')) return false;
  if (text.bytes > 1 && text.data[1] != '.') return false;
  int quality = (text.data[0] - '0') * QUALITY_MAX;
  int unit = QUALITY_MAX / 10;
  for (size_t i = 2; i < text.bytes; i++, unit /= 10) {
    if (!http_char_is(text.data[i], HTTP_CHAR_DIGIT)) return false;
    quality += (text.data[i] - '0') * unit;
  }
  if (quality > QUALITY_MAX) return false;
  *out = quality;
  return true;
}

// Reads ;name=value pairs up to and with q. False when they are malformed.
static bool parse_parameters(struct base_span rest, int *quality, bool *has_others) {
  while (rest.data) {
    struct base_span value = base_span_trim(cut_unquoted(&rest, ';'));
    if (value.bytes == 0) continue;  // RFC 9110 5.6.6 allows empty parameters
    struct base_span name = base_span_cut(&value, '=');
    if (!http_chars_are_token(name) || !value.data) return false;
    if (base_span_is_nocase(name, "q")) return parse_quality(value, quality);
    *has_others = true;
  }
  return true;
}

static bool is_type_part(struct base_span text) { return base_span_is(text, "*") || http_chars_are_token(text); }

static enum specificity match_range(struct base_span range, const char *media_type) {
  struct base_span subtype = range;
  struct base_span type = base_span_cut(&subtype, '/');
  if (!is_type_part(type) || !is_type_part(subtype)) return MATCH_NONE;
  if (base_span_is(range, "*/*")) return MATCH_ANY;
  if (base_span_is_nocase(range, media_type)) return MATCH_EXACT;
  const char *slash = strchr(media_type, '/');
  bool is_same_type = slash && type.bytes == (size_t)(slash - media_type) &&
                      strncasecmp((const char *)type.data, media_type, type.bytes) == 0;
  return is_same_type && base_span_is(subtype, "*") ? MATCH_TYPE : MATCH_NONE;
}

int http_accept_quality(struct base_span accept, const char *media_type, bool *is_exact) {
  *is_exact = false;
  if (!accept.data) return QUALITY_MAX;
  enum specificity best = MATCH_NONE;
  int best_quality = 0;
  while (accept.data) {
    struct base_span parameters = cut_unquoted(&accept, ',');
    struct base_span range = base_span_trim(cut_unquoted(&parameters, ';'));
    enum specificity specificity = match_range(range, media_type);
    int quality = QUALITY_MAX;
    bool has_others = false;
    if (specificity == MATCH_NONE || specificity < best) continue;
    // A range with parameters of its own names another type than the bare one.
    if (!parse_parameters(parameters, &quality, &has_others) || has_others) continue;
    if (specificity > best || quality > best_quality) best_quality = quality;
    best = specificity;
  }
  *is_exact = best == MATCH_EXACT;
  return best_quality;
}
