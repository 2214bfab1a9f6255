#include "ingest/multipart.h"

#include <stdlib.h>
#include <string.h>

#include "parameter.h"
#include "part_head.h"

// What may surround the parts; both are thrown away, so a bound keeps a client from sending for ever.
enum { MAX_SURROUNDINGS = 4096, MAX_PADDING = 64 };

enum state { PREAMBLE, AFTER_DELIMITER, PADDING, PADDING_CR, CLOSING, HEAD, BODY, EPILOGUE, FAILED };

struct ingest_multipart {
  struct ingest_multipart_events events;
  enum state state;
  enum base_result failure;  // what every push after FAILED returns
  // CRLF, two dashes and the boundary. CR stands only at its beginning, so after a mismatch the search goes on at the
  // current byte with nothing matched: no shorter match can be hidden in what was matched so far.
  char delimiter[4 + INGEST_MAX_BOUNDARY];
  size_t delimiter_bytes;
  size_t matched;       // of the delimiter, in PREAMBLE and BODY
  size_t surroundings;  // bytes of preamble or epilogue so far
  size_t padding;
  size_t parts;
  size_t head_bytes;
  size_t line_bytes;  // of the head's current line
  char *head;         // INGEST_MAX_PART_HEAD bytes while a head comes, else NULL: forms wait by the thousand
};

// RFC 2046 5.1.1: bchars, and no space at the end.
static bool is_boundary(struct base_span text) {
  if (text.bytes == 0 || text.bytes > INGEST_MAX_BOUNDARY || text.data[text.bytes - 1] == ' ') return false;
  for (size_t i = 0; i < text.bytes; i++) {
    uint8_t c = text.data[i];
    bool is_alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (!is_alnum && (c == '\0' || !strchr("'()+_,-./:=? ", c))) return false;
  }
  return true;
}

static enum base_result read_boundary(struct ingest_multipart *multipart, struct base_span content_type,
                                      struct base_fault *fault) {
  struct base_span rest;
  if (!base_span_is_nocase(ingest_parameter_head(content_type, &rest), "multipart/form-data")) {
    return BASE_FAIL(fault, BASE_UNSUPPORTED, "Content-Type", "a form is sent as multipart/form-data");
  }
  struct ingest_parameter parameter;
  enum ingest_parameter_outcome outcome;
  while ((outcome = ingest_parameter_next(&rest, &parameter)) == PARAMETER_FOUND) {
    if (!base_span_is_nocase(parameter.name, "boundary")) continue;
    struct base_span boundary = base_span_text(parameter.value);
    if (!is_boundary(boundary) || multipart->delimiter_bytes != 0) break;
    memcpy(multipart->delimiter, "\r\n--", 4);
    memcpy(multipart->delimiter + 4, boundary.data, boundary.bytes);
    multipart->delimiter_bytes = 4 + boundary.bytes;
  }
  if (outcome == PARAMETER_END && multipart->delimiter_bytes != 0) return BASE_OK;
  return BASE_FAIL(fault, BASE_BAD_INPUT, "boundary",
                   "multipart/form-data needs one boundary of 1..%d allowed characters", INGEST_MAX_BOUNDARY);
}

enum base_result ingest_multipart_create(struct base_span content_type, const struct ingest_multipart_events *events,
                                         struct ingest_multipart **out, struct base_fault *fault) {
  *out = NULL;
  struct ingest_multipart *multipart = calloc(1, sizeof *multipart);
  if (!multipart) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a form");
  enum base_result result = read_boundary(multipart, content_type, fault);
  if (result != BASE_OK) {
    free(multipart);
    return result;
  }
  multipart->events = *events;
  multipart->state = PREAMBLE;
  multipart->matched = 2;  // the first delimiter needs no CRLF before it
  *out = multipart;
  return BASE_OK;
}

void ingest_multipart_destroy(struct ingest_multipart **multipart) {
  if (*multipart) free((*multipart)->head);
  free(*multipart);
  *multipart = NULL;
}

static enum base_result send_data(struct ingest_multipart *multipart, const void *data, size_t bytes,
                                  struct base_fault *fault) {
  if (bytes == 0 || multipart->state != BODY) return BASE_OK;
  return multipart->events.part_data(multipart->events.self, base_span_of(data, bytes), fault);
}

static enum base_result count_surroundings(struct ingest_multipart *multipart, size_t bytes, struct base_fault *fault) {
  multipart->surroundings += bytes;  // cannot overflow: it is refused long before
  if (multipart->surroundings <= MAX_SURROUNDINGS) return BASE_OK;
  return BASE_FAIL(fault, BASE_BAD_INPUT, "boundary", "more than %d bytes stand outside of the parts of the form",
                   MAX_SURROUNDINGS);
}

// PREAMBLE and BODY: passes on what is certainly no delimiter and stops behind a whole one. Takes at least a byte.
static enum base_result search(struct ingest_multipart *multipart, struct base_span *rest, struct base_fault *fault) {
  const uint8_t *begin = rest->data;
  size_t at = 0;
  size_t carried = multipart->matched;  // of what has matched, bytes of earlier pushes, which are not in *rest
  enum base_result result = BASE_OK;
  while (at < rest->bytes && multipart->matched < multipart->delimiter_bytes && result == BASE_OK) {
    if (begin[at] == (uint8_t)multipart->delimiter[multipart->matched]) {
      multipart->matched++;
      at++;
    } else if (multipart->matched > 0) {
      // What looked like a delimiter was data, and is known without having been kept.
      result = send_data(multipart, multipart->delimiter, carried, fault);
      multipart->matched = carried = 0;
    } else {
      const uint8_t *cr = memchr(begin + at, '\r', rest->bytes - at);
      at = cr ? (size_t)(cr - begin) : rest->bytes;
    }
  }
  // In one piece however many line ends it has: every piece is a write.
  if (result == BASE_OK) result = send_data(multipart, begin, at - (multipart->matched - carried), fault);
  if (result == BASE_OK && multipart->state == PREAMBLE) result = count_surroundings(multipart, at, fault);
  *rest = base_span_slice(*rest, at, rest->bytes - at);
  if (result != BASE_OK || multipart->matched < multipart->delimiter_bytes) return result;
  bool had_part = multipart->state == BODY;
  multipart->state = AFTER_DELIMITER;
  multipart->matched = 0;
  multipart->padding = 0;
  return had_part ? multipart->events.part_end(multipart->events.self, fault) : BASE_OK;
}

static enum base_result fail_delimiter(struct base_fault *fault) {
  return BASE_FAIL(fault, BASE_BAD_INPUT, "boundary", "a boundary is followed by something else than a line's end");
}

static enum base_result begin_head(struct ingest_multipart *multipart, struct base_fault *fault) {
  multipart->head = malloc(INGEST_MAX_PART_HEAD);
  if (!multipart->head) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a form");
  multipart->state = HEAD;
  multipart->head_bytes = 0;
  multipart->line_bytes = 0;
  return BASE_OK;
}

// One byte of what follows a delimiter: "--" closes the form; padding and CRLF begin a part.
static enum base_result take_after_delimiter(struct ingest_multipart *multipart, uint8_t c, struct base_fault *fault) {
  switch (multipart->state) {
    case AFTER_DELIMITER:
      if (c == '-') {
        multipart->state = CLOSING;
        return BASE_OK;
      }
      multipart->state = PADDING;
      return take_after_delimiter(multipart, c, fault);
    case PADDING:
      if (c == '\r') {
        multipart->state = PADDING_CR;
        return BASE_OK;
      }
      if ((c != ' ' && c != '\t') || ++multipart->padding > MAX_PADDING) return fail_delimiter(fault);
      return BASE_OK;
    case PADDING_CR:
      if (c != '\n') return fail_delimiter(fault);
      return begin_head(multipart, fault);
    default:  // CLOSING
      if (c != '-') return fail_delimiter(fault);
      multipart->state = EPILOGUE;
      multipart->surroundings = 0;
      return BASE_OK;
  }
}

static enum base_result begin_part(struct ingest_multipart *multipart, struct base_fault *fault) {
  if (++multipart->parts > INGEST_MAX_PARTS) {
    return BASE_FAIL(fault, BASE_TOO_LARGE, "max_parts", "a form has at most %d parts", INGEST_MAX_PARTS);
  }
  struct ingest_part part;
  enum base_result result = ingest_part_head_parse(base_span_of(multipart->head, multipart->head_bytes), &part, fault);
  free(multipart->head);
  multipart->head = NULL;
  if (result != BASE_OK) return result;
  multipart->state = BODY;
  multipart->matched = 0;
  return multipart->events.part_begin(multipart->events.self, &part, fault);
}

// One byte of a part's head, which ends with an empty line. Lines end with CRLF and hold no other CR, LF or NUL.
static enum base_result take_head(struct ingest_multipart *multipart, uint8_t c, struct base_fault *fault) {
  if (multipart->head_bytes == INGEST_MAX_PART_HEAD) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "max_part_head", "the head of a part has at most %d bytes",
                     INGEST_MAX_PART_HEAD);
  }
  bool is_after_cr = multipart->line_bytes > 0 && multipart->head[multipart->head_bytes - 1] == '\r';
  if (c == '\0' || is_after_cr != (c == '\n')) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "", "the head of a part has a broken line end or a NUL");
  }
  multipart->head[multipart->head_bytes++] = (char)c;
  multipart->line_bytes++;
  if (c != '\n') return BASE_OK;
  bool is_empty_line = multipart->line_bytes == 2;
  multipart->line_bytes = 0;
  if (!is_empty_line) return BASE_OK;
  multipart->head_bytes -= 2;
  return begin_part(multipart, fault);
}

// Takes at least one byte off *rest.
static enum base_result step(struct ingest_multipart *multipart, struct base_span *rest, struct base_fault *fault) {
  if (multipart->state == PREAMBLE || multipart->state == BODY) return search(multipart, rest, fault);
  if (multipart->state == EPILOGUE) {
    size_t bytes = rest->bytes;
    *rest = base_span_slice(*rest, bytes, 0);
    return count_surroundings(multipart, bytes, fault);
  }
  uint8_t c = *rest->data;
  *rest = base_span_slice(*rest, 1, rest->bytes - 1);
  return multipart->state == HEAD ? take_head(multipart, c, fault) : take_after_delimiter(multipart, c, fault);
}

enum base_result ingest_multipart_push(struct ingest_multipart *multipart, struct base_span bytes,
                                       struct base_fault *fault) {
  if (multipart->state == FAILED) return BASE_FAIL(fault, multipart->failure, "", "the form has failed before");
  while (bytes.bytes > 0) {
    enum base_result result = step(multipart, &bytes, fault);
    if (result == BASE_OK) continue;
    multipart->state = FAILED;
    multipart->failure = result;
    return result;
  }
  return BASE_OK;
}

enum base_result ingest_multipart_end(struct ingest_multipart *multipart, struct base_fault *fault) {
  if (multipart->state == EPILOGUE) return BASE_OK;
  if (multipart->state == FAILED) return BASE_FAIL(fault, multipart->failure, "", "the form has failed before");
  return BASE_FAIL(fault, BASE_BAD_INPUT, "boundary", "the form ends without its closing boundary");
}
