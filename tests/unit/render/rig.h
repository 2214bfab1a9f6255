// A renderer with a real store, decoder and resampler, and ways to put pictures in and look at what comes out.
#ifndef TESTS_RENDER_RIG_H
#define TESTS_RENDER_RIG_H

#include <pthread.h>

#include "codec/codec.h"
#include "render/render.h"
#include "resample_rig.h"
#include "temp_folder.h"

struct rig {
  struct temp_folder folder;
  struct store *store;
  struct sandbox *sandbox;
  struct resample_rig *resample;
  struct render *render;
};

// cmocka group set-up and tear-down; *state becomes the rig.
int rig_setup(void **state);
int rig_teardown(void **state);
// A renderer of the rig's parts. `resampler` NULL: one that must not need it.
struct render *rig_render(struct rig *rig, unsigned threads, size_t queue_limit, struct resampler *resampler);

// A picture in the store.
struct rig_original {
  struct integrity_digest id;
  struct image_header header;
};
// Stores bytes and reads their header as the box does; the header is the caller's when the file can not be inspected.
struct rig_original rig_store(struct rig *rig, struct base_span file);
// Encodes a picture and gives the file an EXIF orientation (JPEG, 1..8).
struct rig_original rig_store_picture(struct rig *rig, const struct image *image, enum codec_output output,
                                      unsigned orientation);

// An order and a wait for it.
enum { RIG_MAX_RECIPES = 8 };
struct rig_order {
  struct recipe_order order;
  struct recipe recipes[RIG_MAX_RECIPES];
  struct recipe_product products[RIG_MAX_RECIPES];
  pthread_mutex_t lock;
  pthread_cond_t changed;
  unsigned done;
};
void rig_order_init(struct rig_order *order, const struct rig_original *original);
// Adds a pinned recipe; `wanted` may leave things open.
void rig_order_add(struct rig_order *order, struct recipe wanted);
enum base_result rig_order_submit(struct rig_order *order, struct render *render);
void rig_order_wait(struct rig_order *order);
// Submits and waits.
void rig_order_run(struct rig_order *order, struct render *render);
void rig_order_finish(struct rig_order *order);

// Decodes a product; fails the test when there is none. Checks its digest and sides.
struct image *rig_open_product(const struct recipe_product *product);
// Fails unless every channel of the pixel is within `tolerance`.
void rig_assert_pixel(const struct image *image, uint32_t x, uint32_t y, const uint8_t rgba[4], int tolerance);

#endif
