// A box of files: the state of its slots, and the partitions of both.
//
// Include after "bundles.h".
#ifndef TESTS_UPDATE_BOX_H
#define TESTS_UPDATE_BOX_H

#include "slots/grub.h"
#include "update/install.h"

enum { BOOTENV_BYTES = 1 << 20, BOOT_PARTITION_BYTES = BOOT_BYTES + 4096, ROOT_PARTITION_BYTES = ROOT_BYTES + 8192 };

struct box {
  struct bundles *bundles;
  char bootenv[PATH_CHARS];
  char partitions[SLOTS_COUNT][UPDATE_PARTS][PATH_CHARS];
  struct slots_grub grub;
  struct slots_loader loader;
};

static inline void box_open(struct box *box) {
  box->grub.fd = open(box->bootenv, O_RDWR | O_CLOEXEC);
  assert_true(box->grub.fd >= 0);
  box->loader = slots_grub_loader(&box->grub);
}

static inline void box_close(struct box *box) { base_fd_close(&box->grub.fd); }

// A runs version 1.1.0 and is good; B holds 1.0.0 and is good too.
static inline void box_begin(struct box *box, struct bundles *bundles) {
  static uint8_t empty[BOOTENV_BYTES];
  static const char *const names[SLOTS_COUNT][UPDATE_PARTS] = {{"bootA", "rootA"}, {"bootB", "rootB"}};
  struct slots_state state;
  box->bundles = bundles;
  write_file(path_in(bundles, "bootenv", box->bootenv), empty, sizeof(empty));
  for (int slot = 0; slot < SLOTS_COUNT; slot++) {
    for (int part = 0; part < UPDATE_PARTS; part++) {
      make_noise(path_in(bundles, names[slot][part], box->partitions[slot][part]),
                 part == UPDATE_BOOT ? BOOT_PARTITION_BYTES : ROOT_PARTITION_BYTES, (uint32_t)(20 + 2 * slot + part));
    }
  }
  box_open(box);
  slots_reset(&state, SLOTS_GOOD);
  strcpy(state.slots[SLOTS_A].version, "1.1.0");
  strcpy(state.slots[SLOTS_B].version, "1.0.0");
  assert_int_equal(box->loader.store(box->loader.self, &state, NULL), BASE_OK);
}

static inline struct update_config box_config(const struct box *box) {
  return (struct update_config){
      .loader = &box->loader,
      .keys = box->bundles->keys,
      .board = "test-board",
      .target = SLOTS_B,
      .running_version = "1.1.0",
      .devices = {box->partitions[SLOTS_B][UPDATE_BOOT], box->partitions[SLOTS_B][UPDATE_ROOT]}};
}

static inline enum base_result install_pieces(const struct update_config *config, struct base_span bundle, size_t step,
                                              struct base_fault *fault) {
  struct update_install *install = NULL;
  enum base_result result = update_install_begin(config, &install, fault);
  for (size_t at = 0; at < bundle.bytes && result == BASE_OK; at += step)
    result = update_install_write(install, base_span_slice(bundle, at, step), fault);
  if (result == BASE_OK) result = update_install_finish(install, fault);
  update_install_destroy(&install);
  return result;
}

static inline struct slots_state box_state(const struct box *box) {
  struct slots_state state;
  struct base_fault fault = {0};
  if (box->loader.load(box->loader.self, &state, &fault) != BASE_OK) fail_msg("%s", fault.text);
  return state;
}

static inline bool box_holds(const struct box *box, enum slots_id slot, enum update_part part, const char *image) {
  struct base_buffer wanted = read_file(image), there = read_file(box->partitions[slot][part]);
  const bool holds =
      base_span_equal(base_buffer_span(&wanted), base_span_slice(base_buffer_span(&there), 0, wanted.bytes));
  base_buffer_finish(&wanted);
  base_buffer_finish(&there);
  return holds;
}

static inline struct integrity_digest box_digest(const struct box *box, enum slots_id slot) {
  struct integrity_hash hash;
  struct integrity_digest digest;
  integrity_hash_init(&hash);
  for (int part = 0; part < UPDATE_PARTS; part++) {
    struct base_buffer bytes = read_file(box->partitions[slot][part]);
    integrity_hash_update(&hash, base_buffer_span(&bytes));
    base_buffer_finish(&bytes);
  }
  integrity_hash_finish(&hash, &digest);
  return digest;
}

#endif
