#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "image/convert.h"
#include "store/upload.h"

#define TENANT "default"

static void must(enum base_result result, const struct base_fault *fault) {
  if (result != BASE_OK) fail_msg("%s: %s", base_result_name(result), fault->text);
}

enum { DISK_BYTES = 256 << 20 };

static void open_store(struct rig *rig, uint64_t disk_bytes) {
  struct base_fault fault = {0};
  const struct store_config store = {.root = rig->folder.path,
                                     .variant_budget_bytes = disk_bytes,
                                     .clock = base_clock_system(),
                                     .log = rig->log,
                                     .metrics = rig->metrics};
  must(store_open(&store, &rig->store, &fault), &fault);
}

static int set_up(void **state, enum resample_mode mode) {
  struct base_fault fault = {0};
  struct rig *rig = calloc(1, sizeof *rig);
  assert_non_null(rig);
  temp_folder_make(&rig->folder);
  rig->metrics = base_metrics_create();
  rig->log = base_log_create(&(struct base_log_config){.fd = 2, .level = BASE_LOG_WARN});
  const struct resample_config resample = {.mode = mode,
                                           .gpu = {.validation = true, .abort_on_validation = true, .log = rig->log},
                                           .log = rig->log,
                                           .metrics = rig->metrics};
  must(resample_create(&resample, &rig->resampler, &fault), &fault);
  open_store(rig, DISK_BYTES);
  const struct sandbox_config sandbox = {.decoder_path = TEST_DECODER_PATH,
                                         .workers = 2,
                                         .timeout_ms = 60000,
                                         .wait_ms = 60000,
                                         .limits = IMAGE_LIMITS_DEFAULT,
                                         .log = rig->log,
                                         .metrics = rig->metrics};
  must(sandbox_create(&sandbox, &rig->sandbox, &fault), &fault);
  const struct render_config config = rig_config(rig);
  rig->render = rig_render(&config);
  *state = rig;
  return 0;
}

int rig_setup(void **state) { return set_up(state, RESAMPLE_MODE_CPU); }

int rig_setup_vulkan(void **state) { return set_up(state, RESAMPLE_MODE_VULKAN); }

int rig_teardown(void **state) {
  struct rig *rig = *state;
  render_destroy(&rig->render);
  sandbox_destroy(&rig->sandbox);
  store_close(&rig->store);
  resample_destroy(&rig->resampler);
  base_metrics_destroy(&rig->metrics);
  base_log_destroy(&rig->log);
  temp_folder_remove(&rig->folder);
  free(rig);
  return 0;
}

void rig_reopen_store(struct rig *rig, uint64_t disk_bytes) {
  store_close(&rig->store);
  open_store(rig, disk_bytes);
}

struct render_config rig_config(struct rig *rig) {
  return (struct render_config){.threads = 2,
                                .queue_limit = 16,
                                .webp_effort = 1,
                                .store = rig->store,
                                .sandbox = rig->sandbox,
                                .resampler = rig->resampler,
                                .clock = base_clock_system(),
                                .log = rig->log,
                                .metrics = rig->metrics};
}

struct render *rig_render(const struct render_config *config) {
  struct render *render;
  struct base_fault fault = {0};
  must(render_create(config, &render, &fault), &fault);
  return render;
}

int64_t rig_counter(struct rig *rig, const char *name, const char *labels) {
  return base_metric_get(base_metrics_counter(rig->metrics, name, labels, ""));
}

int64_t rig_gauge(struct rig *rig, const char *name) {
  return base_metric_get(base_metrics_gauge(rig->metrics, name, "", ""));
}

static struct store_original describe(const struct image_header *header) {
  struct store_original original = {.tenant = TENANT,
                                    .width = header->width,
                                    .height = header->height,
                                    .orientation = (uint8_t)header->orientation,
                                    .bits = header->bits,
                                    .has_alpha = header->has_alpha};
  snprintf(original.format, sizeof original.format, "%s", image_file_format_name(header->format));
  snprintf(original.colour, sizeof original.colour, "%s", image_colour_name(header->colour));
  return original;
}

struct rig_original rig_store(struct rig *rig, struct base_span file) {
  struct store_upload *upload;
  struct base_fault fault = {0};
  struct rig_original result;
  bool is_new;
  must(store_upload_begin(rig->store, file.bytes, &upload, &fault), &fault);
  must(store_upload_write(upload, file, &fault), &fault);
  int fd;
  must(store_upload_open_bytes(upload, &fd, &fault), &fault);
  must(sandbox_inspect(rig->sandbox, fd, &result.header, &fault), &fault);
  base_fd_close(&fd);
  struct store_original original = describe(&result.header);
  must(store_upload_commit(&upload, &original, base_span_of(NULL, 0), &is_new, &fault), &fault);
  result.id = original.id;
  return result;
}

struct rig_original rig_store_file(struct rig *rig, const char *path) {
  enum { FILE_BYTES_MOST = 64 << 20 };
  struct base_buffer file;
  struct base_fault fault = {0};
  must(base_file_read(path, FILE_BYTES_MOST, &file, &fault), &fault);
  const struct rig_original original = rig_store(rig, base_buffer_span(&file));
  base_buffer_finish(&file);
  return original;
}

// An APP1 segment with one IFD entry: tag 0x0112, SHORT (Exif 2.3, 4.6).
static void append_exif(struct base_buffer *out, unsigned orientation) {
  uint8_t segment[] = {0xff, 0xe1, 0,    34,   'E', 'x', 'i', 'f', 0, 0, 'I', 'I', '*', 0, 8, 0, 0, 0,
                       1,    0,    0x12, 0x01, 3,   0,   1,   0,   0, 0, 0,   0,   0,   0, 0, 0, 0, 0};
  segment[28] = (uint8_t)orientation;
  assert_int_equal(base_buffer_append(out, segment, sizeof segment), BASE_OK);
}

struct rig_original rig_store_picture(struct rig *rig, const struct image *image, enum codec_output output,
                                      unsigned orientation) {
  enum { SOI_BYTES = 2 };
  const struct codec_encode_options options = {.quality = 95, .effort = 1};
  struct base_fault fault = {0};
  struct base_buffer file, turned;
  base_buffer_init(&file, 1 << 26);
  base_buffer_init(&turned, 1 << 26);
  must(codec_encoder_for(output)->encode(image, &options, &file, &fault), &fault);
  assert_int_equal(base_buffer_append(&turned, file.data, SOI_BYTES), BASE_OK);
  if (orientation > 1) append_exif(&turned, orientation);
  assert_int_equal(base_buffer_append(&turned, file.data + SOI_BYTES, file.bytes - SOI_BYTES), BASE_OK);
  const struct rig_original original = rig_store(rig, base_buffer_span(&turned));
  base_buffer_finish(&turned);
  base_buffer_finish(&file);
  return original;
}

unsigned rig_count_spans(const struct rig_order *order, const char *stage) {
  const struct base_trace *trace = &order->order.trace;
  unsigned count = 0;
  for (size_t i = 0; i < trace->count; i++) count += strcmp(trace->spans[i].stage, stage) == 0;
  return count;
}

static void done(void *self, struct recipe_order *order) {
  struct rig_order *rig_order = self;
  assert_ptr_equal(order, &rig_order->order);
  pthread_mutex_lock(&rig_order->lock);
  rig_order->done++;
  pthread_cond_broadcast(&rig_order->changed);
  pthread_mutex_unlock(&rig_order->lock);
}

void rig_order_init(struct rig_order *order, const struct rig_original *original) {
  *order = (struct rig_order){.order = {.original = original->id,
                                        .header = original->header,
                                        .request_id = "test",
                                        .trace = {.clock = base_clock_system()},
                                        .done = done}};
  order->order.recipes = order->recipes;
  order->order.products = order->products;
  order->order.self = order;
  pthread_mutex_init(&order->lock, NULL);
  pthread_cond_init(&order->changed, NULL);
}

void rig_order_add(struct rig_order *order, struct recipe wanted) {
  struct base_fault fault = {0};
  assert_in_range(order->order.count, 0, RIG_MAX_RECIPES - 1);
  must(recipe_pin(&wanted, RECIPE_FORMAT_WEBP, &order->order.header, &order->recipes[order->order.count], &fault),
       &fault);
  order->order.count++;
}

enum base_result rig_order_submit(struct rig_order *order, struct render *render) {
  const struct recipe_renderer renderer = render_renderer(render);
  struct base_fault fault = {0};
  return renderer.submit(renderer.self, &order->order, &fault);
}

void rig_order_wait(struct rig_order *order) {
  pthread_mutex_lock(&order->lock);
  while (!order->done) pthread_cond_wait(&order->changed, &order->lock);
  pthread_mutex_unlock(&order->lock);
  assert_int_equal(order->done, 1);
}

void rig_order_run(struct rig_order *order, struct render *render) {
  assert_int_equal(rig_order_submit(order, render), BASE_OK);
  rig_order_wait(order);
}

void rig_order_finish(struct rig_order *order) {
  for (size_t i = 0; i < order->order.count; i++) base_blob_unref(&order->products[i].blob);
  pthread_cond_destroy(&order->changed);
  pthread_mutex_destroy(&order->lock);
}

struct image *rig_to_rgba(const struct image *planes) {
  const struct image_yuv *yuv = &planes->yuv;
  const struct image_yuv spread = {.width = planes->width,
                                   .height = planes->height,
                                   .range = yuv->range,
                                   .chroma_x = 1,
                                   .chroma_y = 1,
                                   .is_grey = yuv->is_grey,
                                   .has_alpha = yuv->has_alpha};
  struct image *full, *rgba;
  assert_int_equal(image_create_yuv(&spread, &full), BASE_OK);
  for (unsigned i = 0; i < IMAGE_MAX_PLANES; i++) {
    const bool is_chroma = i == IMAGE_PLANE_U || i == IMAGE_PLANE_V;
    const unsigned across = is_chroma ? yuv->chroma_x : 1, down = is_chroma ? yuv->chroma_y : 1;
    for (uint32_t y = 0; y < full->planes[i].height; y++) {
      uint8_t *row = image_plane_row(&full->planes[i], y);
      const uint8_t *from = image_plane_row(&planes->planes[i], y / down);
      for (uint32_t x = 0; x < full->planes[i].width; x++) row[x] = from[x / across];
    }
  }
  assert_int_equal(image_convert_to_rgba(full, &rgba), BASE_OK);
  image_unref(&full);
  return rgba;
}

struct image *rig_open_product(const struct recipe_product *product) {
  const struct image_limits limits = IMAGE_LIMITS_DEFAULT;
  const struct codec_decoder *decoder;
  struct integrity_digest digest;
  struct image_header header;
  struct codec_picture picture;
  struct image *image;
  struct base_fault fault = {0};
  must(product->fault.result, &product->fault);
  assert_non_null(product->blob);
  integrity_digest_of(base_blob_span(product->blob), &digest);
  assert_true(integrity_digest_equal(&digest, &product->digest));
  must(codec_inspect(base_blob_span(product->blob), &limits, &decoder, &header, &fault), &fault);
  assert_string_equal(product->media_type, image_file_format_media_type(header.format));
  assert_int_equal(product->width, header.width);
  assert_int_equal(product->height, header.height);
  must(decoder->plan(base_blob_span(product->blob), &header, &picture, &fault), &fault);
  if (picture.format == IMAGE_YUV) {
    assert_int_equal(image_create_yuv(&picture.yuv, &image), BASE_OK);
  } else {
    assert_int_equal(image_create(header.width, header.height, header.has_alpha, &image), BASE_OK);
  }
  must(decoder->decode(base_blob_span(product->blob), &header, image, &fault), &fault);
  if (image->format == IMAGE_RGBA8) return image;
  struct image *rgba = rig_to_rgba(image);
  image_unref(&image);
  return rgba;
}

void rig_assert_pixel(const struct image *image, uint32_t x, uint32_t y, const uint8_t rgba[4], int tolerance) {
  const uint8_t *pixel = image_row(image, y) + (size_t)x * 4;
  for (int i = 0; i < 4; i++) {
    if (abs(pixel[i] - rgba[i]) > tolerance) {
      fail_msg("pixel %u,%u is %u,%u,%u,%u, not %u,%u,%u,%u", x, y, pixel[0], pixel[1], pixel[2], pixel[3], rgba[0],
               rgba[1], rgba[2], rgba[3]);
    }
  }
}
