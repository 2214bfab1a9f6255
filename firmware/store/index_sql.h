// Shared by the index's files only: statements and how they are run. SQLite lives behind this.
#ifndef STORE_INDEX_SQL_H
#define STORE_INDEX_SQL_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "index.h"

enum store_statement {
  STORE_SQL_BEGIN,
  STORE_SQL_COMMIT,
  STORE_SQL_ROLLBACK,
  STORE_SQL_ORIGINAL_PUT,
  STORE_SQL_ORIGINAL_REMOVE,
  STORE_SQL_ORIGINAL_FIND,
  STORE_SQL_ORIGINAL_TENANTS,
  STORE_SQL_ORIGINAL_NEXT_TENANT,
  STORE_SQL_ORIGINAL_PAGE,
  STORE_SQL_ORIGINAL_TAGGED,
  STORE_SQL_ORIGINAL_TOTALS,
  STORE_SQL_ORIGINAL_RANGE,
  STORE_SQL_VARIANT_PUT,
  STORE_SQL_VARIANT_FIND,
  STORE_SQL_VARIANT_USE,
  STORE_SQL_VARIANT_REMOVE,
  STORE_SQL_VARIANT_PAGE,
  STORE_SQL_VARIANT_ALL,
  STORE_SQL_VARIANT_BY_USE,
  STORE_SQL_VARIANT_RANGE,
  STORE_SQL_VARIANT_HOMELESS,
  STORE_SQL_COUNT
};

struct store_connection {
  sqlite3 *db;
  pthread_mutex_t lock;  // recursive: a transaction holds it around its changes
  sqlite3_stmt *statements[STORE_SQL_COUNT];
  atomic_bool is_damaged;
};

struct store_index {
  struct store_connection writer, reader;
};

// Records what SQLite said: full disk, short memory, damage, or another failure.
enum base_result store_sql_fail(struct store_connection *connection, struct base_fault *fault);

// Locks the connection and hands out a statement to bind; store_sql_finish ends both.
sqlite3_stmt *store_sql_start(struct store_connection *connection, enum store_statement statement);
void store_sql_finish(struct store_connection *connection, sqlite3_stmt *statement);
// One row (BASE_OK), no more rows (BASE_NOT_FOUND, no fault recorded), or a failure.
enum base_result store_sql_step(struct store_connection *connection, sqlite3_stmt *statement,
                                struct base_fault *fault) BASE_CHECKED;
// Runs a statement without rows, then finishes it.
enum base_result store_sql_run(struct store_connection *connection, sqlite3_stmt *statement,
                               struct base_fault *fault) BASE_CHECKED;

// Bound memory is borrowed until the statement is finished. A bind that fails leaves NULL, which the schema refuses.
void store_sql_bind_text(sqlite3_stmt *statement, int at, const char *text);
void store_sql_bind_bytes(sqlite3_stmt *statement, int at, const uint8_t *bytes, size_t count);
void store_sql_bind_number(sqlite3_stmt *statement, int at, uint64_t number);

// Columns; false when the value does not fit what is asked for.
bool store_sql_column_text(sqlite3_stmt *statement, int at, char *out, size_t capacity) BASE_CHECKED;
bool store_sql_column_bytes(sqlite3_stmt *statement, int at, uint8_t *out, size_t count) BASE_CHECKED;
uint64_t store_sql_column_number(sqlite3_stmt *statement, int at);

#endif
