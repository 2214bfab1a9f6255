#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/file.h"
#include "pool.h"

enum {
  DEFAULT_WORKERS = 2,
  DEFAULT_TIMEOUT_MS = 20000,
  DEFAULT_WAIT_MS = 30000,
  DEFAULT_UID = 65534,
  DEFAULT_RECYCLE_AFTER = 100,
};

// What costs a request its picture, as the metric calls it; by enum worker_outcome, and two more.
enum { CAUSE_MEMORY = WORKER_NONSENSE + 1, CAUSE_ERROR, CAUSE_COUNT };
static const struct {
  const char *cause, *log;
} causes[CAUSE_COUNT] = {
    [WORKER_CRASHED] = {"crash", "crashed"},
    [WORKER_TIMED_OUT] = {"timeout", "took too long and was killed"},
    [WORKER_STARVED] = {"starved", "got hardly any processor time and was killed"},
    [WORKER_FORBIDDEN] = {"seccomp", "called what it may not and was killed"},
    [WORKER_KILLED] = {"killed", "was killed from outside"},
    [WORKER_NONSENSE] = {"protocol", "broke the protocol and was killed"},
    [CAUSE_MEMORY] = {"memory", "had too little memory"},
    [CAUSE_ERROR] = {"error", "could not do its work"},
};

struct sandbox {
  struct sandbox_config config;
  char *decoder_path;
  struct pool *pool;
  struct base_metric *failures[CAUSE_COUNT];           // by cause
  struct base_histogram *seconds[SANDBOX_REPORT + 1];  // by operation
};

static void register_metrics(struct sandbox *sandbox, struct base_metrics *metrics) {
  const char *seconds = "pixpop_sandbox_seconds", *help = "Time in a decoder process, by operation.";
  for (int cause = WORKER_ANSWERED + 1; cause < CAUSE_COUNT; cause++) {
    char label[32];
    snprintf(label, sizeof label, "cause=\"%s\"", causes[cause].cause);
    sandbox->failures[cause] = base_metrics_counter(metrics, "pixpop_sandbox_failures_total", label,
                                                    "Requests that a decoder process failed at, by cause.");
  }
  sandbox->seconds[SANDBOX_INSPECT] = base_metrics_histogram(metrics, seconds, "operation=\"inspect\"", help);
  sandbox->seconds[SANDBOX_DECODE] = base_metrics_histogram(metrics, seconds, "operation=\"decode\"", help);
  sandbox->seconds[SANDBOX_REPORT] = base_metrics_histogram(metrics, seconds, "operation=\"report\"", help);
}

static void log_isolation(const struct sandbox *sandbox) {
  char text[SANDBOX_ISOLATION_TEXT_BYTES];
  const struct sandbox_isolation isolation = sandbox_pool_isolation(sandbox->pool);
  const bool is_weak = !(isolation.parts & SANDBOX_SECCOMP);
  sandbox_isolation_text(&isolation, text);
  base_log_write(sandbox->config.log, is_weak ? BASE_LOG_WARN : BASE_LOG_INFO, "sandbox", NULL,
                 "decoders run as user %u, confined by: %s", isolation.uid, text);
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
  if (sandbox->config.uid == 0) sandbox->config.uid = DEFAULT_UID;
  if (sandbox->config.recycle_after == 0) sandbox->config.recycle_after = DEFAULT_RECYCLE_AFTER;
  register_metrics(sandbox, config->metrics);
  *out = sandbox;
  enum base_result result = sandbox_pool_create(&sandbox->config, &sandbox->pool, fault);
  if (result != BASE_OK) {
    sandbox_destroy(out);
    return result;
  }
  log_isolation(sandbox);
  return BASE_OK;
}

void sandbox_destroy(struct sandbox **sandbox) {
  struct sandbox *gone = *sandbox;
  *sandbox = NULL;
  if (!gone) return;
  sandbox_pool_destroy(&gone->pool);
  free(gone->decoder_path);
  free(gone);
}

struct sandbox_isolation sandbox_get_isolation(const struct sandbox *sandbox) {
  return sandbox_pool_isolation(sandbox->pool);
}

static enum base_result outcome_failed(struct sandbox *sandbox, enum worker_outcome outcome, struct base_fault *fault) {
  if (outcome == WORKER_TIMED_OUT) {
    return BASE_FAIL(fault, BASE_UNPROCESSABLE, "timeout", "reading the picture took longer than %u ms",
                     sandbox->config.timeout_ms);
  }
  // Neither says anything about the picture.
  if (outcome == WORKER_STARVED) {
    return BASE_FAIL(fault, BASE_BUSY, "timeout",
                     "the machine is overloaded: in %u ms the picture's decoder got hardly any processor time",
                     sandbox->config.timeout_ms);
  }
  if (outcome == WORKER_KILLED) {
    return BASE_FAIL(fault, BASE_BUSY, "decoder", "the picture's decoder was killed from outside, twice");
  }
  if (outcome == WORKER_FORBIDDEN) {
    return BASE_FAIL(fault, BASE_UNPROCESSABLE, "decoder", "the picture made its decoder do what it may not");
  }
  return BASE_FAIL(fault, BASE_UNPROCESSABLE, "decoder", "the picture made its decoder fail");
}

static enum base_result reply_failed(struct sandbox *sandbox, const struct sandbox_reply *reply,
                                     struct base_fault *fault) {
  enum base_result result = (enum base_result)reply->result;
  // The limit was the worker's own, and it was the picture that wanted more.
  if (result == BASE_NO_MEMORY) {
    base_metric_add(sandbox->failures[CAUSE_MEMORY], 1);
    result = BASE_UNPROCESSABLE;
  }
  // Nor is it for a decoder, which may lie, to say that the server is at fault.
  if (result == BASE_INTERNAL || result == BASE_IO) {
    base_metric_add(sandbox->failures[CAUSE_ERROR], 1);
    base_log_write(sandbox->config.log, BASE_LOG_WARN, "sandbox", NULL, "a decoder %s: %s", causes[CAUSE_ERROR].log,
                   reply->text);
    result = BASE_UNPROCESSABLE;
  }
  return BASE_FAIL(fault, result, reply->subject, "%s", reply->text);
}

// One attempt. BASE_BUSY when no worker is free; else what became of it is in `*outcome`.
static enum base_result attempt(struct sandbox *sandbox, const struct sandbox_request *request, const int *descriptors,
                                size_t count, struct sandbox_reply *reply, enum worker_outcome *outcome,
                                struct base_fault *fault) {
  struct worker *worker = sandbox_pool_borrow(sandbox->pool);
  if (!worker) return BASE_FAIL(fault, BASE_BUSY, "decoder", "every decoder is busy");
  uint64_t start_us = base_clock_us(base_clock_system());
  *outcome = sandbox_worker_ask(worker, sandbox_pool_plan(sandbox->pool), request, descriptors, count, reply);
  sandbox_pool_return(sandbox->pool, worker, *outcome == WORKER_ANSWERED);
  base_histogram_observe_us(sandbox->seconds[request->operation], base_clock_us(base_clock_system()) - start_us);
  if (*outcome == WORKER_ANSWERED) return BASE_OK;
  base_metric_add(sandbox->failures[*outcome], 1);
  base_log_write(sandbox->config.log, BASE_LOG_WARN, "sandbox", NULL, "a decoder %s", causes[*outcome].log);
  return BASE_OK;
}

// `reply` has room for sandbox_reply_bytes of the operation.
static enum base_result ask(struct sandbox *sandbox, struct sandbox_request *request, const int *descriptors,
                            size_t count, struct sandbox_reply *reply, struct base_fault *fault) {
  enum worker_outcome outcome = WORKER_ANSWERED;
  request->magic = SANDBOX_PROTOCOL_MAGIC;
  request->version = SANDBOX_PROTOCOL_VERSION;
  request->limits = sandbox->config.limits;
  enum base_result result = attempt(sandbox, request, descriptors, count, reply, &outcome, fault);
  // When memory is short the kernel chooses whom to kill: the picture need not be the reason.
  if (result == BASE_OK && outcome == WORKER_KILLED) {
    result = attempt(sandbox, request, descriptors, count, reply, &outcome, fault);
  }
  if (result != BASE_OK) return result;
  if (outcome != WORKER_ANSWERED) return outcome_failed(sandbox, outcome, fault);
  return reply->result == BASE_OK ? BASE_OK : reply_failed(sandbox, reply, fault);
}

// A worker must not be able to write to the file: a descriptor that could is opened anew. `*opened` is -1 or the
// caller's to close; the result is the descriptor to send.
static enum base_result make_read_only(int fd, int *opened, int *out, struct base_fault *fault) {
  char path[32];
  struct stat status;
  *opened = -1;
  *out = fd;
  if (fstat(fd, &status) == 0 && !S_ISREG(status.st_mode)) {
    return BASE_FAIL(fault, BASE_INTERNAL, "file", "what came to be decoded is no regular file");
  }
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

enum base_result sandbox_report(struct sandbox *sandbox, int fd, struct image_report *out, struct base_fault *fault) {
  int opened, file;
  struct sandbox_report_reply answer;
  struct sandbox_request request = {.operation = SANDBOX_REPORT};
  enum base_result result = make_read_only(fd, &opened, &file, fault);
  if (result == BASE_OK) result = ask(sandbox, &request, &file, 1, &answer.reply, fault);
  base_fd_close(&opened);
  if (result == BASE_OK) *out = answer.report;
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
