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

// How much of the pixel memory the picture takes, held against the descriptor that came for it.
static enum base_result check_memory(const struct codec_picture *picture, const struct image_header *header, int pixels,
                                     size_t *out_bytes, struct base_fault *fault) {
  struct stat status;
  bool fits = picture->format == IMAGE_YUV ? image_yuv_bytes(&picture->yuv, out_bytes) == BASE_OK
                                           : base_mul3_size(header->width, header->height, 4, out_bytes);
  fits = fits && fstat(pixels, &status) == 0 && status.st_size >= 0 && (uint64_t)status.st_size >= *out_bytes;
  return fits ? BASE_OK : BASE_FAIL(fault, BASE_INTERNAL, "pixels", "the pixel memory is too small");
}

static enum base_result map_picture(const struct codec_picture *picture, const struct image_header *header, int fd,
                                    struct image **out, struct base_fault *fault) {
  size_t bytes = 0;
  enum base_result result = check_memory(picture, header, fd, &bytes, fault);
  if (result != BASE_OK) return result;
  void *pixels = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (pixels == MAP_FAILED) return BASE_FAIL_ERRNO(fault, "pixels", "%zu bytes of pixels can not be mapped", bytes);
  result = picture->format == IMAGE_YUV ? image_adopt_yuv(pixels, bytes, &picture->yuv, unmap, out)
                                        : image_adopt(pixels, bytes, header->width, header->height, header->width * 4,
                                                      header->has_alpha, unmap, out);
  if (result == BASE_OK) return BASE_OK;
  munmap(pixels, bytes);
  return BASE_FAIL(fault, result, "pixels", "no memory for a picture");
}

static enum base_result decode(const struct message *message, struct base_span file,
                               const struct codec_decoder *decoder, const struct image_header *header,
                               struct sandbox_picture *out, struct base_fault *fault) {
  const struct sandbox_request *request = &message->request;
  struct codec_picture picture = {0};
  struct image *image = NULL;
  if (request->width != header->width || request->height != header->height) {
    return BASE_FAIL(fault, BASE_UNPROCESSABLE, "size", "the file has changed since it was inspected");
  }
  enum base_result result = decoder->plan(file, header, &picture, fault);
  if (result == BASE_OK) {
    result = map_picture(&picture, header, message->descriptors[PIXELS_DESCRIPTOR], &image, fault);
  }
  if (result == BASE_OK) result = decoder->decode(file, header, image, fault);
  image_unref(&image);
  *out = (struct sandbox_picture){.format = (uint8_t)picture.format,
                                  .range = (uint8_t)picture.yuv.range,
                                  .chroma_x = picture.yuv.chroma_x,
                                  .chroma_y = picture.yuv.chroma_y,
                                  .is_grey = picture.yuv.is_grey};
  return result;
}

static enum base_result answer(const struct message *message, struct sandbox_reply *reply, struct base_fault *fault) {
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
  result = codec_inspect(file, &request->limits, &decoder, &reply->header, fault);
  if (result == BASE_OK && is_decode) result = decode(message, file, decoder, &reply->header, &reply->picture, fault);
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
    reply.result = answer(&message, &reply, &fault);
    snprintf(reply.subject, sizeof reply.subject, "%s", fault.subject);
    snprintf(reply.text, sizeof reply.text, "%s", fault.text);
    message_finish(&message);
    if (!say(socket, &reply)) return true;
  }
  message_finish(&message);
  return received == 0;
}
