// A renderer with a real store, decoder and resampler, and ways to put pictures in and look at what comes out.
#ifndef TESTS_RENDER_RIG_H
#define TESTS_RENDER_RIG_H

#include <pthread.h>

#include "codec/codec.h"
#include "render/render.h"
#include "temp_folder.h"

struct rig {
  struct temp_folder folder;
  struct base_metrics *metrics;
  struct base_log *log;
  struct store *store;
  struct sandbox *sandbox;
  struct resampler *resampler;
  struct render *render;
};

// cmocka group set-up and tear-down; *state becomes the rig. The resampler is the CPU's, or a Vulkan device's.
int rig_setup(void **state);
int rig_setup_vulkan(void **state);
int rig_teardown(void **state);
// Closes the store and opens it again, as a restart does. `disk_bytes` is the budget of variants and levels.
void rig_reopen_store(struct rig *rig, uint64_t disk_bytes);
// A renderer of the rig's parts with two threads, and what a test wants different about it.
struct render_config rig_config(struct rig *rig);
struct render *rig_render(const struct render_config *config);
int64_t rig_counter(struct rig *rig, const char *name, const char *labels);
int64_t rig_gauge(struct rig *rig, const char *name);

// A picture in the store.
struct rig_original {
  struct integrity_digest id;
  struct image_header header;
};
// Stores bytes and reads their header as the box does; the header is the caller's when the file can not be inspected.
struct rig_original rig_store(struct rig *rig, struct base_span file);
// A file of this machine.
struct rig_original rig_store_file(struct rig *rig, const char *path);
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

// How often a stage was gone through.
unsigned rig_count_spans(const struct rig_order *order, const char *stage);

// Planes as RGBA8, the nearest chroma sample for each pixel.
struct image *rig_to_rgba(const struct image *planes);
// Decodes a product to RGBA8; fails the test when there is none. Checks its digest and sides.
struct image *rig_open_product(const struct recipe_product *product);
// Fails unless every channel of the pixel is within `tolerance`.
void rig_assert_pixel(const struct image *image, uint32_t x, uint32_t y, const uint8_t rgba[4], int tolerance);

#endif
