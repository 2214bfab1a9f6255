#include "names.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
  BUCKETS = 1024,  // ten thousand may be open at once
  RESTING = 256,   // as many clients as send chunk after chunk at the same time
  HASH_PRIME = 31,
};

struct name {
  struct name *next;
  enum store_name_use use;
  char text[STORE_UPLOAD_NAME_CHARS + 1];
};

struct resting {
  char name[STORE_UPLOAD_NAME_CHARS + 1];  // empty: none
  uint64_t hashed;
  struct integrity_hash hash;
};

struct store_names {
  pthread_mutex_t lock;
  struct name *buckets[BUCKETS];
  struct resting resting[RESTING];
  size_t next_resting;
};

struct store_names *store_names_create(void) {
  struct store_names *names = calloc(1, sizeof *names);
  if (!names) return NULL;
  BASE_ASSERT(pthread_mutex_init(&names->lock, NULL) == 0);
  return names;
}

void store_names_destroy(struct store_names **names_pointer) {
  struct store_names *names = *names_pointer;
  *names_pointer = NULL;
  if (!names) return;
  for (size_t i = 0; i < BUCKETS; i++) {
    for (struct name *name = names->buckets[i], *next; name; name = next) {
      next = name->next;
      free(name);
    }
  }
  pthread_mutex_destroy(&names->lock);
  free(names);
}

// Where the name is linked, or where it would be.
static struct name **find(struct store_names *names, const char *text) {
  unsigned sum = 0;
  for (const char *at = text; *at; at++) sum = sum * HASH_PRIME + (unsigned char)*at;
  struct name **link = &names->buckets[sum % BUCKETS];
  while (*link && strcmp((*link)->text, text) != 0) link = &(*link)->next;
  return link;
}

enum store_name_use store_names_look(struct store_names *names, const char *text) {
  pthread_mutex_lock(&names->lock);
  const struct name *name = *find(names, text);
  const enum store_name_use use = name ? name->use : STORE_NAME_FREE;
  pthread_mutex_unlock(&names->lock);
  return use;
}

static enum base_result take(struct store_names *names, const char *text, enum store_name_use *before,
                             struct base_fault *fault) {
  struct name **link = find(names, text), *name = *link;
  if (name && name->use == STORE_NAME_OPEN) {
    return BASE_FAIL(fault, BASE_CONFLICT, "upload", "the upload is in use");
  }
  if (name && !before) return BASE_FAIL(fault, BASE_CONFLICT, "upload", "the upload has become an original");
  if (before) *before = name ? name->use : STORE_NAME_FREE;
  if (!name) {
    name = calloc(1, sizeof *name);
    if (!name) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for an upload");
    memcpy(name->text, text, sizeof name->text);
    *link = name;
  }
  name->use = STORE_NAME_OPEN;
  return BASE_OK;
}

enum base_result store_names_take(struct store_names *names, const char *text, enum store_name_use *before,
                                  struct base_fault *fault) {
  pthread_mutex_lock(&names->lock);
  const enum base_result result = take(names, text, before, fault);
  pthread_mutex_unlock(&names->lock);
  return result;
}

void store_names_give_back(struct store_names *names, const char *text, enum store_name_use use) {
  pthread_mutex_lock(&names->lock);
  struct name **link = find(names, text), *name = *link;
  BASE_ASSERT(name && name->use == STORE_NAME_OPEN && use != STORE_NAME_OPEN);
  name->use = use;
  if (use == STORE_NAME_FREE) {
    *link = name->next;
    free(name);
  }
  pthread_mutex_unlock(&names->lock);
}

void store_names_keep_hash(struct store_names *names, const char *text, const struct integrity_hash *hash,
                           uint64_t hashed) {
  pthread_mutex_lock(&names->lock);
  struct resting *resting = &names->resting[names->next_resting++ % RESTING];
  memcpy(resting->name, text, sizeof resting->name);
  resting->hash = *hash;
  resting->hashed = hashed;
  pthread_mutex_unlock(&names->lock);
}

static struct resting *find_resting(struct store_names *names, const char *text) {
  for (size_t i = 0; i < RESTING; i++) {
    if (strcmp(names->resting[i].name, text) == 0) return &names->resting[i];
  }
  return NULL;
}

bool store_names_take_hash(struct store_names *names, const char *text, struct integrity_hash *hash, uint64_t *hashed) {
  pthread_mutex_lock(&names->lock);
  struct resting *resting = find_resting(names, text);
  if (resting) {
    *hash = resting->hash;
    *hashed = resting->hashed;
    resting->name[0] = '\0';
  }
  pthread_mutex_unlock(&names->lock);
  return resting != NULL;
}

void store_names_forget_hash(struct store_names *names, const char *text) {
  pthread_mutex_lock(&names->lock);
  struct resting *resting = find_resting(names, text);
  if (resting) resting->name[0] = '\0';
  pthread_mutex_unlock(&names->lock);
}
