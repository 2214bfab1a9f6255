#include "reply.h"

#include <stdint.h>
#include <string.h>

// Reading a bool that holds neither 0 nor 1 is undefined, so its byte is looked at first.
static bool is_bool(const bool *value) {
  uint8_t byte;
  _Static_assert(sizeof *value == sizeof byte, "bool is one byte");
  memcpy(&byte, value, sizeof byte);
  return byte <= 1;
}

static bool is_header_sound(const struct image_header *header) {
  if (!is_bool(&header->has_alpha) || !is_bool(&header->has_icc) || !is_bool(&header->can_shrink)) return false;
  return (unsigned)header->format > IMAGE_FILE_UNKNOWN && (unsigned)header->format < IMAGE_FILE_FORMAT_COUNT &&
         (unsigned)header->orientation >= IMAGE_UPRIGHT && (unsigned)header->orientation <= IMAGE_ROTATE_270 &&
         (unsigned)header->colour <= IMAGE_COLOUR_PALETTE && header->bits >= 1 && header->bits <= 16;
}

// What a decoder can have to say; anything else would let it choose, say, that a client is unauthorized.
static bool is_result_sound(uint32_t result) {
  return result == BASE_OK || result == BASE_UNSUPPORTED || result == BASE_UNPROCESSABLE || result == BASE_NO_MEMORY ||
         result == BASE_IO || result == BASE_INTERNAL;
}

static void make_printable(char *text, size_t capacity) {
  text[capacity - 1] = '\0';
  for (; *text; text++) {
    if ((unsigned char)*text < ' ' || (unsigned char)*text > '~') *text = '?';
  }
}

bool sandbox_reply_is_sound(struct sandbox_reply *reply, size_t bytes, enum sandbox_operation operation) {
  if (bytes != sizeof *reply) return false;
  if (reply->magic != SANDBOX_PROTOCOL_MAGIC || reply->version != SANDBOX_PROTOCOL_VERSION) return false;
  if (reply->operation != operation || !is_result_sound(reply->result)) return false;
  make_printable(reply->subject, sizeof reply->subject);
  make_printable(reply->text, sizeof reply->text);
  return operation == SANDBOX_READY || reply->result != BASE_OK || is_header_sound(&reply->header);
}
