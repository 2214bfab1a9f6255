#include "serve.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/file.h"
#include "codec/codec.h"
#include "sandbox/protocol.h"

enum { FILE_DESCRIPTOR, PIXELS_DESCRIPTOR };

struct message {
  struct sandbox_request request;
  int descriptors[SANDBOX_MAX_DESCRIPTORS];  // -1: none
  size_t count;
};

static void message_finish(struct message *message) {
  for (size_t i = 0; i < SANDBOX_MAX_DESCRIPTORS; i++) base_fd_close(&message->descriptors[i]);
}

static void take_descriptors(struct msghdr *header, struct message *out) {
  for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part; part = CMSG_NXTHDR(header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count && out->count < SANDBOX_MAX_DESCRIPTORS; i++) {
      memcpy(&out->descriptors[out->count++], CMSG_DATA(part) + i * sizeof(int), sizeof(int));
    }
  }
}

// One whole request. 1: received, 0: the socket closed, -1: not our protocol.
static int receive(int socket, struct message *out) {
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(SANDBOX_MAX_DESCRIPTORS * sizeof(int))];
  } control;
  *out = (struct message){.descriptors = {-1, -1}};
  struct iovec part = {.iov_base = &out->request, .iov_len = sizeof out->request};
  struct msghdr header = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  ssize_t bytes;
  do {
    bytes = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  } while (bytes < 0 && errno == EINTR);
  if (bytes == 0) return 0;
  if (bytes < 0) return -1;
  take_descriptors(&header, out);
  const struct sandbox_request *request = &out->request;
  bool is_whole = bytes == (ssize_t)sizeof *request && !(header.msg_flags & (MSG_TRUNC | MSG_CTRUNC));
  return is_whole && request->magic == SANDBOX_PROTOCOL_MAGIC && request->version == SANDBOX_PROTOCOL_VERSION ? 1 : -1;
}

static enum base_result map_file(int fd, const struct image_limits *limits, struct base_span *out,
                                 struct base_fault *fault) {
  struct stat status;
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    return BASE_FAIL(fault, BASE_INTERNAL, "file", "what came to be decoded is no regular file");
  }
  if (status.st_size == 0) return BASE_FAIL(fault, BASE_UNSUPPORTED, "format", "the file is empty");
  uint64_t bytes = (uint64_t)status.st_size;
  if (bytes > limits->max_file_bytes) {
    return BASE_FAIL(fault, BASE_UNPROCESSABLE, "max_file_bytes",
                     "the file has %llu bytes; at most %llu are accepted (max_file_bytes)", (unsigned long long)bytes,
                     (unsigned long long)limits->max_file_bytes);
  }
  void *data = mmap(NULL, (size_t)bytes, PROT_READ, MAP_PRIVATE, fd, 0);
  if (data == MAP_FAILED)
    return BASE_FAIL_ERRNO(fault, "file", "%llu bytes can not be mapped", (unsigned long long)bytes);
  *out = base_span_of(data, (size_t)bytes);
  return BASE_OK;
}

static void unmap(void *data, size_t bytes) { munmap(data, bytes); }

// The request's sizes, held against the descriptor that came with them and against the picture.
static enum base_result check_sizes(const struct message *message, const struct image_header *header, size_t *out_bytes,
                                    struct base_fault *fault) {
  const struct sandbox_request *request = &message->request;
  unsigned shrink = request->shrink;
  struct stat status;
  size_t row_bytes;
  if (shrink != 1 && !(header->can_shrink && (shrink == 2 || shrink == 4 || shrink == 8))) {
    return BASE_FAIL(fault, BASE_INTERNAL, "shrink", "this picture can not be shrunk by %u", shrink);
  }
  if (request->width != image_shrunk_side(header->width, shrink) ||
      request->height != image_shrunk_side(header->height, shrink)) {
    return BASE_FAIL(fault, BASE_UNPROCESSABLE, "size", "the file has changed since it was inspected");
  }
  if (!base_mul_size(request->width, 4, &row_bytes) || request->stride_bytes < row_bytes ||
      !base_mul_size(request->stride_bytes, request->height, out_bytes)) {
    return BASE_FAIL(fault, BASE_INTERNAL, "stride", "the rows do not fit their picture");
  }
  if (fstat(message->descriptors[PIXELS_DESCRIPTOR], &status) != 0 || status.st_size < 0 ||
      (uint64_t)status.st_size < *out_bytes) {
    return BASE_FAIL(fault, BASE_INTERNAL, "pixels", "the pixel memory is too small");
  }
  return BASE_OK;
}

static enum base_result decode(const struct message *message, struct base_span file,
                               const struct codec_decoder *decoder, const struct image_header *header,
                               struct base_fault *fault) {
  const struct sandbox_request *request = &message->request;
  struct image *image = NULL;
  size_t bytes = 0;
  enum base_result result = check_sizes(message, header, &bytes, fault);
  if (result != BASE_OK) return result;
  void *pixels = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, message->descriptors[PIXELS_DESCRIPTOR], 0);
  if (pixels == MAP_FAILED) return BASE_FAIL_ERRNO(fault, "pixels", "%zu bytes of pixels can not be mapped", bytes);
  result = image_adopt(pixels, bytes, request->width, request->height, request->stride_bytes, header->has_alpha, unmap,
                       &image);
  if (result != BASE_OK) {
    munmap(pixels, bytes);
    return BASE_FAIL(fault, result, "pixels", "no memory for a picture");
  }
  result = decoder->decode(file, header, request->shrink, image, fault);
  image_unref(&image);
  return result;
}

static enum base_result answer(const struct message *message, struct image_header *header, struct base_fault *fault) {
  const struct sandbox_request *request = &message->request;
  const struct codec_decoder *decoder;
  struct base_span file;
  bool is_decode = request->operation == SANDBOX_DECODE;
  if (!is_decode && request->operation != SANDBOX_INSPECT) {
    return BASE_FAIL(fault, BASE_INTERNAL, "operation", "operation %u is unknown", (unsigned)request->operation);
  }
  if (message->count != (is_decode ? 2 : 1)) {
    return BASE_FAIL(fault, BASE_INTERNAL, "descriptors", "%zu descriptors came with the request", message->count);
  }
  enum base_result result = map_file(message->descriptors[FILE_DESCRIPTOR], &request->limits, &file, fault);
  if (result != BASE_OK) return result;
  result = codec_inspect(file, &request->limits, &decoder, header, fault);
  if (result == BASE_OK && is_decode) result = decode(message, file, decoder, header, fault);
  munmap((void *)(uintptr_t)file.data, file.bytes);
  return result;
}

static bool say(int socket, const struct sandbox_reply *reply) {
  return send(socket, reply, sizeof *reply, MSG_NOSIGNAL) == (ssize_t)sizeof *reply;
}

// Zeroed with memset, so that padding carries no old memory either.
static void reply_init(struct sandbox_reply *reply, enum sandbox_operation operation) {
  memset(reply, 0, sizeof *reply);
  reply->magic = SANDBOX_PROTOCOL_MAGIC;
  reply->version = SANDBOX_PROTOCOL_VERSION;
  reply->operation = (uint16_t)operation;
}

bool serve(int socket) {
  struct sandbox_reply reply;
  struct message message;
  int received;
  reply_init(&reply, SANDBOX_READY);
  if (!say(socket, &reply)) return false;
  while ((received = receive(socket, &message)) > 0) {
    struct base_fault fault = {0};
    reply_init(&reply, (enum sandbox_operation)message.request.operation);
    reply.result = answer(&message, &reply.header, &fault);
    snprintf(reply.subject, sizeof reply.subject, "%s", fault.subject);
    snprintf(reply.text, sizeof reply.text, "%s", fault.text);
    message_finish(&message);
    if (!say(socket, &reply)) return true;
  }
  message_finish(&message);
  return received == 0;
}
