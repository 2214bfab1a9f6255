// What travels between pixpopd and a `decoder` process over its SOCK_SEQPACKET socket (file descriptor 3).
//
// A decoder says SANDBOX_READY once it stands; then one request, one reply, in turn. Both sides are built together;
// magic and version guard against a stray binary.
// The file to read and the memory to fill come as descriptors beside the request (SCM_RIGHTS): [file] for INSPECT,
// [file, pixels] for DECODE. The parent makes the pixel memfd from the validated reply to INSPECT and seals it against
// growing and shrinking; the decoder never chooses a size.
//
// Started as `decoder MEMORY_BYTES`: its address space limit, 0 for none.
#ifndef SANDBOX_PROTOCOL_H
#define SANDBOX_PROTOCOL_H

#include <stdint.h>

#include "base/result.h"
#include "image/header.h"
#include "image/limits.h"

enum { SANDBOX_PROTOCOL_MAGIC = 0x70785042, SANDBOX_PROTOCOL_VERSION = 1, SANDBOX_SOCKET_FD = 3 };

// READY is only ever a reply: the first one, unasked.
enum sandbox_operation { SANDBOX_READY = 0, SANDBOX_INSPECT = 1, SANDBOX_DECODE = 2 };

enum { SANDBOX_MAX_DESCRIPTORS = 2 };  // beside one request

struct sandbox_request {
  uint32_t magic;
  uint16_t version;
  uint16_t operation;
  uint32_t shrink;         // DECODE: 1, 2, 4, 8
  uint32_t width, height;  // DECODE: of the pixel memory, after shrinking
  uint32_t stride_bytes;
  struct image_limits limits;
};

struct sandbox_reply {
  uint32_t magic;
  uint16_t version;
  uint16_t operation;
  uint32_t result;  // enum base_result
  struct image_header header;
  char subject[BASE_FAULT_SUBJECT_BYTES];
  char text[BASE_FAULT_TEXT_BYTES];
};

#endif
