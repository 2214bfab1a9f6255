#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/file.h"
#include "pool.h"

enum {
  DEFAULT_WORKERS = 2,
  DEFAULT_TIMEOUT_MS = 20000,
  DEFAULT_WAIT_MS = 30000,
};

struct sandbox {
  struct sandbox_config config;
  char *decoder_path;
  struct pool *pool;
  struct base_metric *crashes;
  struct base_metric *timeouts;
  struct base_histogram *inspect_seconds;
  struct base_histogram *decode_seconds;
};

static void register_metrics(struct sandbox *sandbox, struct base_metrics *metrics) {
  const char *seconds = "pixpop_sandbox_seconds", *help = "Time in a decoder process, by operation.";
  sandbox->crashes = base_metrics_counter(metrics, "pixpop_sandbox_crashes_total", "",
                                          "Decoder processes that ended or broke the protocol while working.");
  sandbox->timeouts = base_metrics_counter(metrics, "pixpop_sandbox_timeouts_total", "",
                                           "Decoder processes killed because they took too long.");
  sandbox->inspect_seconds = base_metrics_histogram(metrics, seconds, "operation=\"inspect\"", help);
  sandbox->decode_seconds = base_metrics_histogram(metrics, seconds, "operation=\"decode\"", help);
}

enum base_result sandbox_create(const struct sandbox_config *config, struct sandbox **out, struct base_fault *fault) {
  *out = NULL;
  struct sandbox *sandbox = calloc(1, sizeof *sandbox);
  char *path = strdup(config->decoder_path);
  if (!sandbox || !path) {
    free(sandbox);
    free(path);
    return BASE_FAIL(fault, BASE_NO_MEMORY, "sandbox", "no memory for the sandbox");
  }
  sandbox->config = *config;
  sandbox->config.decoder_path = sandbox->decoder_path = path;
  if (sandbox->config.workers == 0) sandbox->config.workers = DEFAULT_WORKERS;
  if (sandbox->config.timeout_ms == 0) sandbox->config.timeout_ms = DEFAULT_TIMEOUT_MS;
  if (sandbox->config.wait_ms == 0) sandbox->config.wait_ms = DEFAULT_WAIT_MS;
  register_metrics(sandbox, config->metrics);
  *out = sandbox;
  enum base_result result = sandbox_pool_create(&sandbox->config, &sandbox->pool, fault);
  if (result != BASE_OK) sandbox_destroy(out);
  return result;
}

void sandbox_destroy(struct sandbox **sandbox) {
  struct sandbox *gone = *sandbox;
  *sandbox = NULL;
  if (!gone) return;
  sandbox_pool_destroy(&gone->pool);
  free(gone->decoder_path);
  free(gone);
}

static enum base_result outcome_failed(struct sandbox *sandbox, enum worker_outcome outcome, struct base_fault *fault) {
  struct base_log *log = sandbox->config.log;
  if (outcome == WORKER_TIMED_OUT) {
    base_metric_add(sandbox->timeouts, 1);
    base_log_write(log, BASE_LOG_WARN, "sandbox", NULL, "a decoder was killed after %u ms", sandbox->config.timeout_ms);
    return BASE_FAIL(fault, BASE_UNPROCESSABLE, "timeout", "reading the picture took longer than %u ms",
                     sandbox->config.timeout_ms);
  }
  base_metric_add(sandbox->crashes, 1);
  base_log_write(log, BASE_LOG_WARN, "sandbox", NULL, "a decoder %s",
                 outcome == WORKER_CRASHED ? "crashed" : "broke the protocol and was killed");
  return BASE_FAIL(fault, BASE_UNPROCESSABLE, "decoder", "the picture made its decoder fail");
}

static enum base_result reply_failed(const struct sandbox_reply *reply, struct base_fault *fault) {
  enum base_result result = (enum base_result)reply->result;
  // The limit was the worker's own, and it was the picture that wanted more.
  if (result == BASE_NO_MEMORY) result = BASE_UNPROCESSABLE;
  return BASE_FAIL(fault, result, reply->subject, "%s", reply->text);
}

static enum base_result ask(struct sandbox *sandbox, struct sandbox_request *request, const int *descriptors,
                            size_t count, struct sandbox_reply *reply, struct base_fault *fault) {
  request->magic = SANDBOX_PROTOCOL_MAGIC;
  request->version = SANDBOX_PROTOCOL_VERSION;
  request->limits = sandbox->config.limits;
  struct worker *worker = sandbox_pool_borrow(sandbox->pool);
  if (!worker) return BASE_FAIL(fault, BASE_BUSY, "decoder", "every decoder is busy");
  uint64_t start_us = base_clock_us(base_clock_system());
  enum worker_outcome outcome =
      sandbox_worker_ask(worker, request, descriptors, count, sandbox->config.timeout_ms, reply);
  sandbox_pool_return(sandbox->pool, worker, outcome == WORKER_ANSWERED);
  base_histogram_observe_us(request->operation == SANDBOX_DECODE ? sandbox->decode_seconds : sandbox->inspect_seconds,
                            base_clock_us(base_clock_system()) - start_us);
  if (outcome != WORKER_ANSWERED) return outcome_failed(sandbox, outcome, fault);
  return reply->result == BASE_OK ? BASE_OK : reply_failed(reply, fault);
}

// A worker must not be able to write to the file: a descriptor that could is opened anew. `*opened` is -1 or the
// caller's to close; the result is the descriptor to send.
static enum base_result make_read_only(int fd, int *opened, int *out, struct base_fault *fault) {
  char path[32];
  *opened = -1;
  *out = fd;
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return BASE_FAIL_ERRNO(fault, "file", "the file to decode is not open");
  if ((flags & O_ACCMODE) == O_RDONLY) return BASE_OK;
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  *opened = open(path, O_RDONLY | O_CLOEXEC);
  if (*opened < 0) return BASE_FAIL_ERRNO(fault, "file", "the file to decode can not be opened for reading");
  *out = *opened;
  return BASE_OK;
}

enum base_result sandbox_inspect(struct sandbox *sandbox, int fd, struct image_header *out, struct base_fault *fault) {
  int opened, file;
  struct sandbox_reply reply;
  struct sandbox_request request = {.operation = SANDBOX_INSPECT};
  enum base_result result = make_read_only(fd, &opened, &file, fault);
  if (result == BASE_OK) result = ask(sandbox, &request, &file, 1, &reply, fault);
  base_fd_close(&opened);
  // The worker has checked the limits too, but its word is not enough: sizes are computed from this header.
  if (result == BASE_OK) result = image_header_check(&reply.header, &sandbox->config.limits, fault);
  if (result == BASE_OK) *out = reply.header;
  return result;
}

// Of RGBA8 in whole pages; BASE_TOO_LARGE.
static enum base_result rgba_bytes(const struct image_header *header, size_t *out) {
  size_t stride_bytes;
  if (!base_mul_size(header->width, 4, &stride_bytes) || stride_bytes > UINT32_MAX ||
      !base_mul_size(stride_bytes, header->height, out) || *out > SIZE_MAX - IMAGE_PAGE_BYTES) {
    return BASE_TOO_LARGE;
  }
  *out = base_round_up(*out, IMAGE_PAGE_BYTES);
  return BASE_OK;
}

// Enough for every kind of picture that the decoder may make of this header; what it does not touch costs nothing.
static enum base_result most_bytes(const struct image_header *header, size_t *out) {
  const struct image_yuv largest = {.width = header->width, .height = header->height, .chroma_x = 1, .chroma_y = 1};
  size_t planes_bytes;
  enum base_result result = image_yuv_bytes(&largest, &planes_bytes);
  if (result == BASE_OK) result = rgba_bytes(header, out);
  if (result == BASE_OK) *out = base_max_u64(*out, planes_bytes);
  return result;
}

// Memory of exactly `bytes` that can neither grow nor shrink, so that neither side can be made to fault on it.
static enum base_result create_pixels(size_t bytes, int *out, struct base_fault *fault) {
  *out = memfd_create("pixpop-pixels", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (*out < 0) return BASE_FAIL_ERRNO(fault, "pixels", "no memory file for the pixels");
  if (ftruncate(*out, (off_t)bytes) == 0 && fcntl(*out, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0) {
    return BASE_OK;
  }
  enum base_result result = BASE_FAIL_ERRNO(fault, "pixels", "no memory for %zu bytes of pixels", bytes);
  base_fd_close(out);
  return result;
}

static void unmap(void *pixels, size_t bytes) { munmap(pixels, bytes); }

// The picture of `header` that the reply describes. The reply is sound by itself; here it meets what was asked for.
static enum base_result map_picture(int fd, size_t memory_bytes, const struct image_header *header,
                                    const struct sandbox_picture *picture, struct image **out,
                                    struct base_fault *fault) {
  const bool has_planes = picture->format == IMAGE_YUV;
  const struct image_yuv yuv = {.width = header->width,
                                .height = header->height,
                                .range = (enum image_range)picture->range,
                                .chroma_x = picture->chroma_x,
                                .chroma_y = picture->chroma_y,
                                .is_grey = picture->is_grey};
  size_t bytes = 0;
  enum base_result result = has_planes ? image_yuv_bytes(&yuv, &bytes) : rgba_bytes(header, &bytes);
  if (result != BASE_OK || bytes > memory_bytes || (has_planes && header->has_alpha)) {
    return BASE_FAIL(fault, BASE_UNPROCESSABLE, "size", "the file has changed since it was inspected");
  }
  void *pixels = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (pixels == MAP_FAILED) return BASE_FAIL_ERRNO(fault, "pixels", "%zu bytes of pixels can not be mapped", bytes);
  result = has_planes ? image_adopt_yuv(pixels, bytes, &yuv, unmap, out)
                      : image_adopt(pixels, bytes, header->width, header->height, header->width * 4, header->has_alpha,
                                    unmap, out);
  if (result == BASE_OK) return BASE_OK;
  munmap(pixels, bytes);
  return BASE_FAIL(fault, result, "pixels", "no memory for a picture");
}

enum base_result sandbox_decode(struct sandbox *sandbox, int fd, const struct image_header *header, struct image **out,
                                struct base_fault *fault) {
  *out = NULL;
  enum base_result result = image_header_check(header, &sandbox->config.limits, fault);
  if (result != BASE_OK) return result;
  size_t bytes;
  struct sandbox_reply reply;
  struct sandbox_request request = {.operation = SANDBOX_DECODE, .width = header->width, .height = header->height};
  if (most_bytes(header, &bytes) != BASE_OK) {
    return BASE_FAIL(fault, BASE_UNPROCESSABLE, "max_pixels", "the picture is too large for this machine");
  }
  int opened = -1, descriptors[SANDBOX_MAX_DESCRIPTORS] = {-1, -1};
  result = make_read_only(fd, &opened, &descriptors[0], fault);
  if (result == BASE_OK) result = create_pixels(bytes, &descriptors[1], fault);
  if (result == BASE_OK) result = ask(sandbox, &request, descriptors, SANDBOX_MAX_DESCRIPTORS, &reply, fault);
  if (result == BASE_OK) result = map_picture(descriptors[1], bytes, header, &reply.picture, out, fault);
  base_fd_close(&descriptors[1]);
  base_fd_close(&opened);
  return result;
}
