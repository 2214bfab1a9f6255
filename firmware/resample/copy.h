// What the device holds of a source: its whole memory, imported in place or uploaded once.
//
// Uploaded copies count towards the pool's budget and are dropped, least recently used first, when it wants their
// place and no run uses them; imported ones hold nothing of it and stay. All functions are thread-safe but for those
// that say otherwise.
#ifndef RESAMPLE_COPY_H
#define RESAMPLE_COPY_H

#include "pool.h"
#include "work.h"

struct resample_copy {
  struct resample_source *source;
  struct gpu_buffer *buffer;
  uint32_t pitch;  // RGBA8: from row to row in words
  bool is_imported;
  bool is_ready;   // the upload is done
  unsigned users;  // runs that hold it
  struct resample_copy *older, *newer;
};

// Takes a copy that holds nothing of the budget: one that is imported or can be (`imports`: the device is to try).
// NULL when there is none.
struct resample_copy *resample_copy_import(struct resample_pool *pool, struct resample_source *source, bool imports,
                                           uint64_t most_bytes);
// What an uploaded copy holds of the budget; 0 when it is over `most_bytes` for a buffer.
uint64_t resample_copy_upload_bytes(const struct resample_pool *pool, const struct resample_source *source,
                                    uint64_t most_bytes);
// Takes the uploaded copy, made when it is missing. The caller has reserved its bytes.
enum base_result resample_copy_upload(struct resample_pool *pool, struct resample_source *source,
                                      struct resample_copy **out, struct base_fault *fault) BASE_CHECKED;
// Ends the use; nulls the pointer, NULL is accepted.
void resample_copy_give(struct resample_pool *pool, struct resample_copy **copy);
// Destroys the source's copy, if there is one; no run may use it (asserted).
void resample_copy_forget(struct resample_pool *pool, struct resample_source *source);
// Destroys all copies. No run may be under way.
void resample_copy_forget_all(struct resample_pool *pool);
// With the pool's mutex held: destroys the copy that was not used for longest and holds something. False: there is
// none.
bool resample_copy_drop_oldest_locked(struct resample_pool *pool);

#endif
