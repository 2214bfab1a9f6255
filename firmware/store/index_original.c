#include <string.h>

#include "index_sql.h"
#include "inside.h"
#include "store/tenant.h"

static void bind_id(sqlite3_stmt *statement, int at, const struct integrity_digest *id) {
  store_sql_bind_bytes(statement, at, id->bytes, sizeof id->bytes);
}

enum base_result store_index_original_put(struct store_index *index, const struct store_original *original,
                                          struct base_fault *fault) {
  sqlite3_stmt *row = store_sql_start(&index->writer, STORE_SQL_ORIGINAL_PUT);
  bind_id(row, 1, &original->id);
  store_sql_bind_text(row, 2, original->tenant);
  store_sql_bind_number(row, 3, original->bytes);
  store_sql_bind_number(row, 4, original->width);
  store_sql_bind_number(row, 5, original->height);
  store_sql_bind_number(row, 6, original->orientation);
  store_sql_bind_number(row, 7, original->bits);
  store_sql_bind_number(row, 8, original->has_alpha);
  store_sql_bind_number(row, 9, original->has_icc);
  store_sql_bind_text(row, 10, original->format);
  store_sql_bind_text(row, 11, original->colour);
  store_sql_bind_number(row, 12, (uint64_t)original->created_s);
  store_sql_bind_text(row, 13, original->name);
  store_sql_bind_text(row, 14, original->tags);
  store_sql_bind_number(row, 15, original->alerts);
  return store_sql_run(&index->writer, row, fault);
}

static enum base_result read_row(sqlite3_stmt *row, struct store_original *out, struct base_fault *fault) {
  *out = (struct store_original){
      .bytes = store_sql_column_number(row, 2),
      .width = (uint32_t)store_sql_column_number(row, 3),
      .height = (uint32_t)store_sql_column_number(row, 4),
      .orientation = (uint8_t)store_sql_column_number(row, 5),
      .bits = (uint8_t)store_sql_column_number(row, 6),
      .has_alpha = store_sql_column_number(row, 7) != 0,
      .has_icc = store_sql_column_number(row, 8) != 0,
      .created_s = (int64_t)store_sql_column_number(row, 11),
      .alerts = (uint32_t)store_sql_column_number(row, 14),
  };
  if (store_sql_column_bytes(row, 0, out->id.bytes, sizeof out->id.bytes) &&
      store_sql_column_text(row, 1, out->tenant, sizeof out->tenant) &&
      store_sql_column_text(row, 9, out->format, sizeof out->format) &&
      store_sql_column_text(row, 10, out->colour, sizeof out->colour) &&
      store_sql_column_text(row, 12, out->name, sizeof out->name) &&
      store_sql_column_text(row, 13, out->tags, sizeof out->tags)) {
    return BASE_OK;
  }
  return BASE_FAIL(fault, BASE_CORRUPT, "index", "an original's row is damaged");
}

enum base_result store_index_original_remove(struct store_index *index, const char *tenant,
                                             const struct integrity_digest *id, struct base_fault *fault) {
  sqlite3_stmt *row = store_sql_start(&index->writer, STORE_SQL_ORIGINAL_REMOVE);
  bind_id(row, 1, id);
  store_sql_bind_text(row, 2, tenant);
  return store_sql_run(&index->writer, row, fault);
}

enum base_result store_index_original_find(struct store_index *index, const char *tenant,
                                           const struct integrity_digest *id, struct store_original *out,
                                           struct base_fault *fault) {
  sqlite3_stmt *row = store_sql_start(&index->reader, STORE_SQL_ORIGINAL_FIND);
  bind_id(row, 1, id);
  store_sql_bind_text(row, 2, tenant);
  enum base_result result = store_sql_step(&index->reader, row, fault);
  if (result == BASE_OK) result = read_row(row, out, fault);
  store_sql_finish(&index->reader, row);
  return result;
}

enum base_result store_index_original_tenants(struct store_index *index, const struct integrity_digest *id,
                                              uint64_t *count, struct base_fault *fault) {
  sqlite3_stmt *row = store_sql_start(&index->reader, STORE_SQL_ORIGINAL_TENANTS);
  bind_id(row, 1, id);
  const enum base_result result = store_sql_step(&index->reader, row, fault);
  if (result == BASE_OK) *count = store_sql_column_number(row, 0);
  store_sql_finish(&index->reader, row);
  return result;
}

enum base_result store_index_original_next_tenant(struct store_index *index, const char *after,
                                                  char out[STORE_MAX_TENANT + 1], struct base_fault *fault) {
  char tenant[STORE_MAX_TENANT + 1];
  sqlite3_stmt *row = store_sql_start(&index->reader, STORE_SQL_ORIGINAL_NEXT_TENANT);
  store_sql_bind_text(row, 1, after);
  enum base_result result = store_sql_step(&index->reader, row, fault);
  if (result == BASE_OK && !store_sql_column_text(row, 0, tenant, sizeof tenant)) {
    result = BASE_FAIL(fault, BASE_CORRUPT, "index", "an original's row is damaged");
  }
  store_sql_finish(&index->reader, row);
  if (result == BASE_OK) memcpy(out, tenant, sizeof tenant);
  return result;
}

enum base_result store_index_original_page(struct store_index *index, const char *tenant, const char *tag,
                                           const struct store_original *after, struct store_original *out,
                                           size_t capacity, size_t *count, struct base_fault *fault) {
  static const struct integrity_digest no_id = {{0}};
  sqlite3_stmt *row = store_sql_start(&index->reader, tag ? STORE_SQL_ORIGINAL_TAGGED : STORE_SQL_ORIGINAL_PAGE);
  store_sql_bind_text(row, 1, tenant);
  store_sql_bind_number(row, 2, after ? (uint64_t)after->created_s : INT64_MAX);
  bind_id(row, 3, after ? &after->id : &no_id);
  store_sql_bind_number(row, 4, capacity);
  if (tag) store_sql_bind_text(row, 5, tag);
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

enum base_result store_index_original_totals(struct store_index *index, uint64_t *count, uint64_t *bytes,
                                             struct base_fault *fault) {
  sqlite3_stmt *row = store_sql_start(&index->reader, STORE_SQL_ORIGINAL_TOTALS);
  const enum base_result result = store_sql_step(&index->reader, row, fault);
  if (result == BASE_OK) {
    *count = store_sql_column_number(row, 0);
    *bytes = store_sql_column_number(row, 1);
  }
  store_sql_finish(&index->reader, row);
  return result;
}

enum base_result store_index_original_range(struct store_index *index, const struct integrity_digest *first,
                                            const struct integrity_digest *last,
                                            enum base_result (*visit)(void *argument, const struct integrity_digest *id,
                                                                      const char *tenant),
                                            void *argument, struct base_fault *fault) {
  sqlite3_stmt *row = store_sql_start(&index->reader, STORE_SQL_ORIGINAL_RANGE);
  bind_id(row, 1, first);
  bind_id(row, 2, last);
  enum base_result result;
  while ((result = store_sql_step(&index->reader, row, fault)) == BASE_OK) {
    struct integrity_digest id;
    char tenant[STORE_MAX_TENANT + 1];
    if (!store_sql_column_bytes(row, 0, id.bytes, sizeof id.bytes) ||
        !store_sql_column_text(row, 1, tenant, sizeof tenant)) {
      result = BASE_FAIL(fault, BASE_CORRUPT, "index", "an original's row is damaged");
      break;
    }
    result = visit(argument, &id, tenant);
    if (result != BASE_OK) break;
  }
  store_sql_finish(&index->reader, row);
  return result == BASE_NOT_FOUND ? BASE_OK : result;
}

enum base_result store_tenant_next(struct store *store, const char *after, char out[STORE_MAX_TENANT + 1],
                                   struct base_fault *fault) {
  return store_index_original_next_tenant(store->index, after, out, fault);
}
