// store_reads KIB COUNT SECONDS: keeps COUNT variants of KIB in a new store and reads them again and again, with the
// page cache warm. Prints the microseconds of a read as JSON.
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/upload.h"

enum { KIB = 1024, US_PER_S = 1000000, MOST_KIB = 64 * 1024, MOST_COUNT = 100000, MOST_SECONDS = 600 };

static void must(bool is_true, const char *what) {
  if (is_true) return;
  fprintf(stderr, "store_reads: %s\n", what);
  exit(1);
}

static struct cache_key key_of(uint32_t number) {
  struct integrity_digest digest;
  struct cache_key key;
  integrity_digest_of(base_span_of(&number, sizeof number), &digest);
  memcpy(key.bytes, digest.bytes, sizeof key.bytes);
  return key;
}

static struct store_original put_original(struct store *store) {
  struct store_original original = {.tenant = "default", .format = "jpeg"};
  struct store_upload *upload;
  bool is_new;
  must(store_upload_begin(store, 1, &upload, NULL) == BASE_OK, "cannot upload");
  must(store_upload_write(upload, base_span_text("x"), NULL) == BASE_OK, "cannot upload");
  must(store_upload_commit(&upload, &original, base_span_of(NULL, 0), &is_new, NULL) == BASE_OK, "cannot upload");
  return original;
}

static void put_variants(struct store *store, uint32_t count, size_t bytes) {
  const struct store_original original = put_original(store);
  uint8_t *body = malloc(bytes);
  must(body != NULL, "no memory");
  for (uint32_t i = 0; i < count; i++) {
    for (size_t at = 0; at < bytes; at++) body[at] = (uint8_t)(at * (i + 7) >> 3);
    struct store_variant variant = {
        .key = key_of(i), .tenant = "default", .original = original.id, .media_type = "image/webp"};
    integrity_digest_of(base_span_of(body, bytes), &variant.digest);
    must(store_variant_put(store, &variant, base_span_of(body, bytes), NULL) == BASE_OK, "cannot keep a variant");
  }
  free(body);
}

static void read_one(struct store *store, uint32_t number) {
  const struct cache_key key = key_of(number);
  struct store_variant variant;
  struct base_blob *body;
  must(store_variant_get(store, &key, &variant, &body, NULL) == BASE_OK, "cannot read a variant");
  base_blob_unref(&body);
}

static double time_reads(struct store *store, uint32_t count, uint64_t seconds) {
  const struct base_clock *clock = base_clock_system();
  for (uint32_t i = 0; i < count; i++) read_one(store, i);
  const uint64_t start_us = base_clock_us(clock);
  uint64_t reads = 0, now_us;
  do {
    for (uint32_t i = 0; i < 64; i++) read_one(store, (uint32_t)(reads++ % count));
    now_us = base_clock_us(clock);
  } while (now_us - start_us < seconds * US_PER_S);
  return (double)(now_us - start_us) / (double)reads;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where) {
  (void)info;
  (void)type;
  (void)where;
  return remove(path);
}

int main(int count, char **arguments) {
  uint64_t kib, variants, seconds;
  must(count == 4 && base_span_to_u64(base_span_text(arguments[1]), &kib) && kib >= 1 && kib <= MOST_KIB &&
           base_span_to_u64(base_span_text(arguments[2]), &variants) && variants >= 1 && variants <= MOST_COUNT &&
           base_span_to_u64(base_span_text(arguments[3]), &seconds) && seconds >= 1 && seconds <= MOST_SECONDS,
       "usage: store_reads KIB COUNT SECONDS");
  char root[] = "/tmp/pixpop-bench-XXXXXX";
  must(mkdtemp(root) != NULL, "cannot make a folder");
  const struct store_config config = {.root = root, .variant_budget_bytes = UINT64_C(1) << 40};
  struct store *store;
  must(store_open(&config, &store, NULL) == BASE_OK, "cannot open the store");
  put_variants(store, (uint32_t)variants, (size_t)kib * KIB);
  printf("{\"us\": %.3f}\n", time_reads(store, (uint32_t)variants, seconds));
  store_close(&store);
  return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 ? 0 : 1;
}
