#include "framing.h"

#include "chars.h"
#include "target.h"

static uint8_t lower(uint8_t byte) { return byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte; }

static bool equal_nocase(struct base_span a, struct base_span b) {
  if (a.bytes != b.bytes) return false;
  for (size_t i = 0; i < a.bytes; i++) {
    if (lower(a.data[i]) != lower(b.data[i])) return false;
  }
  return true;
}

static enum base_result observe_host(struct http_framing *framing, struct http_request *request, struct base_span value,
                                     struct base_fault *fault) {
  if (framing->host_value.data) return BASE_FAIL(fault, BASE_BAD_INPUT, "host", "There is more than one Host field");
  if (!http_authority_split(value, &request->host)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "host", "The Host field is not a valid host and port");
  }
  framing->host_value = value;
  return BASE_OK;
}

// A list of equal numbers is one number (RFC 9110 8.6), whether in one field or in several.
static enum base_result observe_content_length(struct http_request *request, struct base_span value,
                                               struct base_fault *fault) {
  do {
    uint64_t length;
    if (!base_span_to_u64(base_span_trim(base_span_cut(&value, ',')), &length)) {
      return BASE_FAIL(fault, BASE_BAD_INPUT, "content-length", "Content-Length is not a decimal number");
    }
    if (length > INT64_MAX) {  // no file is that long, and UINT64_MAX says "unknown" further in
      return BASE_FAIL(fault, BASE_TOO_LARGE, "content-length", "No body is accepted that has so many bytes");
    }
    if (request->has_content_length && request->content_length != length) {
      return BASE_FAIL(fault, BASE_BAD_INPUT, "content-length", "There are two different Content-Length values");
    }
    request->has_content_length = true;
    request->content_length = length;
  } while (value.data);
  return BASE_OK;
}

static enum base_result observe_transfer_encoding(struct http_framing *framing, struct http_request *request,
                                                  struct base_span value, struct base_fault *fault) {
  if (request->version_minor == 0) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "transfer-encoding", "HTTP/1.0 has no Transfer-Encoding");
  }
  framing->has_transfer_encoding = true;
  do {
    struct base_span coding = base_span_trim(base_span_cut(&value, ','));
    if (request->is_chunked || !http_chars_are_token(coding)) {
      return BASE_FAIL(fault, BASE_BAD_INPUT, "transfer-encoding", "Transfer-Encoding must end in one chunked");
    }
    if (base_span_is_nocase(coding, "chunked")) {
      request->is_chunked = true;
    } else {
      framing->has_other_coding = true;
    }
  } while (value.data);
  return BASE_OK;
}

static void observe_connection(struct http_framing *framing, struct base_span value) {
  do {
    struct base_span option = base_span_trim(base_span_cut(&value, ','));
    framing->wants_close |= base_span_is_nocase(option, "close");
    framing->wants_keep_alive |= base_span_is_nocase(option, "keep-alive");
  } while (value.data);
}

enum base_result http_framing_observe(struct http_framing *framing, struct http_request *request,
                                      const struct http_header *header, struct base_fault *fault) {
  // The length rules out nearly every other field before a byte is compared.
  switch (header->name.bytes) {
    case sizeof "Host" - 1:
      if (!base_span_is_nocase(header->name, "Host")) break;
      return observe_host(framing, request, header->value, fault);
    case sizeof "Connection" - 1:
      if (base_span_is_nocase(header->name, "Connection")) observe_connection(framing, header->value);
      break;
    case sizeof "Authorization" - 1:
      if (!base_span_is_nocase(header->name, "Authorization")) break;
      if (framing->has_authorization) {
        return BASE_FAIL(fault, BASE_BAD_INPUT, "authorization", "There is more than one Authorization field");
      }
      framing->has_authorization = true;
      break;
    case sizeof "Content-Length" - 1:
      if (!base_span_is_nocase(header->name, "Content-Length")) break;
      return observe_content_length(request, header->value, fault);
    case sizeof "Transfer-Encoding" - 1:
      if (!base_span_is_nocase(header->name, "Transfer-Encoding")) break;
      return observe_transfer_encoding(framing, request, header->value, fault);
    default:
      break;
  }
  return BASE_OK;
}

enum base_result http_framing_conclude(const struct http_framing *framing, struct http_request *request,
                                       struct base_fault *fault) {
  bool has_host = framing->host_value.data != NULL;
  if (!has_host && request->version_minor >= 1) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "host", "HTTP/1.1 requires a Host field");
  }
  if (has_host && framing->authority.data && !equal_nocase(framing->authority, framing->host_value)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "host", "The Host field and the request target name different hosts");
  }
  if (framing->has_transfer_encoding) {
    if (request->has_content_length) {
      return BASE_FAIL(fault, BASE_BAD_INPUT, "content-length",
                       "Content-Length and Transfer-Encoding exclude each other");
    }
    // Without a final chunked the end can not be known: 400 (RFC 9112 6.3); with one, an unknown coding is 501 (6.1).
    if (!request->is_chunked) {
      return BASE_FAIL(fault, BASE_BAD_INPUT, "transfer-encoding", "Transfer-Encoding must end in one chunked");
    }
    if (framing->has_other_coding) {
      return BASE_FAIL(fault, BASE_NOT_IMPLEMENTED, "transfer-encoding", "No transfer coding but chunked is known");
    }
  }
  request->authority = has_host ? framing->host_value : framing->authority;
  request->keep_alive = !framing->wants_close && (request->version_minor >= 1 || framing->wants_keep_alive);
  return BASE_OK;
}
