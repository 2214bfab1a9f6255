#include "ingest/ingest.h"

#include "temp_folder.h"

#include <dirent.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { MAX_FILE_BYTES = 100000 };

static struct temp_folder folder;
static char root[128];
static struct base_metrics *metrics;
static struct store *store;
static struct sandbox *sandbox;
static struct ingest *ingest;

// What was handed on of decoded pictures.
static struct seen {
  unsigned count;
  struct integrity_digest original;
  struct image *picture;  // kept
  bool was_stored;
} seen;

static void see(void *self, const struct integrity_digest *original, struct image *picture) {
  struct seen *noted = self;
  struct store_original found;
  noted->count++;
  noted->original = *original;
  noted->was_stored = store_original_find(store, "default", original, &found, NULL) == BASE_OK;
  image_unref(&noted->picture);
  noted->picture = image_ref(picture);
}

static int open_rooms(void **state) {
  (void)state;
  temp_folder_make(&folder);
  temp_folder_path(&folder, "store", root, sizeof root);
  metrics = base_metrics_create();
  const struct store_config store_config = {.root = root,
                                            .variant_budget_bytes = 1 << 20,
                                            .min_free_bytes = 1 << 20,
                                            .clock = base_clock_system(),
                                            .metrics = metrics};
  if (store_open(&store_config, &store, NULL) != BASE_OK) return -1;
  const struct sandbox_config sandbox_config = {.decoder_path = "/none"};
  if (sandbox_create(&sandbox_config, &sandbox, NULL) != BASE_OK) return -1;
  struct image_limits limits = IMAGE_LIMITS_DEFAULT;
  limits.max_file_bytes = MAX_FILE_BYTES;
  seen = (struct seen){0};
  const struct ingest_config config = {
      .store = store, .sandbox = sandbox, .limits = limits, .decoded = see, .decoded_self = &seen, .metrics = metrics};
  return ingest_create(&config, &ingest, NULL) == BASE_OK ? 0 : -1;
}

static int close_rooms(void **state) {
  (void)state;
  image_unref(&seen.picture);
  ingest_destroy(&ingest);
  sandbox_destroy(&sandbox);
  store_close(&store);
  base_metrics_destroy(&metrics);
  temp_folder_remove(&folder);
  return 0;
}

static int temporary_files(void) {
  char path[160];
  snprintf(path, sizeof path, "%s/tmp", root);
  DIR *listing = opendir(path);
  assert_non_null(listing);
  int count = -2;  // "." and ".."
  while (readdir(listing)) count++;
  closedir(listing);
  return count;
}

static struct ingest_upload *begin(void) {
  struct ingest_upload *upload;
  assert_int_equal(ingest_begin(ingest, "default", UINT64_MAX, &upload, NULL), BASE_OK);
  return upload;
}

static enum base_result put(const char *text, const struct ingest_metadata *metadata, struct store_original *out,
                            bool *is_new, struct base_fault *fault) {
  struct ingest_upload *upload = begin();
  for (const char *at = text; *at; at++) {
    assert_int_equal(ingest_write(upload, base_span_of(at, 1), fault), BASE_OK);
  }
  enum base_result result = ingest_commit(&upload, metadata, out, is_new, fault);
  assert_null(upload);
  return result;
}

static void commits_under_the_digest_of_what_was_written(void **state) {
  (void)state;
  struct ingest_metadata metadata = {.name = "a.jpg", .tags = "sea\nsun"};
  struct store_original original, found;
  struct integrity_digest digest;
  bool is_new;
  assert_int_equal(put("GOOD picture", &metadata, &original, &is_new, NULL), BASE_OK);
  assert_true(is_new);
  integrity_digest_of(base_span_text("GOOD picture"), &digest);
  assert_true(integrity_digest_equal(&digest, &original.id));
  assert_int_equal(store_original_find(store, "default", &digest, &found, NULL), BASE_OK);
  assert_string_equal(found.name, "a.jpg");
  assert_string_equal(found.tags, "sea\nsun");
  assert_string_equal(found.format, "jpeg");
  assert_string_equal(found.colour, "rgb");
  assert_int_equal(found.bytes, 12);
  assert_int_equal(found.width, 40);
  assert_int_equal(found.height, 30);
  assert_int_equal(found.orientation, IMAGE_ROTATE_90);
  assert_int_equal(temporary_files(), 0);
}

static void says_when_it_was_here_already(void **state) {
  (void)state;
  struct ingest_metadata first = {.name = "first"}, second = {.name = "second"};
  struct store_original original;
  bool is_new;
  assert_int_equal(put("GOOD", &first, &original, &is_new, NULL), BASE_OK);
  assert_true(is_new);
  assert_int_equal(put("GOOD", &second, &original, &is_new, NULL), BASE_OK);
  assert_false(is_new);
  assert_int_equal(
      base_metric_get(base_metrics_counter(metrics, "pixpop_ingest_uploads_total", "result=\"repeated\"", "")), 1);
}

static void hands_on_the_picture_of_what_is_new(void **state) {
  (void)state;
  struct ingest_metadata metadata = {0};
  struct store_original original;
  struct base_fault fault = {0};
  bool is_new;
  assert_int_equal(put("TORN", &metadata, &original, &is_new, &fault), BASE_UNPROCESSABLE);
  assert_int_equal(seen.count, 0);
  assert_int_equal(put("GOOD", &metadata, &original, &is_new, NULL), BASE_OK);
  assert_int_equal(seen.count, 1);
  assert_true(seen.was_stored);
  assert_true(integrity_digest_equal(&seen.original, &original.id));
  assert_int_equal(seen.picture->width, 40);
  assert_int_equal(seen.picture->height, 30);
  assert_int_equal(atomic_load(&seen.picture->refs), 1);
  assert_int_equal(put("GOOD", &metadata, &original, &is_new, NULL), BASE_OK);
  assert_int_equal(seen.count, 1);  // known already
}

static void keeps_the_report_and_how_many_alerts_it_has(void **state) {
  (void)state;
  const struct ingest_metadata metadata = {0};
  struct store_original original, found;
  struct base_blob *report = NULL;
  struct base_json *json = NULL;
  struct image_rules rules = {0};
  bool is_new;
  rules.verdicts[IMAGE_RULE_POLYGLOT] = IMAGE_ALERT;
  ingest_set_rules(ingest, &rules);
  assert_int_equal(put("EVIL", &metadata, &original, &is_new, NULL), BASE_OK);
  assert_int_equal(original.alerts, 1);
  assert_int_equal(store_original_find(store, "default", &original.id, &found, NULL), BASE_OK);
  assert_int_equal(found.alerts, 1);
  assert_int_equal(store_original_report(store, "default", &original.id, &report, NULL), BASE_OK);
  assert_int_equal(base_json_parse(base_blob_span(report), &json, NULL), BASE_OK);
  assert_true(base_json_is_object(base_json_root(json)));
  assert_non_null(memmem(report->data, report->bytes, "polyglot", 8));
  base_json_destroy(&json);
  base_blob_unref(&report);
  assert_int_equal(put("GOOD", &metadata, &original, &is_new, NULL), BASE_OK);
  assert_int_equal(original.alerts, 0);
  rules.verdicts[IMAGE_RULE_POLYGLOT] = IMAGE_BLOCK;
  ingest_set_rules(ingest, &rules);
  struct base_fault fault = {0};
  assert_int_equal(put("EVIL again", &metadata, &original, &is_new, &fault), BASE_UNPROCESSABLE);
  assert_string_equal(fault.subject, "rule/polyglot");
}

// A name that the store takes.
static const char kept[] = "kept-0123456789-0123456789-0123456789-01234";

static struct store_upload *keep(const char *text) {
  struct store_upload *file;
  assert_int_equal(store_upload_begin_kept(store, kept, base_span_text("note"), UINT64_MAX, &file, NULL), BASE_OK);
  assert_int_equal(store_upload_write(file, base_span_text(text), NULL), BASE_OK);
  return file;
}

static void adopts_what_was_kept(void **state) {
  (void)state;
  const struct ingest_metadata metadata = {.name = "a.jpg"};
  struct store_original original;
  uint64_t bytes;
  bool is_new = false;
  struct store_upload *file = keep("GOOD picture");
  assert_int_equal(ingest_adopt(ingest, "default", &file, &metadata, &original, &is_new, NULL), BASE_OK);
  assert_null(file);
  assert_true(is_new);
  assert_string_equal(original.name, "a.jpg");
  assert_int_equal(seen.count, 1);
  assert_int_equal(store_upload_peek(store, kept, NULL, &bytes, NULL), BASE_OK);
  assert_int_equal(bytes, 0);
  assert_int_equal(temporary_files(), 0);
}

static void lets_what_was_kept_rest_when_it_is_refused(void **state) {
  (void)state;
  static const char *const texts[] = {"text", "TORN", "HUGE", ""};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    const struct ingest_metadata metadata = {0};
    struct store_original original;
    uint64_t bytes;
    bool is_new = true;
    struct store_upload *file = keep(texts[i]);
    const enum base_result result = ingest_adopt(ingest, "default", &file, &metadata, &original, &is_new, NULL);
    assert_true(result == BASE_UNSUPPORTED || result == BASE_UNPROCESSABLE);
    assert_null(file);
    assert_false(is_new);
    assert_int_equal(store_upload_peek(store, kept, NULL, &bytes, NULL), BASE_OK);
    assert_int_equal(bytes, strlen(texts[i]));
    assert_int_equal(store_upload_remove(store, kept, NULL), BASE_OK);
  }
}

static void keeps_nothing_of_what_it_refuses(void **state) {
  (void)state;
  static const struct {
    const char *text, *subject;
    enum base_result result;
  } table[] = {{"", "", BASE_UNSUPPORTED},
               {"text", "", BASE_UNSUPPORTED},
               {"TORN", "", BASE_UNPROCESSABLE},
               {"HUGE", "max_side", BASE_UNPROCESSABLE}};
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    const struct ingest_metadata metadata = {0};
    struct store_original original;
    struct base_fault fault = {0};
    bool is_new = true;
    assert_int_equal(put(table[i].text, &metadata, &original, &is_new, &fault), table[i].result);
    assert_string_equal(fault.subject, table[i].subject);
    assert_false(is_new);
    assert_int_equal(temporary_files(), 0);
  }
  struct store_stats stats;
  assert_int_equal(store_get_stats(store, &stats, NULL), BASE_OK);
  assert_int_equal(stats.originals, 0);
}

static void bounds_the_file_before_and_while_it_comes(void **state) {
  (void)state;
  static uint8_t bytes[MAX_FILE_BYTES];
  struct ingest_upload *upload;
  struct base_fault fault = {0};
  assert_int_equal(ingest_begin(ingest, "default", MAX_FILE_BYTES + 1, &upload, &fault), BASE_TOO_LARGE);
  assert_string_equal(fault.subject, "max_file_bytes");
  assert_null(upload);
  upload = begin();
  assert_int_equal(ingest_write(upload, base_span_of(bytes, sizeof bytes), NULL), BASE_OK);
  base_fault_clear(&fault);
  assert_int_equal(ingest_write(upload, base_span_of(bytes, 1), &fault), BASE_TOO_LARGE);
  assert_string_equal(fault.subject, "max_file_bytes");
  ingest_abort(&upload);
  assert_int_equal(temporary_files(), 0);
}

static void leaves_nothing_of_an_aborted_upload(void **state) {
  (void)state;
  struct ingest_upload *upload = begin();
  assert_int_equal(ingest_write(upload, base_span_text("GOOD"), NULL), BASE_OK);
  ingest_abort(&upload);
  assert_null(upload);
  ingest_abort(&upload);
  assert_int_equal(temporary_files(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rooms, close_rooms)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(commits_under_the_digest_of_what_was_written), TEST(says_when_it_was_here_already),
      TEST(hands_on_the_picture_of_what_is_new),          TEST(keeps_nothing_of_what_it_refuses),
      TEST(bounds_the_file_before_and_while_it_comes),    TEST(leaves_nothing_of_an_aborted_upload),
      TEST(keeps_the_report_and_how_many_alerts_it_has),  TEST(adopts_what_was_kept),
      TEST(lets_what_was_kept_rest_when_it_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
