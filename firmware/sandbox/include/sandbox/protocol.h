// What travels between pixpopd and a `decoder` process over its SOCK_SEQPACKET socket (file descriptor 3).
//
// A decoder says SANDBOX_READY once it stands; then one request, one reply, in turn. Both sides are built together;
// magic and version guard against a stray binary.
// The file to read and the memory to fill come as descriptors beside the request (SCM_RIGHTS): [file] for INSPECT and
// REPORT, [file, pixels] for DECODE. The file is a regular one: the parent has looked. The parent makes the pixel memfd
// from the validated reply to INSPECT, large enough for every kind of picture of that size, and seals it against
// growing and shrinking; the decoder chooses the kind, never a size. RGBA8 comes in rows of width * 4 bytes, planes as
// image_create_yuv lays them out.
//
// Started as `decoder MEMORY_BYTES UID`: its address space limit, 0 for none; the user to become when started by root.
#ifndef SANDBOX_PROTOCOL_H
#define SANDBOX_PROTOCOL_H

#include <stdint.h>

#include "base/result.h"
#include "image/header.h"
#include "image/image.h"
#include "image/limits.h"
#include "image/report.h"
#include "sandbox/isolation.h"

enum { SANDBOX_PROTOCOL_MAGIC = 0x70785042, SANDBOX_PROTOCOL_VERSION = 3, SANDBOX_SOCKET_FD = 3 };

// READY is only ever a reply: the first one, unasked.
enum sandbox_operation { SANDBOX_READY = 0, SANDBOX_INSPECT = 1, SANDBOX_DECODE = 2, SANDBOX_REPORT = 3 };

enum { SANDBOX_MAX_DESCRIPTORS = 2 };  // beside one request

struct sandbox_request {
  uint32_t magic;
  uint16_t version;
  uint16_t operation;
  uint32_t width, height;  // DECODE: what INSPECT said
  struct image_limits limits;
};

// The kind of the picture that DECODE has left in the pixel memory.
struct sandbox_picture {
  uint8_t format;  // enum image_format
  // Of IMAGE_YUV, as in struct image_yuv; 0 for RGBA8.
  uint8_t range;
  uint8_t chroma_x, chroma_y;
  uint8_t is_grey;
};

struct sandbox_reply {
  uint32_t magic;
  uint16_t version;
  uint16_t operation;
  uint32_t result;                     // enum base_result
  struct image_header header;          // INSPECT, DECODE
  struct sandbox_picture picture;      // DECODE
  struct sandbox_isolation isolation;  // READY
  char subject[BASE_FAULT_SUBJECT_BYTES];
  char text[BASE_FAULT_TEXT_BYTES];
};

// The answer to REPORT, in one message; `report` means something when the result is BASE_OK.
struct sandbox_report_reply {
  struct sandbox_reply reply;
  struct image_report report;
};

#endif
