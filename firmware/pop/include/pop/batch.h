// A batch: many variants of one original, made with one order to the renderer and kept as a GET's would be.
//
// The console calls it for POST /api/v1/originals/{id}/variants. GETs for a variant that a batch is making wait for it,
// and a batch waits for what a GET, or another batch, is making already.
#ifndef POP_BATCH_H
#define POP_BATCH_H

#include "pop/pop.h"

enum { POP_MAX_BATCH = 64 };

enum pop_source { POP_FROM_RAM, POP_FROM_DISK, POP_MADE };

const char *pop_source_name(enum pop_source source);  // "ram", "disk", "made"

// One variant, or why there is none.
struct pop_batch_item {
  size_t index;             // in the batch's recipes
  struct recipe recipe;     // pinned
  struct base_fault fault;  // result BASE_OK when there is a variant, which the rest describes
  enum pop_source source;
  const char *media_type;
  struct integrity_digest digest;
  uint64_t bytes;
  uint32_t width, height;
};

struct pop_batch {
  const char *tenant;  // from pop_tenant_name
  struct integrity_digest original;
  const struct recipe *recipes;  // as parsed; RECIPE_FORMAT_AUTO means WebP, as there is nobody to ask
  size_t count;                  // 1..POP_MAX_BATCH
  const char *request_id;        // HTTP_REQUEST_ID_CHARS, for logs
  // Nobody waits: it is made when nothing else is, and of what lies on disk no more is reported than that.
  bool is_background;
  // Asked on any thread until done is called. What is not made then, and nobody else waits for, is given up.
  bool (*is_cancelled)(void *self);
  // Once for each index, on any thread and at the same time for several; the item is borrowed.
  void (*ready)(void *self, const struct pop_batch_item *item);
  // Once, after the last ready, on any thread; perhaps before pop_batch_run returns.
  void (*done)(void *self);
  void *self;
};

// Makes a recipe from the options of the native URL grammar, such as "w=400&fm=webp". Faults are those of
// pop_native_parse, with the place in the list: the subject is "recipes[3].w".
enum base_result pop_batch_parse(size_t index, struct base_span options, struct recipe *out,
                                 struct base_fault *fault) BASE_CHECKED;

// Looks every variant up and orders what is missing; blocks on the disk, not on the renderer. Recipes that come to the
// same are made once. `batch` is copied, its recipes too. When it fails nothing was made and no callback will come:
// BASE_NOT_FOUND, the tenant has no such original; BASE_BAD_INPUT and BASE_UNPROCESSABLE, a recipe can not be followed
// (its place is in the subject); BASE_NO_MEMORY.
enum base_result pop_batch_run(struct pop *pop, const struct pop_batch *batch, struct base_fault *fault) BASE_CHECKED;

#endif
