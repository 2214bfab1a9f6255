// librsync is used in this file alone.
#include "delta/rolling.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <librsync.h>

#include "base/checked.h"

enum {
  MIN_BLOCK_BYTES = 128,
  MAX_BLOCK_BYTES = 1024 * 1024,
  BLOCK_UNIT = 64,
  MIN_SUM_BYTES = 4,
  MAX_SUM_BYTES = 32,
  WEAK_BYTES = 4,
  USUAL_EDITS = 4,
  MAX_ALIKE = 32,  // different blocks of one rolling sum: each costs a comparison at every byte that has the sum
  STEP_BYTES = 64 * 1024,
  // A block is hashed at every byte that has a rolling sum of the signature: a hostile one is matched at all of them.
  // Between two looks at the source, which can end the work, no more is hashed than this.
  MAX_HASHED_BYTES = 64 * 1024 * 1024,
};

static void hush(void) { rs_trace_set_level(RS_LOG_EMERG); }

// The library writes to stderr by itself otherwise.
static void be_quiet(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  (void)pthread_once(&once, hush);
}

// One edit costs about a block as literals and the signature costs rows: their sum is least at the square root of
// bytes * DELTA_SIGNATURE_ROW_BYTES. Edits in several places are worth smaller blocks.
static uint64_t block_bytes_for(uint64_t object_bytes) {
  const uint64_t best = (uint64_t)sqrt((double)object_bytes * DELTA_SIGNATURE_ROW_BYTES / USUAL_EDITS);
  const uint64_t least = object_bytes / DELTA_SIGNATURE_MAX_ROWS + 1;
  const uint64_t block = base_max_u64(base_max_u64(best, least), MIN_BLOCK_BYTES);
  return (block + BLOCK_UNIT - 1) / BLOCK_UNIT * BLOCK_UNIT;
}

uint64_t delta_signature_bytes(uint64_t object_bytes) {
  const uint64_t block = block_bytes_for(object_bytes);
  return DELTA_SIGNATURE_HEAD_BYTES + (object_bytes + block - 1) / block * DELTA_SIGNATURE_ROW_BYTES;
}

static enum base_result result_of(rs_result result) {
  switch (result) {
    case RS_DONE:
      return BASE_OK;
    case RS_MEM_ERROR:
      return BASE_NO_MEMORY;
    case RS_IO_ERROR:
      return BASE_IO;
    default:
      return BASE_CORRUPT;
  }
}

// A job of the library with its input and output.
struct run {
  rs_job_t *job;
  const struct delta_source *source;  // of its input; NULL: `input` is all of it
  struct base_span input;
  uint64_t taken;           // of the source
  struct base_buffer *out;  // one of these two takes its output; none: it has none
  const struct delta_sink *sink;
  uint64_t left;  // that the sink may still be given
  uint8_t in[STEP_BYTES], step[STEP_BYTES];
  size_t held;  // in `in`
  size_t most;  // that it may hold; 0: all that there is room for
  struct base_fault *fault;
};

static enum base_result give(struct run *run, size_t bytes) {
  const struct base_span made = base_span_of(run->step, bytes);
  if (bytes == 0) return BASE_OK;
  if (run->sink) {
    if (bytes > run->left) {
      return BASE_FAIL(run->fault, BASE_CORRUPT, "delta", "the delta makes more bytes than the object has");
    }
    run->left -= bytes;
    return run->sink->write(run->sink->self, made, run->fault);
  }
  BASE_ASSERT(run->out);
  return base_buffer_append(run->out, made.data, made.bytes);
}

static enum base_result take(struct run *run) {
  if (!run->source) return BASE_OK;
  const size_t most = run->most > 0 ? run->most : STEP_BYTES;
  const size_t room = most > run->held ? most - run->held : 0;
  const size_t bytes = base_min_u64(room, run->source->bytes - run->taken);
  if (bytes == 0) return BASE_OK;
  const enum base_result result =
      run->source->read(run->source->self, run->taken, run->in + run->held, bytes, run->fault);
  run->taken += bytes;
  run->held += bytes;
  return result;
}

static enum base_result run_step(struct run *run, bool *is_done) {
  enum base_result result = take(run);
  if (result != BASE_OK) return result;
  const struct base_span input = run->source ? base_span_of(run->in, run->held) : run->input;
  rs_buffers_t buffers = {.next_in = (char *)(uintptr_t)input.data,
                          .avail_in = input.bytes,
                          .eof_in = !run->source || run->taken == run->source->bytes,
                          .next_out = (char *)run->step,
                          .avail_out = STEP_BYTES};
  const rs_result status = rs_job_iter(run->job, &buffers);
  const size_t used = input.bytes - buffers.avail_in, made = STEP_BYTES - buffers.avail_out;
  if (run->source) {
    memmove(run->in, run->in + used, run->held - used);
    run->held -= used;
  } else {
    run->input = base_span_slice(run->input, used, run->input.bytes);
  }
  result = give(run, made);
  *is_done = status == RS_DONE;
  if (result != BASE_OK || status == RS_DONE) return result;
  if (status != RS_BLOCKED) return result_of(status);
  // Blocked without having moved anything: it waits for input that there is not.
  return used == 0 && made == 0 && buffers.eof_in ? BASE_CORRUPT : BASE_OK;
}

// Drives the job to its end and frees it.
static enum base_result run_job(struct run *run) {
  bool is_done = false;
  enum base_result result = run->job ? BASE_OK : BASE_NO_MEMORY;
  while (result == BASE_OK && !is_done) result = run_step(run, &is_done);
  if (run->job) rs_job_free(run->job);
  return result;
}

static struct run *run_create(struct base_fault *fault) {
  struct run *run = calloc(1, sizeof *run);
  be_quiet();
  if (run)
    run->fault = fault;
  else
    (void)BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a delta");
  return run;
}

enum base_result delta_signature_make(const struct delta_source *old, struct base_buffer *out,
                                      struct base_fault *fault) {
  struct run *run = run_create(fault);
  if (!run) return BASE_NO_MEMORY;
  run->job = rs_sig_begin((size_t)block_bytes_for(old->bytes), MIN_SUM_BYTES, RS_RK_BLAKE2_SIG_MAGIC);
  run->source = old;
  run->out = out;
  const enum base_result result = run_job(run);
  free(run);
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "signature", "the signature can not be made");
}

// Signatures from outside.

static uint32_t be32(const uint8_t *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static int compare_rows(const void *a, const void *b, void *row_bytes) {
  return memcmp(*(const uint8_t *const *)a, *(const uint8_t *const *)b, *(const size_t *)row_bytes);
}

// Equal blocks are one to the library; different ones that share a rolling sum are not.
static enum base_result check_alike(struct base_span rows, size_t row_bytes, struct base_fault *fault) {
  const size_t count = rows.bytes / row_bytes;
  const uint8_t **sorted = malloc((count + 1) * sizeof *sorted);
  if (!sorted) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory to check a signature");
  for (size_t i = 0; i < count; i++) sorted[i] = rows.data + i * row_bytes;
  qsort_r(sorted, count, sizeof *sorted, compare_rows, &row_bytes);
  size_t alike = 1;
  enum base_result result = BASE_OK;
  for (size_t i = 1; i < count && result == BASE_OK; i++) {
    if (memcmp(sorted[i - 1], sorted[i], WEAK_BYTES) != 0) {
      alike = 1;
    } else if (memcmp(sorted[i - 1], sorted[i], row_bytes) != 0 && ++alike > MAX_ALIKE) {
      result = BASE_FAIL(fault, BASE_BAD_INPUT, "signature", "too many blocks of the signature share a rolling sum");
    }
  }
  free(sorted);
  return result;
}

static enum base_result check_signature(struct base_span signature, struct base_fault *fault) {
  if (signature.bytes < DELTA_SIGNATURE_HEAD_BYTES || be32(signature.data) != RS_RK_BLAKE2_SIG_MAGIC) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "signature",
                     "this is no librsync signature with RabinKarp and BLAKE2 sums");
  }
  const uint32_t block_bytes = be32(signature.data + 4), sum_bytes = be32(signature.data + 8);
  if (block_bytes < MIN_BLOCK_BYTES || block_bytes > MAX_BLOCK_BYTES || sum_bytes < MIN_SUM_BYTES ||
      sum_bytes > MAX_SUM_BYTES) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "signature",
                     "a signature has blocks of %d bytes to %d and sums of %d bytes to %d", MIN_BLOCK_BYTES,
                     MAX_BLOCK_BYTES, MIN_SUM_BYTES, MAX_SUM_BYTES);
  }
  const struct base_span rows = base_span_slice(signature, DELTA_SIGNATURE_HEAD_BYTES, signature.bytes);
  const size_t row_bytes = WEAK_BYTES + sum_bytes;
  if (rows.bytes % row_bytes != 0 || rows.bytes / row_bytes > DELTA_SIGNATURE_MAX_ROWS) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "signature", "a signature has at most %d whole sums",
                     DELTA_SIGNATURE_MAX_ROWS);
  }
  return check_alike(rows, row_bytes, fault);
}

static enum base_result load_signature(struct run *run, struct base_span signature, rs_signature_t **out) {
  *out = NULL;
  run->job = rs_loadsig_begin(out);
  run->input = signature;
  const enum base_result result = run_job(run);
  return result == BASE_OK ? result_of(rs_build_hash_table(*out)) : result;
}

enum base_result delta_rolling_make(struct base_span signature, const struct delta_source *new, struct base_buffer *out,
                                    struct base_fault *fault) {
  const size_t before = out->bytes;
  rs_signature_t *loaded = NULL;
  enum base_result result = check_signature(signature, fault);
  if (result != BASE_OK) return result;
  struct run *run = run_create(fault);
  if (!run) return BASE_NO_MEMORY;
  result = load_signature(run, signature, &loaded);
  if (result == BASE_OK) {
    run->job = rs_delta_begin(loaded);
    run->source = new;
    run->out = out;
    run->most = base_min_u64(base_max_u64(MAX_HASHED_BYTES / be32(signature.data + 4), 1), STEP_BYTES);
    result = run_job(run);
  }
  if (loaded) rs_free_sumset(loaded);
  free(run);
  if (result == BASE_OK) return BASE_OK;
  out->bytes = before;
  return BASE_FAIL(fault, result, "delta",
                   result == BASE_TOO_LARGE ? "the delta is not worth it" : "the delta can not be made");
}

// Deltas from outside.

struct copying {
  const struct delta_source *old;
  enum base_result result;
  struct base_fault *fault;
};

static rs_result copy_old(void *opaque, rs_long_t offset, size_t *bytes, void **out) {
  struct copying *copying = opaque;
  const uint64_t old_bytes = copying->old->bytes;
  if (offset < 0 || (uint64_t)offset > old_bytes || *bytes > old_bytes - (uint64_t)offset) {
    copying->result = BASE_FAIL(copying->fault, BASE_CORRUPT, "delta", "the delta copies what the old object has not");
    return RS_CORRUPT;
  }
  copying->result = copying->old->read(copying->old->self, (uint64_t)offset, *out, *bytes, copying->fault);
  return copying->result == BASE_OK ? RS_DONE : RS_IO_ERROR;
}

enum base_result delta_rolling_apply(const struct delta_source *old, struct base_span delta, uint64_t new_bytes,
                                     const struct delta_sink *sink, struct base_fault *fault) {
  struct copying copying = {.old = old, .fault = fault};
  struct run *run = run_create(fault);
  if (!run) return BASE_NO_MEMORY;
  run->job = rs_patch_begin(copy_old, &copying);
  run->input = delta;
  run->sink = sink;
  run->left = new_bytes;
  enum base_result result = run_job(run);
  const bool is_whole = run->left == 0 && run->input.bytes == 0;
  free(run);
  if (copying.result != BASE_OK) return copying.result;
  if (result == BASE_OK && !is_whole) {
    return BASE_FAIL(fault, BASE_CORRUPT, "delta", "the delta makes other bytes than the object has");
  }
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "delta", "the delta is damaged");
}
