#include "base/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/file.h"

enum { BITS_A_WORD = 64 };

struct base_arena {
  atomic_ulong refs;  // one for the owner, one for each blob
  int fd;
  uint8_t *bytes;  // the whole file, mapped
  size_t page_bytes;
  size_t page_count;
  size_t min_bytes;
  size_t file_bytes;

  pthread_mutex_t mutex;
  uint64_t *taken;    // a bit a page
  size_t next_page;   // where the search goes on: what was freed long ago is further away than what was just freed
  size_t used_pages;  // lost ones not included
  size_t lost_pages;
  uint64_t blobs;
  uint64_t refused;
};

static size_t pages_of(const struct base_arena *arena, size_t bytes) {
  return (bytes + arena->page_bytes - 1) / arena->page_bytes;
}

static bool is_taken(const struct base_arena *arena, size_t page) {
  return arena->taken[page / BITS_A_WORD] >> (page % BITS_A_WORD) & 1;
}

static void mark(struct base_arena *arena, size_t first, size_t count, bool taken) {
  for (size_t page = first; page < first + count; page++) {
    const uint64_t bit = UINT64_C(1) << (page % BITS_A_WORD);
    BASE_ASSERT(is_taken(arena, page) != taken);
    arena->taken[page / BITS_A_WORD] ^= bit;
  }
}

// The first run of `count` free pages that begins in [from, to); page_count when there is none.
static size_t find_run(const struct base_arena *arena, size_t from, size_t to, size_t count) {
  size_t begin = from;
  size_t page = from;
  while (begin < to && page < arena->page_count) {
    if (page % BITS_A_WORD == 0 && arena->taken[page / BITS_A_WORD] == UINT64_MAX) {
      page += BITS_A_WORD;
      begin = page;
    } else if (is_taken(arena, page)) {
      begin = ++page;
    } else if (++page - begin == count) {
      return begin;
    }
  }
  return arena->page_count;
}

// Takes `count` neighbouring pages; false when there are none.
static bool take_pages(struct base_arena *arena, size_t count, size_t *first) {
  pthread_mutex_lock(&arena->mutex);
  *first = arena->page_count;
  if (count <= arena->page_count - arena->used_pages - arena->lost_pages) {
    *first = find_run(arena, arena->next_page, arena->page_count, count);
    if (*first == arena->page_count) *first = find_run(arena, 0, arena->next_page, count);
  }
  const bool is_found = *first < arena->page_count;
  if (is_found) {
    mark(arena, *first, count, true);
    arena->next_page = *first + count;
    arena->used_pages += count;
    arena->blobs++;
    atomic_fetch_add_explicit(&arena->refs, 1, memory_order_relaxed);
  } else {
    arena->refused++;
  }
  pthread_mutex_unlock(&arena->mutex);
  return is_found;
}

static void drop_ref(struct base_arena *arena) {
  if (atomic_fetch_sub_explicit(&arena->refs, 1, memory_order_acq_rel) > 1) return;
  if (arena->bytes) munmap(arena->bytes, arena->file_bytes);
  base_fd_close(&arena->fd);
  pthread_mutex_destroy(&arena->mutex);
  free(arena->taken);
  free(arena);
}

static bool punch_hole(const struct base_arena *arena, size_t first, size_t count) {
  int result;
  do {
    result = fallocate(arena->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(first * arena->page_bytes),
                       (off_t)(count * arena->page_bytes));
  } while (result != 0 && errno == EINTR);
  return result == 0;
}

static void give_back(struct base_arena *arena, size_t first, size_t count) {
  const bool is_empty = punch_hole(arena, first, count);
  pthread_mutex_lock(&arena->mutex);
  arena->used_pages -= count;
  arena->blobs--;
  if (is_empty) {
    mark(arena, first, count, false);
  } else {
    arena->lost_pages += count;  // somebody may still be reading the old pages
  }
  pthread_mutex_unlock(&arena->mutex);
  drop_ref(arena);
}

// Gives the pages memory now and reports when there is none, where a plain write would end in SIGBUS.
static bool populate(const struct base_arena *arena, size_t first, size_t count) {
  int result;
  do {
    result = madvise(arena->bytes + first * arena->page_bytes, count * arena->page_bytes, MADV_POPULATE_WRITE);
  } while (result != 0 && errno == EINTR);
  return result == 0 || errno == EINVAL;  // unknown before Linux 5.14
}

static enum base_result open_file(struct base_arena *arena, struct base_fault *fault) {
  arena->fd = memfd_create("pixpop-arena", MFD_CLOEXEC);
  if (arena->fd < 0 || ftruncate(arena->fd, (off_t)arena->file_bytes) != 0) {
    return BASE_FAIL_ERRNO(fault, "arena", "cannot make a memory file of %zu bytes", arena->file_bytes);
  }
  void *bytes = mmap(NULL, arena->file_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, arena->fd, 0);
  if (bytes == MAP_FAILED) {
    return BASE_FAIL_ERRNO(fault, "arena", "cannot map a memory file of %zu bytes", arena->file_bytes);
  }
  arena->bytes = bytes;
  // A hole in a huge page may be made by writing zeros into it, which a socket's queue would see. A kernel that has no
  // huge pages has nothing to turn off.
  (void)madvise(bytes, arena->file_bytes, MADV_NOHUGEPAGE);
  return BASE_OK;
}

enum base_result base_arena_create(const struct base_arena_config *config, struct base_arena **out,
                                   struct base_fault *fault) {
  if (config->capacity_bytes == 0 || config->capacity_bytes > SIZE_MAX / 2) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "arena", "an arena can not have %llu bytes",
                     (unsigned long long)config->capacity_bytes);
  }
  struct base_arena *arena = calloc(1, sizeof *arena);
  if (!arena) return BASE_FAIL(fault, BASE_NO_MEMORY, "arena", "no memory for an arena");
  atomic_init(&arena->refs, 1);
  arena->fd = -1;
  pthread_mutex_init(&arena->mutex, NULL);
  arena->page_bytes = (size_t)sysconf(_SC_PAGESIZE);
  arena->min_bytes = config->min_bytes > 0 ? config->min_bytes : BASE_ARENA_DEFAULT_MIN_BYTES;
  arena->page_count = pages_of(arena, (size_t)config->capacity_bytes);
  arena->file_bytes = arena->page_count * arena->page_bytes;
  arena->taken = calloc(arena->page_count / BITS_A_WORD + 1, sizeof arena->taken[0]);
  const enum base_result result =
      arena->taken ? open_file(arena, fault) : BASE_FAIL(fault, BASE_NO_MEMORY, "arena", "no memory for its page map");
  if (result == BASE_OK) {
    *out = arena;
  } else {
    drop_ref(arena);
  }
  return result;
}

void base_arena_destroy(struct base_arena **arena) {
  if (!*arena) return;
  drop_ref(*arena);
  *arena = NULL;
}

struct base_blob *base_arena_move_in(struct base_arena *arena, struct base_blob *blob) {
  size_t first;
  if (!arena || blob->arena || blob->bytes < arena->min_bytes || blob->bytes > arena->file_bytes) return blob;
  const size_t count = pages_of(arena, blob->bytes);
  if (!take_pages(arena, count, &first)) return blob;
  uint8_t *data = arena->bytes + first * arena->page_bytes;
  struct base_blob *moved = populate(arena, first, count) ? base_blob_adopt(data, blob->bytes, NULL) : NULL;
  if (!moved) {
    give_back(arena, first, count);
    pthread_mutex_lock(&arena->mutex);
    arena->refused++;
    pthread_mutex_unlock(&arena->mutex);
    return blob;
  }
  memcpy(data, blob->data, blob->bytes);
  moved->arena = arena;
  moved->fd = arena->fd;
  moved->fd_offset = (uint64_t)first * arena->page_bytes;
  base_blob_unref(&blob);
  return moved;
}

void base_arena_take_back(const struct base_blob *blob) {
  struct base_arena *arena = blob->arena;
  give_back(arena, (size_t)(blob->fd_offset / arena->page_bytes), pages_of(arena, blob->bytes));
}

size_t base_arena_cost(const struct base_blob *blob) {
  return blob->arena ? pages_of(blob->arena, blob->bytes) * blob->arena->page_bytes : blob->bytes;
}

void base_arena_get_stats(struct base_arena *arena, struct base_arena_stats *out) {
  pthread_mutex_lock(&arena->mutex);
  *out = (struct base_arena_stats){
      .capacity_bytes = arena->file_bytes,
      .used_bytes = (uint64_t)arena->used_pages * arena->page_bytes,
      .blobs = arena->blobs,
      .refused = arena->refused,
      .lost_bytes = (uint64_t)arena->lost_pages * arena->page_bytes,
  };
  pthread_mutex_unlock(&arena->mutex);
}
