// Forgetting and purging: what of an original must not be answered any more.
#include <stdlib.h>
#include <string.h>

#include "hints.h"
#include "state.h"

struct target {
  const char *tenant;
  const struct integrity_digest *original;
};

static bool is_variant_of(void *argument, const struct cache_key *key, const void *value) {
  (void)key;
  const struct target *target = argument;
  const struct pop_variant *variant = value;
  return pop_original_is(variant->original, target->tenant, target->original);
}

// What is under way will not be kept. Before anything is dropped from the disk, so that whoever writes there later
// knows that it must not; and again before anything is dropped from RAM, for those who have read from the disk
// meanwhile.
static void mark(struct pop *pop, const char *tenant, const struct integrity_digest *original, bool forgets_notes) {
  pop_flights_forget(&pop->flights, tenant, original);
  pop_upgrades_forget(&pop->upgrades, tenant, original, forgets_notes);
}

// How many went from RAM.
static uint64_t drop_from_ram(struct pop *pop, const char *tenant, const struct integrity_digest *original,
                              bool forgets_notes) {
  struct target target = {.tenant = tenant, .original = original};
  mark(pop, tenant, original, forgets_notes);
  return cache_lru_remove_if(pop->variants, is_variant_of, &target);
}

void pop_forget(struct pop *pop, const char *tenant, const struct integrity_digest *original) {
  pop_originals_forget(&pop->originals, tenant, original);
  (void)drop_from_ram(pop, tenant, original, false);
}

static enum base_result purge_all(struct pop *pop, const char *tenant, const struct integrity_digest *original,
                                  uint64_t *dropped, struct base_fault *fault) {
  mark(pop, tenant, original, true);
  const enum base_result result = store_variants_drop(pop->store, tenant, original, dropped, fault);
  const uint64_t in_ram = drop_from_ram(pop, tenant, original, true);
  if (in_ram > *dropped) *dropped = in_ram;  // the disk may have been full
  return result;
}

// --- by recipe ---

static const enum recipe_format formats[] = {RECIPE_FORMAT_WEBP, RECIPE_FORMAT_AVIF, RECIPE_FORMAT_JPEG,
                                             RECIPE_FORMAT_PNG};
static const uint32_t dprs[] = {0, 1000, 1500, 2000, 3000};  // the classes of hints.h; 0 for who tells none
enum {
  FORMATS = sizeof formats / sizeof formats[0],
  DPRS = sizeof dprs / sizeof dprs[0],
  NETWORKS = POP_NETWORK_SLOW + 1,
  MAX_KEYS = (POP_MAX_LADDER + 1) * DPRS * NETWORKS * FORMATS * 2,
};

// The keys that a URL comes to. Some are there more than once.
struct bunch {
  struct pop_original *original;
  struct pop_chart chart;
  size_t count;
  struct {
    struct cache_key key;
    bool was_there;
  } entries[MAX_KEYS];
  struct base_fault fault;  // of what could not be pinned
};

static void add_course(struct bunch *bunch, const struct recipe *wanted, enum recipe_format format) {
  struct pop_course course;
  if (pop_course_set(bunch->original, wanted, format, bunch->chart, &course, &bunch->fault) != BASE_OK) return;
  BASE_ASSERT(bunch->count < MAX_KEYS);
  bunch->entries[bunch->count++].key = course.key;
}

// In every format where it is open: with the original's own file as a possible answer, and without, for those who do
// not take that.
static void add_formats(struct bunch *bunch, const struct recipe *followed) {
  if (followed->format != RECIPE_FORMAT_AUTO) {
    add_course(bunch, followed, followed->format);
    return;
  }
  for (size_t i = 0; i < FORMATS; i++) {
    struct recipe named = *followed;
    named.format = formats[i];
    add_course(bunch, followed, formats[i]);
    add_course(bunch, &named, formats[i]);
  }
}

static void add_hinted(struct bunch *bunch, const struct pop_tenant *tenant, const struct recipe *wanted, unsigned open,
                       uint32_t width) {
  const size_t dpr_count = open & POP_OPEN_DPR ? DPRS : 1;
  const size_t network_count = open & POP_OPEN_QUALITY ? NETWORKS : 1;
  for (size_t i = 0; i < dpr_count * network_count; i++) {
    const struct pop_hints hints = {
        .dpr_milli = dprs[i % dpr_count], .width = width, .network = (uint32_t)(i / dpr_count)};
    struct recipe followed = *wanted;
    uint32_t ignored;
    pop_hints_apply(&hints, open, tenant, &followed, &ignored);
    add_formats(bunch, &followed);
  }
}

// With the hints that fill in what is open.
static void gather(struct bunch *bunch, const struct pop_tenant *tenant, const struct recipe *wanted) {
  size_t count;
  const struct pop_address address = {.grammar = POP_NATIVE, .recipe = *wanted};
  const unsigned open = pop_hints_open(&address, tenant);
  const uint32_t *ladder = pop_tenant_ladder(tenant, &count);
  add_hinted(bunch, tenant, wanted, open, 0);
  for (size_t i = 0; open & POP_OPEN_SIZE && i < count; i++) add_hinted(bunch, tenant, wanted, open, ladder[i]);
}

static enum base_result drop_bunch(struct pop *pop, struct bunch *bunch, uint64_t *dropped, struct base_fault *fault) {
  const struct pop_original *original = bunch->original;
  enum base_result result = BASE_OK;
  struct base_fault cause = {0};
  // Others of the original are marked too, and only cost a second making.
  mark(pop, original->tenant, &original->id, true);
  for (size_t i = 0; i < bunch->count && result == BASE_OK; i++) {
    result = store_variant_drop(pop->store, &bunch->entries[i].key, &cause);
    bunch->entries[i].was_there = result == BASE_OK;
    if (result == BASE_NOT_FOUND) result = BASE_OK;
  }
  mark(pop, original->tenant, &original->id, true);
  for (size_t i = 0; i < bunch->count; i++) {
    const bool was_in_ram = cache_lru_remove(pop->variants, &bunch->entries[i].key);
    if (bunch->entries[i].was_there || was_in_ram) ++*dropped;
  }
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, cause.subject, "%s", cause.text);
}

static enum base_result purge_recipe(struct pop *pop, struct pop_original *original, const struct recipe *recipe,
                                     uint64_t *dropped, struct base_fault *fault) {
  static const struct pop_tenant nobody;
  const struct pop_tenant *tenant = pop_tenants_find_name(&pop->tenants, original->tenant);
  struct bunch *bunch = calloc(1, sizeof *bunch);
  if (!bunch) return BASE_FAIL(fault, BASE_NO_MEMORY, "recipe", "no memory for a purge");
  bunch->original = original;
  bunch->chart = pop_chart(pop, original->tenant);
  gather(bunch, tenant ? tenant : &nobody, recipe);
  const struct base_fault *cause = &bunch->fault;
  const enum base_result result = bunch->count > 0 ? drop_bunch(pop, bunch, dropped, fault)
                                                   : BASE_FAIL(fault, cause->result, cause->subject, "%s", cause->text);
  free(bunch);
  return result;
}

enum base_result pop_purge(struct pop *pop, const char *tenant, const struct integrity_digest *id,
                           const struct recipe *recipe, uint64_t *dropped, struct base_fault *fault) {
  struct pop_original *original = NULL;
  *dropped = 0;
  enum base_result result = pop_originals_load(&pop->originals, tenant, id, &original, fault);
  if (result != BASE_OK) return result;
  result = recipe ? purge_recipe(pop, original, recipe, dropped, fault) : purge_all(pop, tenant, id, dropped, fault);
  pop_original_unref(&original);
  return result;
}
