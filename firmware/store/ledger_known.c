#include "ledger_known.h"
#include "ledger_queue.h"

#include <stdlib.h>
#include <string.h>

struct store_ledger_known *store_ledger_known_create(void) {
  struct store_ledger_known *known = calloc(1, sizeof *known);
  if (known) base_buffer_init(&known->objects, SIZE_MAX / 2);
  return known;
}

void store_ledger_known_destroy(struct store_ledger_known **known) {
  if (!*known) return;
  base_buffer_finish(&(*known)->objects);
  store_ledger_map_finish(&(*known)->current);
  free(*known);
  *known = NULL;
}

struct store_ledger_key store_ledger_key_of_derive(const struct store_ledger *ledger, const char *tenant,
                                                   const struct integrity_digest *original, const char *recipe,
                                                   const struct integrity_digest *digest) {
  const struct base_span pieces[] = {
      base_span_of(ledger->secret, sizeof ledger->secret),
      base_span_of("d", 1),
      base_span_of(tenant, strlen(tenant) + 1),
      base_span_of(original->bytes, sizeof original->bytes),
      base_span_of(recipe, strlen(recipe) + 1),
      base_span_of(digest->bytes, sizeof digest->bytes),
  };
  uint8_t out[BASE_DIGEST_BYTES];
  integrity_digest_pieces(pieces, sizeof pieces / sizeof pieces[0], out);
  struct store_ledger_key key;
  memcpy(key.bytes, out, sizeof key.bytes);
  return key;
}

static struct store_ledger_key key_of_index(uint64_t index) {
  struct store_ledger_key key = {{0}};
  // The map takes its place from the first bytes: spread them.
  const uint64_t spread = index * UINT64_C(0x9e3779b97f4a7c15);
  memcpy(key.bytes, &spread, sizeof spread);
  return key;
}

// An entry that says again what another one said takes its place.
static enum base_result replace(struct store_ledger *ledger, struct store_ledger_known *known, uint64_t first,
                                uint64_t index) {
  const struct store_ledger_key key = key_of_index(first);
  size_t at = 0;
  uint32_t value;
  if (store_ledger_map_next(&known->current, &key, &at, &value)) {
    store_ledger_mark_dead(ledger, ledger->base + value);
    store_ledger_map_remove(&known->current, &key, value);
  } else if (first < index) {
    store_ledger_mark_dead(ledger, first);
  }
  return store_ledger_map_add(&known->current, &key, (uint32_t)(index - ledger->base));
}

static enum base_result add_object(const struct store_ledger *ledger, struct store_ledger_known *known,
                                   const struct integrity_subject *subject, uint64_t index) {
  struct store_ledger_known_object object;
  memset(&object, 0, sizeof object);
  object.value = (uint32_t)(index - ledger->base);
  object.is_derive = subject->kind == INTEGRITY_ENTRY_DERIVE;
  object.object = store_ledger_key_of_object(ledger, subject->tenant, &subject->object);
  object.key = object.is_derive ? store_ledger_key_of_derive(ledger, subject->tenant, &subject->original,
                                                             subject->recipe, &subject->object)
                                : store_ledger_key_of_original(ledger, subject->tenant, &subject->object);
  return base_buffer_append(&known->objects, &object, sizeof object);
}

// Whether the entry is a derive that is still there to be read. The objects are in the order of their entries.
static bool is_derive(const struct store_ledger *ledger, const struct store_ledger_known *known, uint64_t index) {
  const struct store_ledger_known_object *objects = (const void *)known->objects.data;
  size_t low = 0, high = known->objects.bytes / sizeof *objects;
  if (index < ledger->base) return false;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (objects[middle].value == index - ledger->base) return objects[middle].is_derive;
    if (objects[middle].value < index - ledger->base) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return false;
}

// One that compaction entered again may stand behind one that came meanwhile, and is the older one all the same.
static void note_config(struct store_ledger *ledger, uint64_t said_first, const struct integrity_subject *subject) {
  struct store_ledger_config_seen *seen = &ledger->config;
  if (seen->is_there && said_first < seen->said_first) return;
  seen->is_there = true;
  seen->said_first = said_first;
  seen->settings = subject->object;
  memcpy(seen->version, subject->version, sizeof seen->version);
}

enum base_result store_ledger_known_add(struct store_ledger *ledger, struct store_ledger_known *known,
                                        const struct integrity_entry *entry, const struct integrity_subject *subject,
                                        struct base_fault *fault) {
  const uint64_t index = ledger->size;
  enum base_result result = BASE_OK;
  if (index - ledger->base >= UINT32_MAX - 1 || !store_ledger_grow_bits(ledger, index + 1)) result = BASE_NO_MEMORY;
  if (result == BASE_OK) {
    ledger->size++;
    if (entry->renews != INTEGRITY_ENTRY_NONE) result = replace(ledger, known, entry->renews, index);
  }
  if (result != BASE_OK) return BASE_FAIL(fault, result, "", "no memory for the ledger");
  switch (entry->kind) {
    case INTEGRITY_ENTRY_PUT:
    case INTEGRITY_ENTRY_DERIVE:
      result = add_object(ledger, known, subject, index);
      break;
    case INTEGRITY_ENTRY_EVICT:
      store_ledger_mark_dead(ledger, index);
      store_ledger_mark_dead(ledger, entry->refers);
      break;
    case INTEGRITY_ENTRY_PURGE:
      store_ledger_mark_dead(ledger, entry->refers);
      if (is_derive(ledger, known, entry->refers)) store_ledger_mark_dead(ledger, index);
      break;
    case INTEGRITY_ENTRY_CONFIG:
      note_config(ledger, entry->renews != INTEGRITY_ENTRY_NONE ? entry->renews : index, subject);
      break;
  }
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "", "no memory for the ledger");
}

enum base_result store_ledger_known_settle(struct store_ledger *ledger, struct store_ledger_known *known,
                                           struct base_fault *fault) {
  struct store_ledger_known_object *objects = (void *)known->objects.data;
  const size_t count = known->objects.bytes / sizeof *objects;
  size_t living = 0;
  enum base_result result = BASE_OK;
  for (size_t i = 0; i < count && result == BASE_OK; i++) {
    if (store_ledger_is_dead(ledger, ledger->base + objects[i].value)) continue;
    const struct store_ledger_known_object *object = &objects[living];
    objects[living++] = objects[i];
    result = store_ledger_map_add(&ledger->by_object, &object->object, object->value);
    if (result == BASE_OK && !object->is_derive) {
      result = store_ledger_map_add(&ledger->by_key, &object->key, object->value);
    }
  }
  known->objects.bytes = living * sizeof *objects;
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "", "no memory for the ledger");
}
