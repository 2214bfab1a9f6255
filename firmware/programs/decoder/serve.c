#include "serve.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/file.h"
#include "codec/codec.h"
#include "inspect/inspect.h"
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

// The system call itself: the C library's fstat may be one that takes paths, and those are refused here.
static bool find_bytes(int fd, uint64_t *out) {
  struct stat status;
  if (syscall(SYS_fstat, fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size < 0) return false;
  *out = (uint64_t)status.st_size;
  return true;
}

static enum base_result map_file(int fd, const struct image_limits *limits, struct base_span *out,
                                 struct base_fault *fault) {
  uint64_t bytes;
  if (!find_bytes(fd, &bytes)) {
    return BASE_FAIL(fault, BASE_INTERNAL, "file", "what came to be decoded is no regular file");
  }
  if (bytes == 0) return BASE_FAIL(fault, BASE_UNSUPPORTED, "format", "the file is empty");
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
  uint64_t pixel_bytes = 0;
  bool fits = picture->format == IMAGE_YUV ? image_yuv_bytes(&picture->yuv, out_bytes) == BASE_OK
                                           : base_mul3_size(header->width, header->height, 4, out_bytes);
  fits = fits && find_bytes(pixels, &pixel_bytes) && pixel_bytes >= *out_bytes;
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

static enum base_result read_file(const struct message *message, struct base_span file,
                                  struct sandbox_report_reply *out, struct base_fault *fault) {
  const struct sandbox_request *request = &message->request;
  const struct codec_decoder *decoder;
  if (request->operation == SANDBOX_REPORT) return inspect_file(file, &request->limits, &out->report, fault);
  enum base_result result = codec_inspect(file, &request->limits, &decoder, &out->reply.header, fault);
  if (result != BASE_OK || request->operation == SANDBOX_INSPECT) return result;
  return decode(message, file, decoder, &out->reply.header, &out->reply.picture, fault);
}

static enum base_result answer(const struct message *message, struct sandbox_report_reply *out,
                               struct base_fault *fault) {
  const struct sandbox_request *request = &message->request;
  struct base_span file = {0};
  if (request->operation == SANDBOX_READY || request->operation > SANDBOX_REPORT) {
    return BASE_FAIL(fault, BASE_INTERNAL, "operation", "operation %u is unknown", (unsigned)request->operation);
  }
  if (message->count != (request->operation == SANDBOX_DECODE ? 2 : 1)) {
    return BASE_FAIL(fault, BASE_INTERNAL, "descriptors", "%zu descriptors came with the request", message->count);
  }
  enum base_result result = map_file(message->descriptors[FILE_DESCRIPTOR], &request->limits, &file, fault);
  if (result != BASE_OK) return result;
  result = read_file(message, file, out, fault);
  munmap((void *)(uintptr_t)file.data, file.bytes);
  return result;
}

static bool say(int socket, const struct sandbox_report_reply *reply) {
  const size_t bytes = reply->reply.operation == SANDBOX_REPORT ? sizeof *reply : sizeof reply->reply;
  return send(socket, reply, bytes, MSG_NOSIGNAL) == (ssize_t)bytes;
}

// Zeroed with memset, so that padding carries no old memory either.
static void reply_init(struct sandbox_report_reply *reply, uint16_t operation) {
  memset(reply, 0, sizeof *reply);
  reply->reply.magic = SANDBOX_PROTOCOL_MAGIC;
  reply->reply.version = SANDBOX_PROTOCOL_VERSION;
  reply->reply.operation = operation;
}

static void set_texts(struct sandbox_reply *reply, const struct base_fault *fault) {
  snprintf(reply->subject, sizeof reply->subject, "%s", fault->subject);
  snprintf(reply->text, sizeof reply->text, "%s", fault->text);
}

void serve_failure(int socket, const char *what, int error) {
  struct sandbox_report_reply reply;
  struct base_fault fault = {0};
  reply_init(&reply, SANDBOX_READY);
  errno = error;
  reply.reply.result = BASE_FAIL_ERRNO(&fault, what, "%s", what);
  set_texts(&reply.reply, &fault);
  (void)say(socket, &reply);
}

bool serve(int socket, const struct sandbox_isolation *isolation) {
  struct sandbox_report_reply reply;
  struct message message;
  int received;
  reply_init(&reply, SANDBOX_READY);
  reply.reply.isolation = *isolation;
  if (!say(socket, &reply)) return false;
  while ((received = receive(socket, &message)) > 0) {
    struct base_fault fault = {0};
    reply_init(&reply, message.request.operation);
    reply.reply.result = answer(&message, &reply, &fault);
    set_texts(&reply.reply, &fault);
    message_finish(&message);
    if (!say(socket, &reply)) return true;
  }
  message_finish(&message);
  return received == 0;
}
