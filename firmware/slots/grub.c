#include "slots/grub.h"

#include <errno.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"

enum { COPIES = 2, COUNTERS_AT = COPIES };

static off_t offset_of(size_t block) { return SLOTS_GRUB_HEAD_BYTES + (off_t)block * SLOTS_GRUB_STEP_BYTES; }

static enum base_result read_block(const struct slots_grub *grub, size_t block, uint8_t *out,
                                   struct base_fault *fault) {
  return base_fd_pread_all(grub->fd, out, SLOTS_GRUB_BLOCK_BYTES, offset_of(block), fault);
}

static enum base_result write_at(const struct slots_grub *grub, off_t offset, struct base_span bytes,
                                 struct base_fault *fault) {
  while (bytes.bytes > 0) {
    ssize_t written = pwrite(grub->fd, bytes.data, bytes.bytes, offset);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return BASE_FAIL_ERRNO(fault, "bootenv", "the slots' state cannot be written");
    bytes = base_span_slice(bytes, (size_t)written, bytes.bytes);
    offset += written;
  }
  if (fsync(grub->fd) != 0) return BASE_FAIL_ERRNO(fault, "bootenv", "the slots' state cannot be made durable");
  return BASE_OK;
}

static enum base_result write_block(const struct slots_grub *grub, size_t block, const uint8_t *bytes,
                                    struct base_fault *fault) {
  return write_at(grub, offset_of(block), base_span_of(bytes, SLOTS_GRUB_BLOCK_BYTES), fault);
}

static enum base_result mend_head(const struct slots_grub *grub, struct base_fault *fault) {
  uint8_t wanted[SLOTS_GRUB_HEAD_BYTES], there[SLOTS_GRUB_HEAD_BYTES];
  slots_grub_write_head(wanted);
  enum base_result result = base_fd_pread_all(grub->fd, there, sizeof(there), 0, fault);
  if (result != BASE_OK || memcmp(wanted, there, sizeof(there)) == 0) return result;
  return write_at(grub, 0, base_span_of(wanted, sizeof(wanted)), fault);
}

// *newest: the copy whose state is in *out, or COPIES: there is none that is whole.
static enum base_result read_newest(const struct slots_grub *grub, struct slots_state *out, size_t *newest,
                                    struct base_fault *fault) {
  *newest = COPIES;
  for (size_t copy = 0; copy < COPIES; copy++) {
    uint8_t block[SLOTS_GRUB_BLOCK_BYTES];
    struct slots_state state;
    enum base_result result = read_block(grub, copy, block, fault);
    if (result != BASE_OK) return result;
    if (!slots_grub_read_state(base_span_of(block, sizeof(block)), &state)) continue;
    if (*newest != COPIES && state.sequence <= out->sequence) continue;
    *newest = copy;
    *out = state;
  }
  return BASE_OK;
}

static enum base_result load(void *self, struct slots_state *out, struct base_fault *fault) {
  struct slots_grub *grub = self;
  size_t newest;
  enum base_result result = read_newest(grub, out, &newest, fault);
  if (result != BASE_OK) return result;
  if (newest == COPIES) {
    return BASE_FAIL(fault, BASE_CORRUPT, "bootenv", "neither copy of the slots' state is whole");
  }
  for (size_t copy = 0; copy < COPIES; copy++) {
    uint8_t block[SLOTS_GRUB_BLOCK_BYTES];
    result = read_block(grub, COUNTERS_AT + copy, block, fault);
    if (result != BASE_OK) return result;
    // One that is not of this state, or the older one: the state's own tries, or the lower ones, stand.
    (void)slots_grub_read_counters(base_span_of(block, sizeof(block)), out);
  }
  return BASE_OK;
}

// Counters of a lost state that by chance had the new one's sequence must not be taken for the new one's.
static enum base_result forget_counters(const struct slots_grub *grub, const struct slots_state *state,
                                        struct base_fault *fault) {
  static const uint8_t NOTHING[SLOTS_GRUB_BLOCK_BYTES];
  for (size_t copy = 0; copy < COPIES; copy++) {
    uint8_t block[SLOTS_GRUB_BLOCK_BYTES];
    struct slots_state counted = *state;
    enum base_result result = read_block(grub, COUNTERS_AT + copy, block, fault);
    if (result == BASE_OK && slots_grub_read_counters(base_span_of(block, sizeof(block)), &counted)) {
      result = write_block(grub, COUNTERS_AT + copy, NOTHING, fault);
    }
    if (result != BASE_OK) return result;
  }
  return BASE_OK;
}

static enum base_result store(void *self, const struct slots_state *state, struct base_fault *fault) {
  struct slots_grub *grub = self;
  if (!slots_is_valid(state)) return BASE_FAIL(fault, BASE_BAD_INPUT, "bootenv", "this is no state of the slots");
  uint8_t block[SLOTS_GRUB_BLOCK_BYTES];
  struct slots_state old;
  size_t newest;
  enum base_result result = read_newest(grub, &old, &newest, fault);
  if (result == BASE_OK) result = mend_head(grub, fault);
  if (result == BASE_OK) result = forget_counters(grub, state, fault);
  slots_grub_write_state(state, block);
  size_t begin = newest == 0 ? 1 : 0;
  for (size_t i = 0; i < COPIES && result == BASE_OK; i++) {
    result = write_block(grub, (begin + i) % COPIES, block, fault);
  }
  slots_grub_write_counters(state, block);
  for (size_t copy = 0; copy < COPIES && result == BASE_OK; copy++) {
    result = write_block(grub, COUNTERS_AT + copy, block, fault);
  }
  return result;
}

struct slots_loader slots_grub_loader(struct slots_grub *grub) {
  return (struct slots_loader){.load = load, .store = store, .self = grub};
}

enum base_result slots_grub_lock(const struct slots_grub *grub) {
  while (flock(grub->fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EINTR) return errno == EWOULDBLOCK ? BASE_LOCKED : BASE_IO;
  }
  return BASE_OK;
}

void slots_grub_unlock(const struct slots_grub *grub) { (void)flock(grub->fd, LOCK_UN); }
