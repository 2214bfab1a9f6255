#include "index_sql.h"

static void bind_key(sqlite3_stmt *statement, int at, const struct cache_key *key) {
  store_sql_bind_bytes(statement, at, key->bytes, sizeof key->bytes);
}

enum base_result store_index_variant_put(struct store_index *index, const struct store_variant *variant,
                                         uint64_t file_bytes, uint64_t use, struct base_fault *fault) {
  sqlite3_stmt *row = store_sql_start(&index->writer, STORE_SQL_VARIANT_PUT);
  bind_key(row, 1, &variant->key);
  store_sql_bind_text(row, 2, variant->tenant);
  store_sql_bind_bytes(row, 3, variant->original.bytes, sizeof variant->original.bytes);
  store_sql_bind_text(row, 4, variant->recipe);
  store_sql_bind_text(row, 5, variant->media_type);
  store_sql_bind_number(row, 6, variant->width);
  store_sql_bind_number(row, 7, variant->height);
  store_sql_bind_number(row, 8, (uint64_t)variant->created_s);
  store_sql_bind_bytes(row, 9, variant->digest.bytes, sizeof variant->digest.bytes);
  store_sql_bind_number(row, 10, variant->bytes);
  store_sql_bind_number(row, 11, file_bytes);
  store_sql_bind_number(row, 12, use);
  store_sql_bind_number(row, 13, 0);
  return store_sql_run(&index->writer, row, fault);
}

// A row of its own kind: what only variants have is empty, so that no tenant's list meets it.
enum base_result store_index_level_put(struct store_index *index, const struct store_level *level, uint64_t file_bytes,
                                       uint64_t use, struct base_fault *fault) {
  sqlite3_stmt *row = store_sql_start(&index->writer, STORE_SQL_VARIANT_PUT);
  bind_key(row, 1, &level->key);
  store_sql_bind_text(row, 2, "");
  store_sql_bind_bytes(row, 3, level->original.bytes, sizeof level->original.bytes);
  store_sql_bind_text(row, 4, "");
  store_sql_bind_text(row, 5, "");
  for (int at = 6; at <= 8; at++) store_sql_bind_number(row, at, 0);
  store_sql_bind_bytes(row, 9, level->digest.bytes, sizeof level->digest.bytes);
  store_sql_bind_number(row, 10, level->bytes);
  store_sql_bind_number(row, 11, file_bytes);
  store_sql_bind_number(row, 12, use);
  store_sql_bind_number(row, 13, level->shrink);
  return store_sql_run(&index->writer, row, fault);
}

static enum base_result read_row(sqlite3_stmt *row, struct store_variant *out, struct base_fault *fault) {
  *out = (struct store_variant){
      .width = (uint32_t)store_sql_column_number(row, 5),
      .height = (uint32_t)store_sql_column_number(row, 6),
      .created_s = (int64_t)store_sql_column_number(row, 7),
      .bytes = store_sql_column_number(row, 9),
  };
  if (store_sql_column_bytes(row, 0, out->key.bytes, sizeof out->key.bytes) &&
      store_sql_column_text(row, 1, out->tenant, sizeof out->tenant) &&
      store_sql_column_bytes(row, 2, out->original.bytes, sizeof out->original.bytes) &&
      store_sql_column_text(row, 3, out->recipe, sizeof out->recipe) &&
      store_sql_column_text(row, 4, out->media_type, sizeof out->media_type) &&
      store_sql_column_bytes(row, 8, out->digest.bytes, sizeof out->digest.bytes)) {
    return BASE_OK;
  }
  return BASE_FAIL(fault, BASE_CORRUPT, "index", "a variant's row is damaged");
}

enum base_result store_index_variant_use(struct store_index *index, const struct cache_key *key, uint64_t use,
                                         struct base_fault *fault) {
  sqlite3_stmt *row = store_sql_start(&index->writer, STORE_SQL_VARIANT_USE);
  bind_key(row, 1, key);
  store_sql_bind_number(row, 2, use);
  return store_sql_run(&index->writer, row, fault);
}

enum base_result store_index_variant_remove(struct store_index *index, const struct cache_key *key,
                                            struct base_fault *fault) {
  sqlite3_stmt *row = store_sql_start(&index->writer, STORE_SQL_VARIANT_REMOVE);
  bind_key(row, 1, key);
  return store_sql_run(&index->writer, row, fault);
}

enum base_result store_index_variant_find(struct store_index *index, const struct cache_key *key,
                                          struct store_variant *out, struct base_fault *fault) {
  sqlite3_stmt *row = store_sql_start(&index->reader, STORE_SQL_VARIANT_FIND);
  bind_key(row, 1, key);
  enum base_result result = store_sql_step(&index->reader, row, fault);
  if (result == BASE_OK) result = read_row(row, out, fault);
  store_sql_finish(&index->reader, row);
  return result;
}

// Reads a bound statement's rows and finishes it.
static enum base_result read_rows(struct store_index *index, sqlite3_stmt *row, struct store_variant *out,
                                  size_t capacity, size_t *count, struct base_fault *fault) {
  enum base_result result = BASE_OK;
  *count = 0;
  while (result == BASE_OK && *count < capacity) {
    result = store_sql_step(&index->reader, row, fault);
    if (result == BASE_OK) result = read_row(row, &out[*count], fault);
    if (result == BASE_OK) ++*count;
  }
  store_sql_finish(&index->reader, row);
  return result == BASE_NOT_FOUND ? BASE_OK : result;
}

// The empty blob is before every key.
static void bind_after(sqlite3_stmt *row, int at, const struct cache_key *after) {
  store_sql_bind_bytes(row, at, after ? after->bytes : (const uint8_t *)"", after ? sizeof after->bytes : 0);
}

enum base_result store_index_variant_page(struct store_index *index, const char *tenant,
                                          const struct integrity_digest *original, const struct cache_key *after,
                                          struct store_variant *out, size_t capacity, size_t *count,
                                          struct base_fault *fault) {
  sqlite3_stmt *row = store_sql_start(&index->reader, STORE_SQL_VARIANT_PAGE);
  store_sql_bind_bytes(row, 1, original->bytes, sizeof original->bytes);
  store_sql_bind_text(row, 2, tenant);
  bind_after(row, 3, after);
  store_sql_bind_number(row, 4, capacity);
  return read_rows(index, row, out, capacity, count, fault);
}

enum base_result store_index_variant_all(struct store_index *index, const struct cache_key *after,
                                         struct store_variant *out, size_t capacity, size_t *count,
                                         struct base_fault *fault) {
  sqlite3_stmt *row = store_sql_start(&index->reader, STORE_SQL_VARIANT_ALL);
  bind_after(row, 1, after);
  store_sql_bind_number(row, 2, capacity);
  return read_rows(index, row, out, capacity, count, fault);
}

// Runs a bound statement that answers key, file_bytes, use and shrink, and finishes it.
static enum base_result visit_rows(struct store_index *index, sqlite3_stmt *row, store_index_variant_visit *visit,
                                   void *argument, struct base_fault *fault) {
  enum base_result result;
  while ((result = store_sql_step(&index->reader, row, fault)) == BASE_OK) {
    struct store_index_variant_row found = {.file_bytes = store_sql_column_number(row, 1),
                                            .use = store_sql_column_number(row, 2),
                                            .is_level = store_sql_column_number(row, 3) != 0};
    if (!store_sql_column_bytes(row, 0, found.key.bytes, sizeof found.key.bytes)) {
      result = BASE_FAIL(fault, BASE_CORRUPT, "index", "a variant's row is damaged");
    } else {
      result = visit(argument, &found);
    }
    if (result != BASE_OK) break;
  }
  store_sql_finish(&index->reader, row);
  return result == BASE_NOT_FOUND ? BASE_OK : result;
}

enum base_result store_index_variant_by_use(struct store_index *index, store_index_variant_visit *visit, void *argument,
                                            struct base_fault *fault) {
  return visit_rows(index, store_sql_start(&index->reader, STORE_SQL_VARIANT_BY_USE), visit, argument, fault);
}

enum base_result store_index_variant_range(struct store_index *index, const struct integrity_digest *first,
                                           const struct integrity_digest *last, store_index_variant_visit *visit,
                                           void *argument, struct base_fault *fault) {
  sqlite3_stmt *row = store_sql_start(&index->reader, STORE_SQL_VARIANT_RANGE);
  store_sql_bind_bytes(row, 1, first->bytes, sizeof first->bytes);
  store_sql_bind_bytes(row, 2, last->bytes, sizeof last->bytes);
  return visit_rows(index, row, visit, argument, fault);
}

enum base_result store_index_variant_homeless(struct store_index *index, store_index_variant_visit *visit,
                                              void *argument, struct base_fault *fault) {
  return visit_rows(index, store_sql_start(&index->reader, STORE_SQL_VARIANT_HOMELESS), visit, argument, fault);
}
