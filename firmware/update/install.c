#include "update/install.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "partition.h"

enum stage { STAGE_HEAD, STAGE_IMAGES, STAGE_BEHIND, STAGE_CHECK, STAGE_OVER };

struct update_install {
  struct update_config config;
  enum stage stage;
  struct update_head head;
  struct update_progress progress;
  enum update_part part;  // being written, or read back
  uint64_t offset;        // in it; when writing, what is in the block included
  struct update_partition partitions[UPDATE_PARTS];
  uint8_t *block;
  size_t filled;  // of it, not written yet
};

static const char *const part_names[UPDATE_PARTS] = {[UPDATE_BOOT] = "boot", [UPDATE_ROOT] = "root"};

const char *update_phase_name(enum update_phase phase) {
  static const char *const names[] = {[UPDATE_READING_HEAD] = "reading",
                                      [UPDATE_WRITING] = "writing",
                                      [UPDATE_CHECKING] = "checking",
                                      [UPDATE_DONE] = "done",
                                      [UPDATE_FAILED] = "failed"};
  return names[phase];
}

static void note(struct update_install *install) {
  if (install->config.note != NULL) install->config.note(install->config.self, &install->progress);
}

static void enter(struct update_install *install, enum stage stage, enum update_phase phase) {
  install->stage = stage;
  install->progress.phase = phase;
  install->progress.done = 0;
  note(install);
}

// Every failure ends here: nothing goes on after it.
static enum base_result give_up(struct update_install *install, enum base_result result) {
  install->stage = STAGE_OVER;
  install->progress.phase = UPDATE_FAILED;
  note(install);
  return result;
}

enum base_result update_install_begin(const struct update_config *config, struct update_install **out,
                                      struct base_fault *fault) {
  *out = NULL;
  struct update_install *install = calloc(1, sizeof(*install));
  if (install != NULL) install->block = aligned_alloc(UPDATE_BLOCK_ALIGN, UPDATE_BLOCK_BYTES);
  if (install == NULL || install->block == NULL) {
    free(install);
    return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory to install an update");
  }
  install->config = *config;
  install->progress.target = config->target;
  for (int part = 0; part < UPDATE_PARTS; part++) install->partitions[part].fd = -1;
  update_head_init(&install->head);
  enter(install, STAGE_HEAD, UPDATE_READING_HEAD);
  *out = install;
  return BASE_OK;
}

void update_install_destroy(struct update_install **install) {
  if (*install == NULL) return;
  for (int part = 0; part < UPDATE_PARTS; part++) update_partition_close(&(*install)->partitions[part]);
  update_head_finish(&(*install)->head);
  free((*install)->block);
  free(*install);
  *install = NULL;
}

void update_install_get_progress(const struct update_install *install, struct update_progress *out) {
  *out = install->progress;
}

// --- before anything is touched ---

static enum base_result check_versions(const struct update_config *config, const struct update_manifest *manifest,
                                       struct base_fault *fault) {
  struct slots_state state;
  const enum base_result result = config->loader->load(config->loader->self, &state, fault);
  if (result != BASE_OK) return result;
  const char *floor = state.floor;
  if (config->floor != NULL && config->floor[0] != '\0' &&
      (floor[0] == '\0' || slots_version_compare(config->floor, floor) > 0))
    floor = config->floor;
  if (floor[0] != '\0' && slots_version_compare(manifest->version, floor) < 0)
    return BASE_FAIL(fault, BASE_CONFLICT, "version", "version %s is below %s, the lowest that this box still takes",
                     manifest->version, floor);
  const char *running = config->running_version;
  if (running != NULL && !config->allows_older && slots_version_compare(manifest->version, running) < 0)
    return BASE_FAIL(fault, BASE_CONFLICT, "older",
                     "version %s is older than %s, which runs: going back has to be asked for explicitly",
                     manifest->version, running);
  return BASE_OK;
}

static enum base_result open_partitions(struct update_install *install, struct base_fault *fault) {
  for (int part = 0; part < UPDATE_PARTS; part++) {
    struct update_partition *partition = &install->partitions[part];
    const uint64_t bytes = install->progress.manifest.parts[part].bytes;
    const enum base_result result = update_partition_open(install->config.devices[part], partition, fault);
    if (result != BASE_OK) return result;
    if (bytes > partition->capacity)
      return BASE_FAIL(fault, BASE_TOO_LARGE, part_names[part],
                       "the %s image has %" PRIu64 " bytes, and the partition room for %" PRIu64, part_names[part],
                       bytes, partition->capacity);
  }
  return BASE_OK;
}

static enum base_result begin_images(struct update_install *install, struct base_fault *fault) {
  const struct update_config *config = &install->config;
  const struct update_manifest *manifest = &install->progress.manifest;
  if (strcmp(manifest->board, config->board) != 0)
    return BASE_FAIL(fault, BASE_CONFLICT, "board", "the bundle is for the board %s; this is %s", manifest->board,
                     config->board);
  enum base_result result = check_versions(config, manifest, fault);
  if (result == BASE_OK) result = open_partitions(install, fault);
  if (result == BASE_OK) result = slots_mark_bad(config->loader, config->target, config->is_forced, fault);
  if (result != BASE_OK) return result;
  install->progress.total = manifest->parts[UPDATE_BOOT].bytes + manifest->parts[UPDATE_ROOT].bytes;
  enter(install, STAGE_IMAGES, UPDATE_WRITING);
  return BASE_OK;
}

static enum base_result take_head(struct update_install *install, struct base_span *bytes, struct base_fault *fault) {
  bool is_whole = false;
  const enum base_result result =
      update_head_take(&install->head, install->config.keys, bytes, &install->progress.manifest, &is_whole, fault);
  return result == BASE_OK && is_whole ? begin_images(install, fault) : result;
}

// --- the images ---

static enum base_result check_digest(struct update_install *install, bool is_read_back, struct base_fault *fault) {
  struct integrity_digest digest;
  integrity_hash_finish(&install->partitions[install->part].hash, &digest);
  if (integrity_digest_equal(&digest, &install->progress.manifest.parts[install->part].digest)) return BASE_OK;
  if (is_read_back)
    return BASE_FAIL(fault, BASE_CORRUPT, part_names[install->part],
                     "the disk does not give back what was written to it (%s): it may be failing",
                     part_names[install->part]);
  return BASE_FAIL(fault, BASE_CHECKSUM, part_names[install->part],
                   "the %s image is damaged: it is not what was signed", part_names[install->part]);
}

static enum base_result flush(struct update_install *install, struct base_fault *fault) {
  const struct base_span span = base_span_of(install->block, install->filled);
  const enum base_result result = update_partition_write(&install->partitions[install->part], span, fault);
  install->filled = 0;
  if (result == BASE_OK) note(install);
  return result;
}

static enum base_result end_image(struct update_install *install, struct base_fault *fault) {
  enum base_result result = check_digest(install, false, fault);
  if (result == BASE_OK) result = update_partition_end(&install->partitions[install->part], fault);
  if (result != BASE_OK) return result;
  install->offset = 0;
  if (install->part + 1 < UPDATE_PARTS)
    install->part++;
  else
    install->stage = STAGE_BEHIND;
  return BASE_OK;
}

static enum base_result take_image(struct update_install *install, struct base_span *bytes, struct base_fault *fault) {
  const uint64_t missing = install->progress.manifest.parts[install->part].bytes - install->offset;
  const size_t room = (size_t)base_min_u64(UPDATE_BLOCK_BYTES - install->filled, missing);
  const size_t count = base_min_u64(room, bytes->bytes);
  memcpy(install->block + install->filled, bytes->data, count);
  *bytes = base_span_slice(*bytes, count, bytes->bytes);
  install->filled += count;
  install->offset += count;
  install->progress.done += count;
  enum base_result result = BASE_OK;
  if (install->filled == UPDATE_BLOCK_BYTES || count == missing) result = flush(install, fault);
  return result == BASE_OK && count == missing ? end_image(install, fault) : result;
}

enum base_result update_install_write(struct update_install *install, struct base_span bytes,
                                      struct base_fault *fault) {
  BASE_ASSERT(install->stage <= STAGE_BEHIND);
  enum base_result result = BASE_OK;
  while (bytes.bytes > 0 && result == BASE_OK) {
    if (install->stage == STAGE_HEAD)
      result = take_head(install, &bytes, fault);
    else if (install->stage == STAGE_IMAGES)
      result = take_image(install, &bytes, fault);
    else
      result = BASE_FAIL(fault, BASE_BAD_INPUT, "bundle", "there are bytes behind the end of the update bundle");
  }
  return result == BASE_OK ? BASE_OK : give_up(install, result);
}

// --- the end ---

static enum base_result complain_of_cut(const struct update_install *install, struct base_fault *fault) {
  if (install->stage == STAGE_HEAD)
    return BASE_FAIL(fault, BASE_BAD_INPUT, "bundle", "the update bundle is cut off after %zu bytes",
                     install->head.bytes.bytes);
  return BASE_FAIL(fault, BASE_BAD_INPUT, "bundle",
                   "the update bundle is cut off: %" PRIu64 " of %" PRIu64 " bytes of its images came",
                   install->progress.done, install->progress.total);
}

enum base_result update_install_end(struct update_install *install, struct base_fault *fault) {
  BASE_ASSERT(install->stage <= STAGE_BEHIND);
  if (install->stage != STAGE_BEHIND) return give_up(install, complain_of_cut(install, fault));
  for (int part = 0; part < UPDATE_PARTS; part++) {
    const enum base_result result = update_partition_reopen(&install->partitions[part], fault);
    if (result != BASE_OK) return give_up(install, result);
  }
  install->part = UPDATE_BOOT;
  enter(install, STAGE_CHECK, UPDATE_CHECKING);
  return BASE_OK;
}

static enum base_result check_piece(struct update_install *install, bool *is_done, struct base_fault *fault) {
  const uint64_t total = install->progress.manifest.parts[install->part].bytes;
  enum base_result result =
      update_partition_read(&install->partitions[install->part], install->offset, total, install->block, fault);
  if (result != BASE_OK) return result;
  const uint64_t count = base_min_u64(total - install->offset, UPDATE_BLOCK_BYTES);
  install->offset += count;
  install->progress.done += count;
  note(install);
  if (install->offset < total) return BASE_OK;
  result = check_digest(install, true, fault);
  if (result != BASE_OK) return result;
  update_partition_close(&install->partitions[install->part]);
  install->offset = 0;
  if (install->part + 1 < UPDATE_PARTS) {
    install->part++;
    return BASE_OK;
  }
  result =
      slots_mark_written(install->config.loader, install->config.target, install->progress.manifest.version, fault);
  if (result != BASE_OK) return result;
  install->stage = STAGE_OVER;
  install->progress.phase = UPDATE_DONE;
  note(install);
  *is_done = true;
  return BASE_OK;
}

enum base_result update_install_check(struct update_install *install, bool *is_done, struct base_fault *fault) {
  BASE_ASSERT(install->stage == STAGE_CHECK);
  *is_done = false;
  const enum base_result result = check_piece(install, is_done, fault);
  return result == BASE_OK ? BASE_OK : give_up(install, result);
}

enum base_result update_install_finish(struct update_install *install, struct base_fault *fault) {
  bool is_done = false;
  enum base_result result = update_install_end(install, fault);
  while (result == BASE_OK && !is_done) result = update_install_check(install, &is_done, fault);
  return result;
}
