#include "index.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "index_sql.h"

enum { INDEX_VERSION = 3, BUSY_TIMEOUT_MS = 5000 };

#define INDEX_NAME "index.sqlite"

static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE originals(id BLOB NOT NULL, tenant TEXT NOT NULL, bytes INTEGER NOT NULL, width INTEGER NOT NULL,"
    " height INTEGER NOT NULL, orientation INTEGER NOT NULL, bits INTEGER NOT NULL, alpha INTEGER NOT NULL,"
    " icc INTEGER NOT NULL, format TEXT NOT NULL, colour TEXT NOT NULL,"
    " created INTEGER NOT NULL, name TEXT NOT NULL, tags TEXT NOT NULL, alerts INTEGER NOT NULL,"
    " PRIMARY KEY(id, tenant)) WITHOUT ROWID;"
    "CREATE INDEX originals_by_time ON originals(tenant, created, id);"
    "CREATE TABLE variants(key BLOB NOT NULL PRIMARY KEY, tenant TEXT NOT NULL, original BLOB NOT NULL,"
    " recipe TEXT NOT NULL, media_type TEXT NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,"
    " created INTEGER NOT NULL, digest BLOB NOT NULL, bytes INTEGER NOT NULL, file_bytes INTEGER NOT NULL,"
    " use INTEGER NOT NULL, shrink INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX variants_by_original ON variants(original, tenant, key);"
    "PRAGMA user_version = 3;"
    "COMMIT;";
_Static_assert(INDEX_VERSION == 3, "the schema sets the version it is");

#define ORIGINAL_COLUMNS \
  "id, tenant, bytes, width, height, orientation, bits, alpha, icc, format, colour, created, name, tags, alerts"
#define VARIANT_COLUMNS "key, tenant, original, recipe, media_type, width, height, created, digest, bytes"

static const char *const sql[STORE_SQL_COUNT] = {
    [STORE_SQL_BEGIN] = "BEGIN IMMEDIATE",
    [STORE_SQL_COMMIT] = "COMMIT",
    [STORE_SQL_ROLLBACK] = "ROLLBACK",
    [STORE_SQL_ORIGINAL_PUT] =
        "REPLACE INTO originals(" ORIGINAL_COLUMNS ") VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15)",
    [STORE_SQL_ORIGINAL_REMOVE] = "DELETE FROM originals WHERE id = ?1 AND tenant = ?2",
    [STORE_SQL_ORIGINAL_FIND] = "SELECT " ORIGINAL_COLUMNS " FROM originals WHERE id = ?1 AND tenant = ?2",
    [STORE_SQL_ORIGINAL_TENANTS] = "SELECT count(*) FROM originals WHERE id = ?1",
    [STORE_SQL_ORIGINAL_NEXT_TENANT] = "SELECT tenant FROM originals WHERE tenant > ?1 ORDER BY tenant LIMIT 1",
    [STORE_SQL_ORIGINAL_PAGE] = "SELECT " ORIGINAL_COLUMNS
                                " FROM originals WHERE tenant = ?1 AND (created, id) < (?2, ?3)"
                                " ORDER BY created DESC, id DESC LIMIT ?4",
    // Tags are whole lines of the column.
    [STORE_SQL_ORIGINAL_TAGGED] = "SELECT " ORIGINAL_COLUMNS
                                  " FROM originals WHERE tenant = ?1 AND (created, id) < (?2, ?3)"
                                  " AND instr(char(10) || tags || char(10), char(10) || ?5 || char(10)) > 0"
                                  " ORDER BY created DESC, id DESC LIMIT ?4",
    [STORE_SQL_ORIGINAL_TOTALS] =
        "SELECT count(*), ifnull(sum(most), 0) FROM (SELECT max(bytes) AS most FROM originals GROUP BY id)",
    [STORE_SQL_ORIGINAL_RANGE] = "SELECT id, tenant FROM originals WHERE id BETWEEN ?1 AND ?2",
    [STORE_SQL_VARIANT_PUT] = "REPLACE INTO variants(" VARIANT_COLUMNS
                              ", file_bytes, use, shrink) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)",
    [STORE_SQL_VARIANT_USE] = "UPDATE variants SET use = ?2 WHERE key = ?1",
    [STORE_SQL_VARIANT_REMOVE] = "DELETE FROM variants WHERE key = ?1",
    [STORE_SQL_VARIANT_FIND] = "SELECT " VARIANT_COLUMNS " FROM variants WHERE key = ?1 AND shrink = 0",
    [STORE_SQL_VARIANT_PAGE] = "SELECT " VARIANT_COLUMNS
                               " FROM variants WHERE original = ?1 AND tenant = ?2 AND key > ?3 ORDER BY key LIMIT ?4",
    [STORE_SQL_VARIANT_ALL] =
        "SELECT " VARIANT_COLUMNS " FROM variants WHERE key > ?1 AND shrink = 0 ORDER BY key LIMIT ?2",
    [STORE_SQL_VARIANT_BY_USE] = "SELECT key, file_bytes, use, shrink FROM variants ORDER BY use, created",
    [STORE_SQL_VARIANT_RANGE] = "SELECT key, file_bytes, use, shrink FROM variants WHERE key BETWEEN ?1 AND ?2",
    [STORE_SQL_VARIANT_HOMELESS] = ("SELECT key, file_bytes, use, shrink FROM variants AS v WHERE NOT EXISTS"
                                    " (SELECT 1 FROM originals AS o WHERE o.id = v.original"
                                    " AND (o.tenant = v.tenant OR v.shrink > 0))"),
};

enum base_result store_sql_fail(struct store_connection *connection, struct base_fault *fault) {
  enum base_result result;
  switch (sqlite3_errcode(connection->db) & 0xff) {
    case SQLITE_FULL:
      result = BASE_NO_SPACE;
      break;
    case SQLITE_NOMEM:
      result = BASE_NO_MEMORY;
      break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR:  // a statement that does not fit the schema: somebody else's tables
      result = BASE_CORRUPT;
      atomic_store(&connection->is_damaged, true);
      break;
    case SQLITE_IOERR:  // the index's shared memory is a file, which could not grow
      result = sqlite3_extended_errcode(connection->db) == SQLITE_IOERR_SHMSIZE ? BASE_NO_SPACE : BASE_IO;
      break;
    default:
      result = BASE_IO;
  }
  return BASE_FAIL(fault, result, INDEX_NAME, "the index failed: %s", sqlite3_errmsg(connection->db));
}

sqlite3_stmt *store_sql_start(struct store_connection *connection, enum store_statement statement) {
  pthread_mutex_lock(&connection->lock);
  return connection->statements[statement];
}

void store_sql_finish(struct store_connection *connection, sqlite3_stmt *statement) {
  sqlite3_reset(statement);  // repeats the failure that the step has reported already
  sqlite3_clear_bindings(statement);
  pthread_mutex_unlock(&connection->lock);
}

enum base_result store_sql_step(struct store_connection *connection, sqlite3_stmt *statement,
                                struct base_fault *fault) {
  switch (sqlite3_step(statement)) {
    case SQLITE_ROW:
      return BASE_OK;
    case SQLITE_DONE:
      return BASE_NOT_FOUND;
    default:
      return store_sql_fail(connection, fault);
  }
}

enum base_result store_sql_run(struct store_connection *connection, sqlite3_stmt *statement, struct base_fault *fault) {
  const enum base_result result = store_sql_step(connection, statement, fault);
  store_sql_finish(connection, statement);
  return result == BASE_NOT_FOUND ? BASE_OK : result;
}

void store_sql_bind_text(sqlite3_stmt *statement, int at, const char *text) {
  (void)sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

void store_sql_bind_bytes(sqlite3_stmt *statement, int at, const uint8_t *bytes, size_t count) {
  (void)sqlite3_bind_blob(statement, at, bytes, (int)count, SQLITE_STATIC);
}

void store_sql_bind_number(sqlite3_stmt *statement, int at, uint64_t number) {
  (void)sqlite3_bind_int64(statement, at, (sqlite3_int64)number);
}

bool store_sql_column_text(sqlite3_stmt *statement, int at, char *out, size_t capacity) {
  const unsigned char *text = sqlite3_column_text(statement, at);
  return text && base_span_copy(base_span_of(text, (size_t)sqlite3_column_bytes(statement, at)), out, capacity);
}

bool store_sql_column_bytes(sqlite3_stmt *statement, int at, uint8_t *out, size_t count) {
  const void *bytes = sqlite3_column_blob(statement, at);
  if (!bytes || (size_t)sqlite3_column_bytes(statement, at) != count) return false;
  memcpy(out, bytes, count);
  return true;
}

uint64_t store_sql_column_number(sqlite3_stmt *statement, int at) {
  return (uint64_t)sqlite3_column_int64(statement, at);
}

// The first column of the first row of a statement that is run once.
static enum base_result read_once(struct store_connection *connection, const char *query, char *out, size_t capacity,
                                  struct base_fault *fault) {
  sqlite3_stmt *statement = NULL;
  enum base_result result = BASE_OK;
  if (sqlite3_prepare_v2(connection->db, query, -1, &statement, NULL) != SQLITE_OK) {
    return store_sql_fail(connection, fault);
  }
  if (sqlite3_step(statement) != SQLITE_ROW) {
    result = store_sql_fail(connection, fault);
  } else if (!store_sql_column_text(statement, 0, out, capacity)) {
    result = BASE_FAIL(fault, BASE_CORRUPT, INDEX_NAME, "the index answers nonsense");
  }
  sqlite3_finalize(statement);
  return result;
}

static enum base_result execute(struct store_connection *connection, const char *text, struct base_fault *fault) {
  if (sqlite3_exec(connection->db, text, NULL, NULL, NULL) == SQLITE_OK) return BASE_OK;
  return store_sql_fail(connection, fault);
}

static enum base_result open_database(struct store_connection *connection, const char *path, int more_flags,
                                      struct base_fault *fault) {
  // Each connection is used under its own lock, so SQLite needs none.
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | more_flags;
  if (sqlite3_open_v2(path, &connection->db, flags, NULL) == SQLITE_OK) return BASE_OK;
  if (!connection->db) return BASE_FAIL(fault, BASE_NO_MEMORY, INDEX_NAME, "no memory for the index");
  return store_sql_fail(connection, fault);
}

static enum base_result connect_to(struct store_connection *connection, const char *path, struct base_fault *fault) {
  enum base_result result = open_database(connection, path, 0, fault);
  if (result != BASE_OK) return result;
  sqlite3_busy_timeout(connection->db, BUSY_TIMEOUT_MS);
  return execute(connection, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;", fault);
}

// Both connections of one store share pages. The reader does not wait for the writer, as on disk, but sees what is not
// committed yet.
static enum base_result connect_in_memory(struct store_connection *connection, const char *name,
                                          struct base_fault *fault) {
  enum base_result result = open_database(connection, name, SQLITE_OPEN_URI | SQLITE_OPEN_SHAREDCACHE, fault);
  if (result != BASE_OK) return result;
  return execute(connection, "PRAGMA journal_mode = MEMORY; PRAGMA read_uncommitted = ON;", fault);
}

typedef enum base_result connect_function(struct store_connection *connection, const char *path,
                                          struct base_fault *fault);

static enum base_result prepare_all(struct store_connection *connection, struct base_fault *fault) {
  for (int i = 0; i < STORE_SQL_COUNT; i++) {
    if (sqlite3_prepare_v3(connection->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &connection->statements[i], NULL) !=
        SQLITE_OK) {
      return store_sql_fail(connection, fault);
    }
  }
  return BASE_OK;
}

// Makes the tables in an empty file, or checks that they are of our version.
static enum base_result check_version(struct store_connection *connection, bool *is_new, struct base_fault *fault) {
  char version[16], tables[16];
  enum base_result result = read_once(connection, "PRAGMA user_version", version, sizeof version, fault);
  if (result == BASE_OK) {
    result = read_once(connection, "SELECT count(*) FROM sqlite_master", tables, sizeof tables, fault);
  }
  if (result != BASE_OK) return result;
  *is_new = strcmp(version, "0") == 0 && strcmp(tables, "0") == 0;
  if (*is_new) return execute(connection, schema, fault);
  if (strtol(version, NULL, 10) == INDEX_VERSION) return BASE_OK;
  return BASE_FAIL(fault, BASE_CORRUPT, INDEX_NAME, "the index is of version %s, not %d", version, INDEX_VERSION);
}

static void connection_init(struct store_connection *connection) {
  pthread_mutexattr_t attributes;
  BASE_ASSERT(pthread_mutexattr_init(&attributes) == 0);
  BASE_ASSERT(pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE) == 0);
  BASE_ASSERT(pthread_mutex_init(&connection->lock, &attributes) == 0);
  pthread_mutexattr_destroy(&attributes);
}

static void connection_finish(struct store_connection *connection) {
  for (int i = 0; i < STORE_SQL_COUNT; i++) sqlite3_finalize(connection->statements[i]);
  sqlite3_close(connection->db);
  pthread_mutex_destroy(&connection->lock);
}

static enum base_result index_path(const char *root, const char *suffix, char out[PATH_MAX], struct base_fault *fault) {
  const int length = snprintf(out, PATH_MAX, "%s/" INDEX_NAME "%s", root, suffix);
  if (length > 0 && length < PATH_MAX) return BASE_OK;
  return BASE_FAIL(fault, BASE_BAD_INPUT, "root", "the store's path is too long");
}

// A full disk shall show now, where something can be done about it, and not at the first upload.
static enum base_result check_room(struct store_connection *connection, struct base_fault *fault) {
  char text[64];
  snprintf(text, sizeof text, "BEGIN IMMEDIATE; PRAGMA user_version = %d; COMMIT;", INDEX_VERSION);
  return execute(connection, text, fault);
}

static enum base_result open_index(const char *path, connect_function *connect, struct store_index **out, bool *is_new,
                                   struct base_fault *fault) {
  struct store_index *index = calloc(1, sizeof *index);
  if (!index) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the index");
  connection_init(&index->writer);
  connection_init(&index->reader);

  enum base_result result = connect(&index->writer, path, fault);
  if (result == BASE_OK) result = check_version(&index->writer, is_new, fault);
  if (result == BASE_OK) result = check_room(&index->writer, fault);
  if (result == BASE_OK) result = prepare_all(&index->writer, fault);
  if (result == BASE_OK) result = connect(&index->reader, path, fault);
  if (result == BASE_OK) result = execute(&index->reader, "PRAGMA query_only = ON", fault);
  if (result == BASE_OK) result = prepare_all(&index->reader, fault);
  if (result != BASE_OK) {
    store_index_close(&index);
    return result;
  }
  *out = index;
  return BASE_OK;
}

enum base_result store_index_open(const char *root, struct store_index **out, bool *is_new, struct base_fault *fault) {
  char path[PATH_MAX];
  const enum base_result result = index_path(root, "", path, fault);
  return result == BASE_OK ? open_index(path, connect_to, out, is_new, fault) : result;
}

enum base_result store_index_open_in_memory(struct store_index **out, bool *is_new, struct base_fault *fault) {
  static atomic_uint next;  // several stores in one process have one each
  char name[64];
  snprintf(name, sizeof name, "file:pixpop-index-%u?mode=memory&cache=shared", atomic_fetch_add(&next, 1));
  return open_index(name, connect_in_memory, out, is_new, fault);
}

void store_index_close(struct store_index **index_pointer) {
  struct store_index *index = *index_pointer;
  *index_pointer = NULL;
  if (!index) return;
  connection_finish(&index->reader);
  connection_finish(&index->writer);  // the last one moves the log into the file
  free(index);
}

enum base_result store_index_remove(const char *root, struct base_fault *fault) {
  static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
  char path[PATH_MAX];
  for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
    const enum base_result result = index_path(root, suffixes[i], path, fault);
    if (result != BASE_OK) return result;
    if (unlink(path) != 0 && errno != ENOENT) return BASE_FAIL_ERRNO(fault, path, "cannot remove the index");
  }
  return BASE_OK;
}

enum base_result store_index_check(struct store_index *index, struct base_fault *fault) {
  char answer[64];
  enum base_result result = read_once(&index->writer, "PRAGMA quick_check(1)", answer, sizeof answer, fault);
  if (result == BASE_OK && strcmp(answer, "ok") != 0) {
    result = BASE_FAIL(fault, BASE_CORRUPT, INDEX_NAME, "the index is damaged: %s", answer);
  }
  return result;
}

bool store_index_is_damaged(const struct store_index *index) {
  return atomic_load(&index->writer.is_damaged) || atomic_load(&index->reader.is_damaged);
}

enum base_result store_index_begin(struct store_index *index, struct base_fault *fault) {
  struct store_connection *writer = &index->writer;
  pthread_mutex_lock(&writer->lock);
  const enum base_result result = store_sql_run(writer, store_sql_start(writer, STORE_SQL_BEGIN), fault);
  if (result != BASE_OK) pthread_mutex_unlock(&writer->lock);
  return result;
}

enum base_result store_index_end(struct store_index *index, bool is_commit, struct base_fault *fault) {
  struct store_connection *writer = &index->writer;
  enum base_result result = BASE_OK;
  if (is_commit) result = store_sql_run(writer, store_sql_start(writer, STORE_SQL_COMMIT), fault);
  // SQLite may have rolled back by itself; then there is nothing left to do.
  if (!sqlite3_get_autocommit(writer->db)) {
    const enum base_result undone = store_sql_run(writer, store_sql_start(writer, STORE_SQL_ROLLBACK), fault);
    if (result == BASE_OK) result = undone;
  }
  pthread_mutex_unlock(&writer->lock);
  return result;
}
