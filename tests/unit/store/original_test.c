// Originals: upload, commit, find, list, delete, tenants, and a full disk.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/reindex.h"
#include "fixture.h"
#include "store/tenant.h"

static void is_found_with_all_it_said_when_committed(void **state) {
  struct fixture *fixture = *state;
  struct store_original put, found;
  bool is_new = false;
  assert_int_equal(fixture_upload(fixture->store, "default", 1, 100000, &put, &is_new), BASE_OK);
  assert_true(is_new);
  const struct integrity_digest id = fixture_id(1, 100000);
  assert_true(integrity_digest_equal(&put.id, &id));
  assert_int_equal(put.bytes, 100000);
  assert_int_equal(store_original_find(fixture->store, "default", &id, &found, NULL), BASE_OK);
  assert_memory_equal(&put.id, &found.id, sizeof put.id);
  assert_int_equal(found.bytes, 100000);
  assert_int_equal(found.width, 101);
  assert_int_equal(found.height, 50);
  assert_int_equal(found.orientation, 6);
  assert_int_equal(found.bits, 8);
  assert_true(found.has_icc);
  assert_false(found.has_alpha);
  assert_int_equal(found.created_s, put.created_s);
  assert_string_equal(found.tenant, "default");
  assert_string_equal(found.format, "jpeg");
  assert_string_equal(found.colour, "rgb");
  assert_string_equal(found.name, "Foto 1, süß.jpg");
  assert_string_equal(found.tags, "summer\nnumber 1");
  assert_true(fixture_bytes_match(fixture->store, 1, 100000));
  assert_int_equal(fixture_count_files(fixture, "tmp"), 0);
}

static void is_kept_when_it_is_empty(void **state) {
  struct fixture *fixture = *state;
  fixture_put(fixture, "default", 1, 0);
  assert_true(fixture_bytes_match(fixture->store, 1, 0));
}

static void keeps_the_first_name_when_uploaded_again(void **state) {
  struct fixture *fixture = *state;
  const struct store_original first = fixture_put(fixture, "default", 3, 5000);
  struct store_upload *upload;
  struct store_original again = {.tenant = "default", .name = "another name"};
  uint8_t bytes[5000];
  fixture_bytes(3, sizeof bytes, bytes);
  bool is_new = true;
  assert_int_equal(store_upload_begin(fixture->store, sizeof bytes, &upload, NULL), BASE_OK);
  assert_int_equal(store_upload_write(upload, base_span_of(bytes, sizeof bytes), NULL), BASE_OK);
  assert_int_equal(store_upload_commit(&upload, &again, base_span_of(NULL, 0), &is_new, NULL), BASE_OK);
  assert_null(upload);
  assert_false(is_new);
  assert_string_equal(again.name, first.name);
  assert_int_equal(again.created_s, first.created_s);
  assert_int_equal(fixture_count_files(fixture, "originals"), 3);
  assert_int_equal(fixture_count_files(fixture, "tmp"), 0);
}

static void shares_bytes_but_not_records_when_tenants_differ(void **state) {
  struct fixture *fixture = *state;
  bool is_new = false;
  struct store_original original;
  fixture_put(fixture, "a", 1, 5000);
  assert_int_equal(fixture_find(fixture, "b", 1, 5000), BASE_NOT_FOUND);
  assert_int_equal(fixture_upload(fixture->store, "b", 1, 5000, &original, &is_new), BASE_OK);
  assert_true(is_new);
  assert_int_equal(fixture_count_files(fixture, "originals"), 4);
  struct store_stats stats;
  assert_int_equal(store_get_stats(fixture->store, &stats, NULL), BASE_OK);
  assert_int_equal(stats.originals, 1);
  assert_int_equal(stats.original_bytes, 5000);

  assert_int_equal(store_original_delete(fixture->store, "a", &original.id, NULL), BASE_OK);
  assert_int_equal(fixture_find(fixture, "a", 1, 5000), BASE_NOT_FOUND);
  assert_int_equal(fixture_find(fixture, "b", 1, 5000), BASE_OK);
  assert_true(fixture_bytes_match(fixture->store, 1, 5000));
  assert_int_equal(store_original_delete(fixture->store, "a", &original.id, NULL), BASE_NOT_FOUND);
  assert_int_equal(store_original_delete(fixture->store, "b", &original.id, NULL), BASE_OK);
  assert_int_equal(fixture_count_files(fixture, "originals"), 0);
  assert_int_equal(store_get_stats(fixture->store, &stats, NULL), BASE_OK);
  assert_int_equal(stats.originals, 0);
  assert_int_equal(stats.original_bytes, 0);
}

static void refuses_when_the_tenant_is_not_a_name(void **state) {
  struct fixture *fixture = *state;
  static const char *const wrong[] = {"", "..", "a/b", "A", "a.b", "a b", "0123456789-0123456789-0123456789x"};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    struct store_original original;
    bool is_new;
    const struct integrity_digest id = {{0}};
    assert_int_equal(store_original_find(fixture->store, wrong[i], &id, &original, NULL), BASE_BAD_INPUT);
    assert_int_equal(store_original_delete(fixture->store, wrong[i], &id, NULL), BASE_BAD_INPUT);
    if (strlen(wrong[i]) > STORE_MAX_TENANT) continue;
    assert_int_equal(fixture_upload(fixture->store, wrong[i], 1, 100, &original, &is_new), BASE_BAD_INPUT);
  }
  assert_int_equal(fixture_count_files(fixture, "originals"), 0);
  assert_int_equal(fixture_count_files(fixture, "tmp"), 0);
}

static void leaves_nothing_when_a_text_has_control_bytes(void **state) {
  struct fixture *fixture = *state;
  struct store_upload *upload;
  struct store_original original = {.tenant = "default", .name = "a\nid: forged"};
  bool is_new;
  assert_int_equal(store_upload_begin(fixture->store, 3, &upload, NULL), BASE_OK);
  assert_int_equal(store_upload_write(upload, base_span_text("abc"), NULL), BASE_OK);
  assert_int_equal(store_upload_commit(&upload, &original, base_span_of(NULL, 0), &is_new, NULL), BASE_BAD_INPUT);
  assert_int_equal(fixture_count_files(fixture, "originals"), 0);
  assert_int_equal(fixture_count_files(fixture, "tmp"), 0);
}

static void leaves_nothing_when_aborted(void **state) {
  struct fixture *fixture = *state;
  struct store_upload *upload;
  assert_int_equal(store_upload_begin(fixture->store, UINT64_MAX, &upload, NULL), BASE_OK);
  assert_int_equal(store_upload_write(upload, base_span_text("abc"), NULL), BASE_OK);
  assert_int_equal(store_upload_bytes(upload), 3);
  char seen[3];
  int fd;
  assert_int_equal(store_upload_open_bytes(upload, &fd, NULL), BASE_OK);
  assert_int_equal(pread(fd, seen, sizeof seen, 0), 3);
  close(fd);
  assert_memory_equal(seen, "abc", 3);
  assert_int_equal(fixture_count_files(fixture, "tmp"), 1);
  store_upload_abort(&upload);
  assert_null(upload);
  assert_int_equal(fixture_count_files(fixture, "tmp"), 0);
}

struct collected {
  struct store_original list[100];
  size_t count, stop_at;
};

static bool collect(void *argument, const struct store_original *original) {
  struct collected *collected = argument;
  collected->list[collected->count++] = *original;
  return collected->count != collected->stop_at;
}

static void lists_newest_first_when_paged(void **state) {
  struct fixture *fixture = *state;
  enum { COUNT = 70 };
  for (unsigned seed = 0; seed < COUNT; seed++) {
    if (seed % 5 == 0) fixture->now_s--;  // some share their second
    fixture_put(fixture, "default", seed, 100);
  }
  fixture_put(fixture, "other", 1000, 100);
  static struct collected all, pages;
  all = pages = (struct collected){0};
  assert_int_equal(store_original_list(fixture->store, "default", NULL, 1000, collect, &all, NULL), BASE_OK);
  assert_int_equal(all.count, COUNT);
  for (size_t i = 1; i < COUNT; i++) {
    const struct store_original *a = &all.list[i - 1], *b = &all.list[i];
    assert_true(a->created_s > b->created_s ||
                (a->created_s == b->created_s && memcmp(&a->id, &b->id, sizeof a->id) > 0));
  }
  while (pages.count < COUNT) {
    const struct store_original *after = pages.count ? &pages.list[pages.count - 1] : NULL;
    assert_int_equal(store_original_list(fixture->store, "default", after, 7, collect, &pages, NULL), BASE_OK);
  }
  for (size_t i = 0; i < COUNT; i++) assert_memory_equal(&all.list[i].id, &pages.list[i].id, sizeof all.list[i].id);

  static struct collected few;
  few = (struct collected){.stop_at = 3};
  assert_int_equal(store_original_list(fixture->store, "default", NULL, 50, collect, &few, NULL), BASE_OK);
  assert_int_equal(few.count, 3);
}

static void put_tagged(struct fixture *fixture, const char *tenant, unsigned seed, const char *tags) {
  struct store_original original = {0};
  struct store_upload *upload;
  uint8_t bytes[64];
  bool is_new;
  snprintf(original.tenant, sizeof original.tenant, "%s", tenant);
  snprintf(original.tags, sizeof original.tags, "%s", tags);
  original.width = seed;
  fixture_bytes(seed, sizeof bytes, bytes);
  assert_int_equal(store_upload_begin(fixture->store, sizeof bytes, &upload, NULL), BASE_OK);
  assert_int_equal(store_upload_write(upload, base_span_of(bytes, sizeof bytes), NULL), BASE_OK);
  assert_int_equal(store_upload_commit(&upload, &original, base_span_of(NULL, 0), &is_new, NULL), BASE_OK);
}

struct seen {
  size_t count, most;
  uint32_t sum;
};

static bool see(void *argument, const struct store_original *original) {
  struct seen *seen = argument;
  seen->count++;
  seen->sum += original->width;
  return seen->count < seen->most;
}

static struct seen see_tagged(struct fixture *fixture, const char *tenant, const char *tag) {
  struct seen seen = {.most = SIZE_MAX};
  assert_int_equal(store_original_list_tagged(fixture->store, tenant, base_span_text(tag), see, &seen, NULL), BASE_OK);
  return seen;
}

static void lists_those_with_a_whole_tag_only(void **state) {
  struct fixture *fixture = *state;
  enum { MANY = 70 };  // more than two batches
  put_tagged(fixture, "default", 1, "red");
  put_tagged(fixture, "default", 2, "red\nblue");
  put_tagged(fixture, "default", 3, "blue\nreddish");
  put_tagged(fixture, "default", 4, "dark red\ngreen\nblue");
  put_tagged(fixture, "default", 5, "100%_\nRed");
  put_tagged(fixture, "default", 6, "");
  put_tagged(fixture, "other", 7, "red");
  for (unsigned i = 0; i < MANY; i++) put_tagged(fixture, "default", 100 + i, "many");
  assert_int_equal(see_tagged(fixture, "default", "red").sum, 1 + 2);
  assert_int_equal(see_tagged(fixture, "default", "blue").sum, 2 + 3 + 4);
  assert_int_equal(see_tagged(fixture, "default", "green").sum, 4);
  assert_int_equal(see_tagged(fixture, "default", "re").count, 0);
  assert_int_equal(see_tagged(fixture, "default", "%").count, 0);
  assert_int_equal(see_tagged(fixture, "default", "100%_").sum, 5);
  assert_int_equal(see_tagged(fixture, "other", "red").sum, 7);
  assert_int_equal(see_tagged(fixture, "default", "many").count, MANY);
  struct seen some = {.most = 40};
  assert_int_equal(store_original_list_tagged(fixture->store, "default", base_span_text("many"), see, &some, NULL),
                   BASE_OK);
  assert_int_equal(some.count, 40);
  static const char *const wrong[] = {"", "red\nblue"};
  for (size_t i = 0; i < 2; i++) {
    assert_int_equal(store_original_list_tagged(fixture->store, "default", base_span_text(wrong[i]), see, &some, NULL),
                     BASE_BAD_INPUT);
  }
  assert_int_equal(store_original_list_tagged(fixture->store, "..", base_span_text("red"), see, &some, NULL),
                   BASE_BAD_INPUT);
}

static void refuses_when_too_little_would_stay_free(void **state) {
  struct fixture *fixture = *state;
  struct store_upload *upload = NULL;
  struct store_stats stats;
  assert_int_equal(store_get_stats(fixture->store, &stats, NULL), BASE_OK);
  assert_true(stats.disk_free_bytes > 0);
  assert_int_equal(store_upload_begin(fixture->store, UINT64_MAX - 1, &upload, NULL), BASE_NO_SPACE);
  assert_int_equal(store_upload_begin(fixture->store, stats.disk_free_bytes * 2, &upload, NULL), BASE_NO_SPACE);
  assert_null(upload);

  fixture_put(fixture, "default", 1, 1000);
  fixture_close(fixture);
  fixture->config.min_free_bytes = UINT64_MAX / 2;
  fixture_open(fixture);
  struct store_original original;
  bool is_new;
  assert_int_equal(fixture_upload(fixture->store, "default", 2, 1000, &original, &is_new), BASE_NO_SPACE);
  assert_int_equal(fixture_upload(fixture->store, "default", 3, 1000, &original, &is_new), BASE_NO_SPACE);
  assert_int_equal(fixture_count_files(fixture, "tmp"), 0);
  assert_true(fixture_bytes_match(fixture->store, 1, 1000));
  assert_true(fixture_counter(fixture, "pixpop_store_no_space_total", "") >= 2);
}

static void counts_other_uploads_when_reserving(void **state) {
  struct fixture *fixture = *state;
  struct store_stats stats;
  assert_int_equal(store_get_stats(fixture->store, &stats, NULL), BASE_OK);
  struct store_upload *first = NULL, *second = NULL;
  const uint64_t most = stats.disk_free_bytes / 10 * 6;
  assert_int_equal(store_upload_begin(fixture->store, most, &first, NULL), BASE_OK);
  assert_int_equal(store_upload_begin(fixture->store, most, &second, NULL), BASE_NO_SPACE);
  store_upload_abort(&first);
  assert_int_equal(store_upload_begin(fixture->store, most, &second, NULL), BASE_OK);
  store_upload_abort(&second);
}

// A real disk that really fills up: a small tmpfs, where mounting is allowed.
static void loses_nothing_when_the_disk_is_full(void **state) {
  struct fixture *fixture = *state;
  fixture_close(fixture);
  if (mount("tmpfs", fixture->root, "tmpfs", 0, "size=8m") != 0) skip();
  fixture_open(fixture);
  enum { BYTES = 1024 * 1024 };
  unsigned kept = 0;
  struct store_original original;
  bool is_new;
  enum base_result result = BASE_OK;
  // Unknown lengths (even seeds) pass the reservation in small steps and hit the end of the disk while writing.
  for (unsigned seed = 0; seed < 40 && result == BASE_OK; seed += 2) {
    result = fixture_upload(fixture->store, "default", seed, BYTES, &original, &is_new);
    if (result == BASE_OK) kept++;
  }
  assert_int_equal(result, BASE_NO_SPACE);
  assert_true(kept >= 3);
  assert_int_equal(fixture_count_files(fixture, "tmp"), 0);
  assert_int_equal(fixture_put_variant(fixture->store, &original, 1, BYTES), BASE_NO_SPACE);
  for (unsigned i = 0; i < kept; i++) assert_true(fixture_bytes_match(fixture->store, 2 * i, BYTES));
  fixture_reopen(fixture);
  for (unsigned i = 0; i < kept; i++) assert_int_equal(fixture_find(fixture, "default", 2 * i, BYTES), BASE_OK);

  const struct integrity_digest id = fixture_id(0, BYTES);
  assert_int_equal(store_original_delete(fixture->store, "default", &id, NULL), BASE_OK);
  assert_int_equal(fixture_upload(fixture->store, "default", 1, BYTES / 2, &original, &is_new), BASE_OK);
  fixture_close(fixture);
  assert_int_equal(umount(fixture->root), 0);
}

// Takes the last byte of the disk.
static void fill_disk(struct fixture *fixture) {
  static const char zeros[4096];
  char path[PATH_MAX];
  fixture_path(fixture, "filler", path);
  int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
  assert_true(fd >= 0);
  while (write(fd, zeros, sizeof zeros) > 0) continue;
  close(fd);
}

static void tells_whose_originals_there_are(void **state) {
  struct fixture *fixture = *state;
  static const char *const tenants[] = {"shop", "default", "a-1"};
  for (unsigned i = 0; i < 3; i++) (void)fixture_put(fixture, tenants[i], i, 100);
  (void)fixture_put(fixture, "default", 9, 100);
  char name[STORE_MAX_TENANT + 1] = "";
  for (int i = 2; i >= 0; i--) {
    static const char *const sorted[] = {"shop", "default", "a-1"};
    assert_int_equal(store_tenant_next(fixture->store, name, name, NULL), BASE_OK);
    assert_string_equal(name, sorted[i]);
  }
  assert_int_equal(store_tenant_next(fixture->store, name, name, NULL), BASE_NOT_FOUND);
  assert_string_equal(name, "shop");
}

// Whatever the index on the disk knows, one in memory begins with nothing: what has no record is not its to remove.
static void leaves_bytes_without_a_record_when_the_disk_is_full(void **state) {
  struct fixture *fixture = *state;
  fixture_close(fixture);
  if (mount("tmpfs", fixture->root, "tmpfs", 0, "size=4m") != 0) skip();
  enum { BYTES = 64 * 1024 };
  fixture->config.min_free_bytes = 0;
  fixture_open(fixture);
  const struct store_original original = fixture_put(fixture, "default", 1, BYTES);
  fixture_close(fixture);
  fixture_make_unclean(fixture);
  char path[PATH_MAX], id[BASE_DIGEST_BASE64URL_CHARS + 1], name[PATH_MAX];
  integrity_digest_text(&original.id, id);
  snprintf(name, sizeof name, "originals/%.2s/%s.default.rec", id, id);
  fixture_path(fixture, name, path);
  assert_int_equal(unlink(path), 0);
  fill_disk(fixture);
  fixture_open(fixture);
  assert_int_equal(fixture_find(fixture, "default", 1, BYTES), BASE_NOT_FOUND);
  fixture_close(fixture);
  fixture_path(fixture, "filler", path);
  assert_int_equal(unlink(path), 0);
  fixture_open(fixture);
  assert_int_equal(fixture_find(fixture, "default", 1, BYTES), BASE_OK);  // the index on the disk knew it
  assert_true(fixture_bytes_match(fixture->store, 1, BYTES));
  fixture_close(fixture);
  assert_int_equal(umount(fixture->root), 0);
}

static void deletes_and_closes_when_no_byte_is_free(void **state) {
  struct fixture *fixture = *state;
  fixture_close(fixture);
  if (mount("tmpfs", fixture->root, "tmpfs", 0, "size=4m") != 0) skip();
  enum { BYTES = 256 * 1024 };
  fixture->config.min_free_bytes = 0;
  fixture_open(fixture);
  (void)fixture_put(fixture, "default", 1, BYTES);
  const struct store_original gone = fixture_put(fixture, "default", 2, BYTES);
  assert_int_equal(fixture_put_variant(fixture->store, &gone, 1, 1000), BASE_OK);
  fill_disk(fixture);
  assert_int_equal(store_original_delete(fixture->store, "default", &gone.id, NULL), BASE_OK);
  assert_int_equal(fixture_find(fixture, "default", 2, BYTES), BASE_NOT_FOUND);
  fill_disk(fixture);
  fixture_close(fixture);
  fixture_open(fixture);  // the index is in memory
  assert_int_equal(fixture_find(fixture, "default", 2, BYTES), BASE_NOT_FOUND);
  assert_int_equal(fixture_find(fixture, "default", 1, BYTES), BASE_OK);
  fixture_close(fixture);
  char path[PATH_MAX];
  fixture_path(fixture, "filler", path);
  assert_int_equal(unlink(path), 0);
  fixture_open(fixture);
  assert_int_equal(fixture_find(fixture, "default", 2, BYTES), BASE_NOT_FOUND);
  assert_int_equal(fixture_find(fixture, "default", 1, BYTES), BASE_OK);
  assert_true(fixture_bytes_match(fixture->store, 1, BYTES));
  fixture_close(fixture);
  assert_int_equal(umount(fixture->root), 0);
}

static void refuses_when_it_is_open_already(void **state) {
  struct fixture *fixture = *state;
  struct store *second = NULL;
  struct store_reindex_report report;
  assert_int_equal(store_open(&fixture->config, &second, NULL), BASE_CONFLICT);
  assert_int_equal(store_reindex(&fixture->config, NULL, NULL, &report, NULL), BASE_CONFLICT);
  assert_null(second);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(is_found_with_all_it_said_when_committed, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(is_kept_when_it_is_empty, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(keeps_the_first_name_when_uploaded_again, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(shares_bytes_but_not_records_when_tenants_differ, fixture_setup,
                                      fixture_teardown),
      cmocka_unit_test_setup_teardown(refuses_when_the_tenant_is_not_a_name, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(leaves_nothing_when_a_text_has_control_bytes, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(leaves_nothing_when_aborted, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(lists_newest_first_when_paged, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(lists_those_with_a_whole_tag_only, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(refuses_when_too_little_would_stay_free, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(counts_other_uploads_when_reserving, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(loses_nothing_when_the_disk_is_full, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(leaves_bytes_without_a_record_when_the_disk_is_full, fixture_setup,
                                      fixture_teardown),
      cmocka_unit_test_setup_teardown(tells_whose_originals_there_are, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(deletes_and_closes_when_no_byte_is_free, fixture_setup, fixture_teardown),
      cmocka_unit_test_setup_teardown(refuses_when_it_is_open_already, fixture_setup, fixture_teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
