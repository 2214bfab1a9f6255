#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <ftw.h>
#include <unistd.h>

#include "fixture.h"

static uint64_t fixture_monotonic_us(void *self) { return base_clock_system()->monotonic_us(self); }

static int64_t fixture_wall_s(void *self) {
  struct fixture *fixture = self;
  return __atomic_add_fetch(&fixture->now_s, 1, __ATOMIC_RELAXED);
}

const char *fixture_fast_folder(void) { return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"; }

void fixture_init(struct fixture *fixture) { fixture_init_in(fixture, "/tmp"); }

void fixture_init_in(struct fixture *fixture, const char *folder) {
  *fixture = (struct fixture){.now_s = 1700000000};
  snprintf(fixture->root, sizeof fixture->root, "%s/pixpop-store-XXXXXX", folder);
  assert_non_null(mkdtemp(fixture->root));
  fixture->clock = (struct base_clock){fixture_monotonic_us, fixture_wall_s, fixture};
  fixture->metrics = base_metrics_create();
  fixture->config = (struct store_config){.root = fixture->root,
                                          .variant_budget_bytes = 1024 * 1024,
                                          .min_free_bytes = 0,
                                          .clock = &fixture->clock,
                                          .metrics = fixture->metrics};
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where) {
  (void)info;
  (void)type;
  (void)where;
  return remove(path);
}

void fixture_finish(struct fixture *fixture) {
  fixture_close(fixture);
  base_metrics_destroy(&fixture->metrics);
  assert_int_equal(nftw(fixture->root, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

void fixture_open(struct fixture *fixture) {
  struct base_fault fault = {0};
  const enum base_result result = store_open(&fixture->config, &fixture->store, &fault);
  if (result != BASE_OK) fail_msg("cannot open: %s (%s)", fault.text, fault.subject);
}

void fixture_close(struct fixture *fixture) { store_close(&fixture->store); }

void fixture_reopen(struct fixture *fixture) {
  fixture_close(fixture);
  fixture_open(fixture);
}

void fixture_make_unclean(struct fixture *fixture) {
  char path[PATH_MAX];
  fixture_path(fixture, "lock", path);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_true(fputs("open\n", file) >= 0);
  assert_int_equal(fclose(file), 0);
}

void fixture_bytes(unsigned seed, size_t bytes, uint8_t *out) {
  uint32_t state = seed * 2654435761u + 1;
  for (size_t i = 0; i < bytes; i++) {
    state = state * 1664525u + 1013904223u;
    out[i] = (uint8_t)(state >> 24);
  }
}

struct integrity_digest fixture_id(unsigned seed, size_t bytes) {
  uint8_t *data = malloc(bytes + 1);
  assert_non_null(data);
  fixture_bytes(seed, bytes, data);
  struct integrity_digest id;
  integrity_digest_of(base_span_of(data, bytes), &id);
  free(data);
  return id;
}

enum base_result fixture_upload(struct store *store, const char *tenant, unsigned seed, size_t bytes,
                                struct store_original *out, bool *is_new) {
  uint8_t *data = malloc(bytes + 1);
  if (!data) return BASE_NO_MEMORY;
  fixture_bytes(seed, bytes, data);
  *out = (struct store_original){.width = 100 + seed, .height = 50, .orientation = 6, .bits = 8, .has_icc = true};
  snprintf(out->tenant, sizeof out->tenant, "%s", tenant);
  snprintf(out->format, sizeof out->format, "jpeg");
  snprintf(out->colour, sizeof out->colour, "rgb");
  snprintf(out->name, sizeof out->name, "Foto %u, süß.jpg", seed);
  snprintf(out->tags, sizeof out->tags, "summer\nnumber %u", seed);
  struct store_upload *upload = NULL;
  enum base_result result = store_upload_begin(store, seed % 2 ? bytes : UINT64_MAX, &upload, NULL);
  if (result == BASE_OK) {
    result = store_upload_write(upload, base_span_of(data, bytes / 3), NULL);
    if (result == BASE_OK) {
      result = store_upload_write(upload, base_span_of(data + bytes / 3, bytes - bytes / 3), NULL);
    }
    if (result == BASE_OK) {
      result = store_upload_commit(&upload, out, base_span_of(NULL, 0), is_new, NULL);
    } else {
      store_upload_abort(&upload);
    }
  }
  free(data);
  return result;
}

struct store_original fixture_put(struct fixture *fixture, const char *tenant, unsigned seed, size_t bytes) {
  struct store_original original;
  bool is_new;
  assert_int_equal(fixture_upload(fixture->store, tenant, seed, bytes, &original, &is_new), BASE_OK);
  return original;
}

enum base_result fixture_find(struct fixture *fixture, const char *tenant, unsigned seed, size_t bytes) {
  struct store_original found;
  const struct integrity_digest id = fixture_id(seed, bytes);
  return store_original_find(fixture->store, tenant, &id, &found, NULL);
}

bool fixture_bytes_match(struct store *store, unsigned seed, size_t bytes) {
  const struct integrity_digest id = fixture_id(seed, bytes);
  int fd;
  if (store_original_open(store, &id, &fd, NULL) != BASE_OK) return false;
  uint8_t *expected = malloc(bytes + 1), *found = malloc(bytes + 1);
  assert_non_null(expected);
  assert_non_null(found);
  fixture_bytes(seed, bytes, expected);
  const ssize_t got = pread(fd, found, bytes + 1, 0);
  const bool is_match = got == (ssize_t)bytes && memcmp(expected, found, bytes) == 0;
  close(fd);
  free(expected);
  free(found);
  return is_match;
}

struct cache_key fixture_key(unsigned number) {
  struct integrity_digest digest;
  integrity_digest_of(base_span_of(&number, sizeof number), &digest);
  struct cache_key key;
  memcpy(key.bytes, digest.bytes, sizeof key.bytes);
  return key;
}

static uint8_t *variant_body(unsigned number, size_t bytes, struct integrity_digest *digest) {
  uint8_t *body = malloc(bytes + 1);
  assert_non_null(body);
  fixture_bytes(number + 1000000, bytes, body);
  integrity_digest_of(base_span_of(body, bytes), digest);
  return body;
}

struct store_variant fixture_variant(const struct store_original *original, unsigned number, size_t bytes) {
  struct store_variant variant = {
      .key = fixture_key(number), .original = original->id, .width = 10, .height = number, .created_s = 1800000000};
  memcpy(variant.tenant, original->tenant, sizeof variant.tenant);
  snprintf(variant.recipe, sizeof variant.recipe, "w=%u", number);
  snprintf(variant.media_type, sizeof variant.media_type, "image/webp");
  free(variant_body(number, bytes, &variant.digest));
  return variant;
}

enum base_result fixture_put_variant(struct store *store, const struct store_original *original, unsigned number,
                                     size_t bytes) {
  struct store_variant variant = fixture_variant(original, number, bytes);
  uint8_t *body = variant_body(number, bytes, &variant.digest);
  const enum base_result result = store_variant_put(store, &variant, base_span_of(body, bytes), NULL);
  free(body);
  return result;
}

enum base_result fixture_get_variant(struct store *store, unsigned number, size_t bytes) {
  const struct cache_key key = fixture_key(number);
  struct store_variant variant;
  struct base_blob *body = NULL;
  const enum base_result result = store_variant_get(store, &key, &variant, &body, NULL);
  if (result != BASE_OK) return result;
  struct integrity_digest digest;
  uint8_t *expected = variant_body(number, bytes, &digest);
  const bool is_match = base_span_equal(base_blob_span(body), base_span_of(expected, bytes)) &&
                        integrity_digest_equal(&variant.digest, &digest) && variant.height == number &&
                        variant.bytes == bytes;
  free(expected);
  base_blob_unref(&body);
  return is_match ? BASE_OK : BASE_CORRUPT;
}

static uint8_t *level_body(const struct integrity_digest *original, unsigned shrink, size_t bytes) {
  uint8_t *body = malloc(bytes + 1);
  assert_non_null(body);
  fixture_bytes(original->bytes[0] * 256u + shrink, bytes, body);
  return body;
}

enum base_result fixture_put_level(struct store *store, const struct integrity_digest *original, unsigned shrink,
                                   size_t bytes) {
  uint8_t *body = level_body(original, shrink, bytes);
  const enum base_result result = store_level_put(store, original, shrink, base_span_of(body, bytes), NULL);
  free(body);
  return result;
}

enum base_result fixture_get_level(struct store *store, const struct integrity_digest *original, unsigned shrink,
                                   size_t bytes) {
  struct base_blob *found = NULL;
  const enum base_result result = store_level_get(store, original, shrink, &found, NULL);
  if (result != BASE_OK) return result;
  uint8_t *body = level_body(original, shrink, bytes);
  const bool is_match = base_span_equal(base_blob_span(found), base_span_of(body, bytes));
  free(body);
  base_blob_unref(&found);
  return is_match ? BASE_OK : BASE_CORRUPT;
}

void fixture_path(const struct fixture *fixture, const char *relative, char out[PATH_MAX]) {
  snprintf(out, PATH_MAX, "%s/%s", fixture->root, relative);
}

void fixture_original_path(const struct fixture *fixture, const struct integrity_digest *id, const char *suffix,
                           char out[PATH_MAX]) {
  char text[BASE_DIGEST_BASE64URL_CHARS + 1];
  integrity_digest_text(id, text);
  snprintf(out, PATH_MAX, "%s/originals/%.2s/%s%s", fixture->root, text, text, suffix);
}

void fixture_variant_path(const struct fixture *fixture, unsigned number, char out[PATH_MAX]) {
  const struct cache_key key = fixture_key(number);
  char text[BASE_DIGEST_BASE64URL_CHARS + 1];
  base_base64url_encode(base_span_of(key.bytes, sizeof key.bytes), text, sizeof text);
  snprintf(out, PATH_MAX, "%s/variants/%.2s/%s.rec", fixture->root, text, text);
}

bool fixture_exists(const char *path) { return access(path, F_OK) == 0; }

static size_t counted;

static int count_one(const char *path, const struct stat *info, int type, struct FTW *where) {
  (void)path;
  (void)info;
  (void)where;
  if (type == FTW_F) counted++;
  return 0;
}

size_t fixture_count_files(const struct fixture *fixture, const char *relative) {
  char path[PATH_MAX];
  fixture_path(fixture, relative, path);
  counted = 0;
  assert_int_equal(nftw(path, count_one, 16, FTW_PHYS), 0);
  return counted;
}

void fixture_flip_bit(const char *path, long at) {
  FILE *file = fopen(path, "r+");
  assert_non_null(file);
  assert_int_equal(fseek(file, at, at < 0 ? SEEK_END : SEEK_SET), 0);
  const int byte = fgetc(file);
  assert_int_not_equal(byte, EOF);
  assert_int_equal(fseek(file, -1, SEEK_CUR), 0);
  assert_int_not_equal(fputc(byte ^ 0x10, file), EOF);
  assert_int_equal(fclose(file), 0);
}

int64_t fixture_counter(struct fixture *fixture, const char *name, const char *labels) {
  return base_metric_get(base_metrics_counter(fixture->metrics, name, labels, ""));
}

int64_t fixture_gauge(struct fixture *fixture, const char *name) {
  return base_metric_get(base_metrics_gauge(fixture->metrics, name, "", ""));
}

int fixture_setup(void **state) {
  static struct fixture fixture;
  fixture_init(&fixture);
  fixture_open(&fixture);
  *state = &fixture;
  return 0;
}

int fixture_teardown(void **state) {
  fixture_finish(*state);
  return 0;
}
