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
  if (!is_bool(&header->has_alpha) || !is_bool(&header->has_icc)) return false;
  return (unsigned)header->format > IMAGE_FILE_UNKNOWN && (unsigned)header->format < IMAGE_FILE_FORMAT_COUNT &&
         (unsigned)header->orientation >= IMAGE_UPRIGHT && (unsigned)header->orientation <= IMAGE_ROTATE_270 &&
         (unsigned)header->colour <= IMAGE_COLOUR_PALETTE && header->bits >= 1 && header->bits <= 16;
}

// RGBA8 has no other fields; planes are those of a format without alpha.
static bool is_picture_sound(const struct sandbox_picture *picture, const struct image_header *header) {
  const bool has_fields = picture->range || picture->chroma_x || picture->chroma_y || picture->is_grey;
  if (picture->format == IMAGE_RGBA8) return !has_fields;
  const bool has_block_x = picture->chroma_x == 1 || picture->chroma_x == 2 || picture->chroma_x == 4;
  const bool has_block_y = picture->chroma_y == 1 || picture->chroma_y == 2;
  if (picture->format != IMAGE_YUV || header->has_alpha || !has_block_x || !has_block_y) return false;
  if (picture->range != IMAGE_RANGE_FULL && picture->range != IMAGE_RANGE_LIMITED) return false;
  return picture->is_grey == 0 || (picture->is_grey == 1 && picture->chroma_x == 1 && picture->chroma_y == 1);
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

size_t sandbox_reply_bytes(enum sandbox_operation operation) {
  return operation == SANDBOX_REPORT ? sizeof(struct sandbox_report_reply) : sizeof(struct sandbox_reply);
}

bool sandbox_reply_is_sound(struct sandbox_reply *reply, size_t bytes, enum sandbox_operation operation) {
  if (bytes != sandbox_reply_bytes(operation)) return false;
  if (reply->magic != SANDBOX_PROTOCOL_MAGIC || reply->version != SANDBOX_PROTOCOL_VERSION) return false;
  if (reply->operation != operation || !is_result_sound(reply->result)) return false;
  make_printable(reply->subject, sizeof reply->subject);
  make_printable(reply->text, sizeof reply->text);
  if (operation == SANDBOX_READY || reply->result != BASE_OK) return true;
  if (operation == SANDBOX_REPORT) {
    return image_report_check(&((const struct sandbox_report_reply *)reply)->report, NULL) == BASE_OK;
  }
  if (!is_header_sound(&reply->header)) return false;
  return operation != SANDBOX_DECODE || is_picture_sound(&reply->picture, &reply->header);
}
