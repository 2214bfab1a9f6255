// The pool of decoder processes: pictures from outside are only ever parsed in one of them.
//
// `ingest` and `render` use it. Thread-safe: a call borrows a warm worker and waits for one when all are busy. A
// worker that crashes, computes for too long, calls what it may not or breaks the protocol costs its request a
// BASE_UNPROCESSABLE and is replaced. What is not the picture's fault is BASE_BUSY: no worker became free; the worker
// was killed from outside (the kernel was out of memory) and so was the fresh one it was tried on once more; the time
// ran out and it had got hardly any processor time (an overloaded machine, a stopped process).
// A worker that computes while nobody asks is ended. After `recycle_after` requests a worker is replaced anyway: one
// that was taken over may keep its mappings of the files and pixels that came before and will come after, so this
// bounds how many pictures of others it can read or repaint. It bounds leaks too.
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "image/header.h"
#include "image/image.h"
#include "image/limits.h"
#include "image/report.h"
#include "sandbox/isolation.h"

// Enough for every picture within the default limits.
#define SANDBOX_MEMORY_BYTES ((uint64_t)2 << 30)

struct sandbox_config {
  const char *decoder_path;  // the `decoder` program
  unsigned workers;          // 0: 2
  uint32_t timeout_ms;       // for one answer; 0: 20,000
  uint32_t wait_ms;          // for a free worker before BASE_BUSY; 0: 30,000
  uint64_t memory_bytes;     // address space limit of a worker, e.g. SANDBOX_MEMORY_BYTES; 0: none (sanitizer builds)
  uint32_t uid;              // the user that workers become when pixpopd is root; 0: 65534
  uint32_t recycle_after;    // requests; 0: 100
  bool require_isolation;    // a decoder without seccomp is a fault; else a warning
  struct image_limits limits;
  struct base_log *log;
  struct base_metrics *metrics;
};

struct sandbox;

// Starts a worker: a decoder that can not be started is a fault now, not later. The others follow when they are needed,
// or when the box has had time to get going.
enum base_result sandbox_create(const struct sandbox_config *config, struct sandbox **out,
                                struct base_fault *fault) BASE_CHECKED;
// Ends the workers. No call may be running.
void sandbox_destroy(struct sandbox **sandbox);
// What the workers have given up.
struct sandbox_isolation sandbox_get_isolation(const struct sandbox *sandbox);
// Reads the header of the open file `fd` (borrowed, offset not used) and checks the limits.
enum base_result sandbox_inspect(struct sandbox *sandbox, int fd, struct image_header *out,
                                 struct base_fault *fault) BASE_CHECKED;
// Walks the file without decoding it and scans it for what a hostile file does (rooms `inspect` and `image/report.h`).
// The report has passed image_report_check; no verdict is set. BASE_UNSUPPORTED for content of no known format.
enum base_result sandbox_report(struct sandbox *sandbox, int fd, struct image_report *out,
                                struct base_fault *fault) BASE_CHECKED;
// Decodes at full size, not oriented; `header` is what inspect said. The decoder chooses the kind: planes of a JPEG
// that needs no colour conversion (full range), RGBA8 otherwise. The memory is a sealed memfd's mapping, readable and
// writable so that devices can import it; a worker that has been taken over can go on writing there, so nothing but
// colours may be read from it. Ownership of *out goes to the caller; it is NULL on failure.
enum base_result sandbox_decode(struct sandbox *sandbox, int fd, const struct image_header *header, struct image **out,
                                struct base_fault *fault) BASE_CHECKED;

#endif
