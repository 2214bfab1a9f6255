#include "tus_table.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 4096 };

struct node {
  struct node *next;
  struct ingest_tus_entry entry;
  struct ingest_tus_holder *waiting;  // of the lock, while it may give way
  struct base_fault *problem;         // of an untold refused one; NULL also when memory was short
};

enum { LONGEST_PUT_OFF_S = 3600, MAX_DOUBLINGS = 12 };

struct ingest_tus_table {
  pthread_mutex_t lock;
  pthread_cond_t yielded;
  uint32_t max_entries, per_tenant, count;
  struct base_metric *metric;
  struct node *buckets[BUCKETS];
};

struct ingest_tus_table *ingest_tus_table_create(uint32_t max_entries, uint32_t per_tenant, struct base_metric *count) {
  struct ingest_tus_table *table = calloc(1, sizeof *table);
  if (!table) return NULL;
  table->max_entries = max_entries;
  table->per_tenant = per_tenant;
  table->metric = count;
  pthread_mutex_init(&table->lock, NULL);
  pthread_cond_init(&table->yielded, NULL);
  return table;
}

static void free_node(struct node *node) {
  free(node->problem);
  free(node);
}

void ingest_tus_table_destroy(struct ingest_tus_table **table) {
  if (!*table) return;
  for (size_t i = 0; i < BUCKETS; i++) {
    while ((*table)->buckets[i]) {
      struct node *node = (*table)->buckets[i];
      (*table)->buckets[i] = node->next;
      free_node(node);
    }
  }
  pthread_cond_destroy(&(*table)->yielded);
  pthread_mutex_destroy(&(*table)->lock);
  free(*table);
  *table = NULL;
}

// FNV-1a; ids are random, and clients can only choose among those that there are.
static struct node **bucket_of(struct ingest_tus_table *table, struct base_span id) {
  uint32_t hash = 2166136261u;
  for (size_t i = 0; i < id.bytes; i++) hash = (hash ^ id.data[i]) * 16777619u;
  return &table->buckets[hash % BUCKETS];
}

// Where the node of that id hangs, or the NULL at the end of its bucket. The lock is held here and below.
static struct node **find(struct ingest_tus_table *table, struct base_span id) {
  struct node **place = bucket_of(table, id);
  while (*place && !base_span_is(id, (*place)->entry.id)) place = &(*place)->next;
  return place;
}

static uint32_t count_of(const struct ingest_tus_table *table, const char *tenant) {
  uint32_t count = 0;
  for (size_t i = 0; i < BUCKETS; i++) {
    for (const struct node *node = table->buckets[i]; node; node = node->next) {
      count += strcmp(node->entry.tenant, tenant) == 0;
    }
  }
  return count;
}

static bool is_full(const struct ingest_tus_table *table, const char *tenant, bool *is_tenant) {
  *is_tenant = table->per_tenant > 0 && count_of(table, tenant) >= table->per_tenant;
  return *is_tenant || table->count >= table->max_entries;
}

bool ingest_tus_table_is_full(struct ingest_tus_table *table, const char *tenant, bool *is_tenant) {
  pthread_mutex_lock(&table->lock);
  const bool full = is_full(table, tenant, is_tenant);
  pthread_mutex_unlock(&table->lock);
  return full;
}

enum base_result ingest_tus_table_add(struct ingest_tus_table *table, const struct ingest_tus_entry *entry,
                                      struct base_fault *fault) {
  struct node *node = malloc(sizeof *node);
  if (!node) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for an upload");
  node->entry = *entry;
  node->waiting = NULL;
  node->problem = NULL;
  bool is_tenant;
  pthread_mutex_lock(&table->lock);
  const bool full = is_full(table, entry->tenant, &is_tenant);
  if (!full) {
    struct node **place = find(table, base_span_text(entry->id));
    BASE_ASSERT(!*place);
    node->next = NULL;
    *place = node;
    base_metric_set(table->metric, ++table->count);
  }
  pthread_mutex_unlock(&table->lock);
  if (!full) return BASE_OK;
  free_node(node);
  return BASE_FAIL(fault, BASE_BUSY, is_tenant ? "max_sessions_per_tenant" : "max_sessions",
                   "too many uploads are unfinished; try again later");
}

static void lock_node(struct node *node, struct ingest_tus_entry *out) {
  node->entry.is_locked = true;
  node->entry.locks++;
  *out = node->entry;
}

static enum base_result find_for(struct ingest_tus_table *table, const char *tenant, struct base_span id, int64_t now_s,
                                 struct node **out, struct base_fault *fault) {
  struct node *node = *find(table, id);
  if (!node || strcmp(node->entry.tenant, tenant) != 0) {
    return BASE_FAIL(fault, BASE_NOT_FOUND, "id", "there is no such upload");
  }
  if (!node->entry.is_locked && node->entry.expires_s <= now_s) {
    return BASE_FAIL(fault, BASE_GONE, "id", "the upload has expired");
  }
  *out = node;
  return BASE_OK;
}

enum base_result ingest_tus_table_find(struct ingest_tus_table *table, const char *tenant, struct base_span id,
                                       int64_t now_s, struct ingest_tus_entry *out, struct base_fault *fault) {
  struct node *node;
  pthread_mutex_lock(&table->lock);
  enum base_result result = find_for(table, tenant, id, now_s, &node, fault);
  if (result == BASE_OK) *out = node->entry;
  pthread_mutex_unlock(&table->lock);
  return result;
}

enum base_result ingest_tus_table_lock(struct ingest_tus_table *table, const char *tenant, struct base_span id,
                                       int64_t now_s, struct ingest_tus_entry *out, struct base_fault *fault) {
  struct node *node;
  pthread_mutex_lock(&table->lock);
  enum base_result result = find_for(table, tenant, id, now_s, &node, fault);
  if (result == BASE_OK && node->entry.is_locked) {
    result = BASE_FAIL(fault, BASE_LOCKED, "id", "%s",
                       node->entry.state == INGEST_TUS_CHECKING
                           ? "all bytes are there and the picture is being checked; ask again"
                           : "another request is working on this upload");
  }
  if (result == BASE_OK) lock_node(node, out);
  pthread_mutex_unlock(&table->lock);
  return result;
}

void ingest_tus_table_wait(struct ingest_tus_table *table, const char *id, struct ingest_tus_holder *holder,
                           uint64_t now_us) {
  pthread_mutex_lock(&table->lock);
  struct node *node = *find(table, base_span_text(id));
  BASE_ASSERT(node && node->entry.is_locked && !node->waiting);
  holder->since_us = now_us;
  node->waiting = holder;
  pthread_mutex_unlock(&table->lock);
}

bool ingest_tus_table_go_on(struct ingest_tus_table *table, const char *id, const struct ingest_tus_holder *holder) {
  pthread_mutex_lock(&table->lock);
  struct node *node = *find(table, base_span_text(id));
  const bool goes_on = node && node->waiting == holder;
  if (goes_on) node->waiting = NULL;
  while (holder->is_yielding) pthread_cond_wait(&table->yielded, &table->lock);
  pthread_mutex_unlock(&table->lock);
  return goes_on;
}

struct ingest_tus_holder *ingest_tus_table_yield(struct ingest_tus_table *table, const char *tenant,
                                                 struct base_span id, uint64_t since_us) {
  pthread_mutex_lock(&table->lock);
  struct node *node = *find(table, id);
  struct ingest_tus_holder *holder = node && strcmp(node->entry.tenant, tenant) == 0 ? node->waiting : NULL;
  if (holder && holder->since_us > since_us) holder = NULL;
  if (holder) {
    holder->is_yielding = true;
    node->waiting = NULL;
  }
  pthread_mutex_unlock(&table->lock);
  return holder;
}

void ingest_tus_table_yielded(struct ingest_tus_table *table, struct ingest_tus_holder *holder) {
  pthread_mutex_lock(&table->lock);
  holder->is_yielding = false;
  pthread_cond_broadcast(&table->yielded);
  pthread_mutex_unlock(&table->lock);
}

static void note(struct ingest_tus_table *table, const struct ingest_tus_session *session, bool unlocks) {
  pthread_mutex_lock(&table->lock);
  struct node *node = *find(table, base_span_text(session->id));
  BASE_ASSERT(node && node->entry.is_locked);
  node->entry.state = session->state;
  node->entry.expires_s = session->expires_s;
  node->entry.offset = session->offset;
  node->entry.is_locked = !unlocks;
  pthread_mutex_unlock(&table->lock);
}

void ingest_tus_table_note(struct ingest_tus_table *table, const struct ingest_tus_session *session) {
  note(table, session, false);
}

void ingest_tus_table_unlock(struct ingest_tus_table *table, const struct ingest_tus_session *session) {
  note(table, session, true);
}

void ingest_tus_table_remove(struct ingest_tus_table *table, const char *id) {
  pthread_mutex_lock(&table->lock);
  struct node **place = find(table, base_span_text(id));
  struct node *node = *place;
  BASE_ASSERT(node && node->entry.is_locked);
  *place = node->next;
  base_metric_set(table->metric, --table->count);
  pthread_mutex_unlock(&table->lock);
  free_node(node);
}

void ingest_tus_table_untold(struct ingest_tus_table *table, const struct ingest_tus_session *session) {
  struct base_fault *problem = session->state == INGEST_TUS_REFUSED ? malloc(sizeof *problem) : NULL;
  if (problem) *problem = session->problem;
  pthread_mutex_lock(&table->lock);
  struct node *node = *find(table, base_span_text(session->id));
  BASE_ASSERT(node && node->entry.is_locked);
  node->entry.is_untold = true;
  node->entry.original = session->original;
  struct base_fault *old = node->problem;
  node->problem = problem;
  pthread_mutex_unlock(&table->lock);
  free(old);
}

void ingest_tus_table_told(struct ingest_tus_table *table, const char *id) {
  pthread_mutex_lock(&table->lock);
  struct node *node = *find(table, base_span_text(id));
  BASE_ASSERT(node && node->entry.is_locked);
  node->entry.is_untold = false;
  pthread_mutex_unlock(&table->lock);
}

void ingest_tus_table_problem(struct ingest_tus_table *table, const char *id, struct base_fault *out) {
  base_fault_clear(out);
  pthread_mutex_lock(&table->lock);
  const struct node *node = *find(table, base_span_text(id));
  if (node && node->problem) *out = *node->problem;
  pthread_mutex_unlock(&table->lock);
  if (out->result == BASE_OK) (void)BASE_FAIL(out, BASE_UNPROCESSABLE, "", "it is no picture that can be kept");
}

void ingest_tus_table_put_off(struct ingest_tus_table *table, const char *id, int64_t now_s) {
  pthread_mutex_lock(&table->lock);
  struct node *node = *find(table, base_span_text(id));
  BASE_ASSERT(node && node->entry.is_locked);
  const int64_t wait_s = node->entry.attempts < MAX_DOUBLINGS ? INT64_C(1) << node->entry.attempts : LONGEST_PUT_OFF_S;
  node->entry.attempts++;
  node->entry.next_check_s = now_s + (wait_s < LONGEST_PUT_OFF_S ? wait_s : LONGEST_PUT_OFF_S);
  pthread_mutex_unlock(&table->lock);
}

static bool is_due(const struct ingest_tus_entry *entry, int64_t now_s) {
  if (entry->is_locked) return false;
  if (entry->expires_s <= now_s || entry->is_untold) return true;
  return entry->state == INGEST_TUS_CHECKING && entry->next_check_s <= now_s;
}

bool ingest_tus_table_take(struct ingest_tus_table *table, const char *id, int64_t now_s,
                           struct ingest_tus_entry *out) {
  pthread_mutex_lock(&table->lock);
  struct node *node = *find(table, base_span_text(id));
  const bool is_taken = node && is_due(&node->entry, now_s);
  if (is_taken) lock_node(node, out);
  pthread_mutex_unlock(&table->lock);
  return is_taken;
}

void ingest_tus_table_release(struct ingest_tus_table *table, const char *id) {
  pthread_mutex_lock(&table->lock);
  struct node *node = *find(table, base_span_text(id));
  BASE_ASSERT(node && node->entry.is_locked);
  node->entry.is_locked = false;
  pthread_mutex_unlock(&table->lock);
}

static bool has_ended(const struct ingest_tus_entry *entry) {
  return entry->state == INGEST_TUS_STORED || entry->state == INGEST_TUS_REFUSED;
}

static bool is_finished(const struct ingest_tus_entry *entry, const char *tenant) {
  if (entry->is_locked || (tenant && strcmp(entry->tenant, tenant) != 0)) return false;
  return has_ended(entry);
}

bool ingest_tus_table_take_finished(struct ingest_tus_table *table, const char *tenant, struct ingest_tus_entry *out) {
  struct node *oldest = NULL;
  pthread_mutex_lock(&table->lock);
  for (size_t i = 0; i < BUCKETS; i++) {
    for (struct node *node = table->buckets[i]; node; node = node->next) {
      if (!is_finished(&node->entry, tenant)) continue;
      if (!oldest || node->entry.expires_s < oldest->entry.expires_s) oldest = node;
    }
  }
  if (oldest) lock_node(oldest, out);
  pthread_mutex_unlock(&table->lock);
  return oldest != NULL;
}

void ingest_tus_table_hasten(struct ingest_tus_table *table, const char *id, int64_t expires_s) {
  pthread_mutex_lock(&table->lock);
  struct node *node = *find(table, base_span_text(id));
  if (node && !node->entry.is_locked && node->entry.expires_s > expires_s) node->entry.expires_s = expires_s;
  pthread_mutex_unlock(&table->lock);
}

// Those that have ended, or those that have not, behind the ones that are there.
static void append_ids(const struct ingest_tus_table *table, const char *tenant, bool ended,
                       char (*ids)[INGEST_TUS_ID_CHARS + 1], size_t *count) {
  for (size_t i = 0; i < BUCKETS; i++) {
    for (const struct node *node = table->buckets[i]; node; node = node->next) {
      if (tenant && strcmp(node->entry.tenant, tenant) != 0) continue;
      if (has_ended(&node->entry) == ended) memcpy(ids[(*count)++], node->entry.id, sizeof *ids);
    }
  }
}

enum base_result ingest_tus_table_ids(struct ingest_tus_table *table, const char *tenant,
                                      char (**out)[INGEST_TUS_ID_CHARS + 1], size_t *count, struct base_fault *fault) {
  *count = 0;
  pthread_mutex_lock(&table->lock);
  *out = malloc(((size_t)table->count + 1) * sizeof **out);
  if (*out) {
    append_ids(table, tenant, false, *out, count);
    append_ids(table, tenant, true, *out, count);
  }
  pthread_mutex_unlock(&table->lock);
  return *out ? BASE_OK : BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a list of uploads");
}
