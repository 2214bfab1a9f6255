#include "prewarm_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"

enum { FILE_FORMAT = 1, FILE_MODE = 0640 };

void pop_prewarm_lists_finish(struct pop_prewarm_lists *lists) {
  for (size_t i = 0; i < lists->count; i++) {
    free(lists->items[i]->recipes);
    free(lists->items[i]);
  }
  memset(lists, 0, sizeof *lists);
}

struct pop_prewarm_list *pop_prewarm_lists_find(struct pop_prewarm_lists *lists, const char *tenant) {
  for (size_t i = 0; i < lists->count; i++) {
    if (strcmp(lists->items[i]->tenant, tenant) == 0) return lists->items[i];
  }
  return NULL;
}

enum base_result pop_prewarm_lists_get(struct pop_prewarm_lists *lists, const char *tenant,
                                       struct pop_prewarm_list **out, struct base_fault *fault) {
  *out = pop_prewarm_lists_find(lists, tenant);
  if (*out) return BASE_OK;
  if (lists->count == POP_PREWARM_TENANTS) {
    return BASE_FAIL(fault, BASE_TOO_LARGE, "tenant", "at most %d tenants have a prewarm list", POP_PREWARM_TENANTS);
  }
  struct pop_prewarm_list *list = calloc(1, sizeof *list);
  if (!list) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a prewarm list");
  if (!base_span_copy(base_span_text(tenant), list->tenant, sizeof list->tenant)) {
    free(list);
    return BASE_FAIL(fault, BASE_BAD_INPUT, "tenant", "this is no tenant's name");
  }
  *out = lists->items[lists->count++] = list;
  return BASE_OK;
}

static enum base_result fail_recipe(size_t index, const char *what, struct base_fault *fault) {
  char subject[BASE_FAULT_SUBJECT_BYTES];
  (void)snprintf(subject, sizeof subject, "recipes[%zu]", index);
  return BASE_FAIL(fault, BASE_BAD_INPUT, subject, "recipe %zu %s", index, what);
}

enum base_result pop_prewarm_parse(const struct base_span *recipes, size_t count, struct pop_prewarm_recipe **out,
                                   struct base_fault *fault) {
  *out = NULL;
  if (count > POP_MAX_PREWARM) {
    return BASE_FAIL(fault, BASE_TOO_LARGE, "recipes", "a prewarm list has at most %d recipes", POP_MAX_PREWARM);
  }
  struct pop_prewarm_recipe *parsed = count ? calloc(count, sizeof *parsed) : NULL;
  if (count && !parsed) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a prewarm list");
  enum base_result result = BASE_OK;
  for (size_t i = 0; i < count && result == BASE_OK; i++) {
    if (!base_span_copy(recipes[i], parsed[i].text, sizeof parsed[i].text)) {
      result = fail_recipe(i, "is too long", fault);
      break;
    }
    result = pop_batch_parse(i, recipes[i], &parsed[i].recipe, fault);
    for (size_t j = 0; j < i && result == BASE_OK; j++) {
      if (strcmp(parsed[j].text, parsed[i].text) == 0) result = fail_recipe(i, "is in the list already", fault);
    }
  }
  if (result != BASE_OK) {
    free(parsed);
    return result;
  }
  *out = parsed;
  return BASE_OK;
}

// --- the file ---

static enum base_result read_list(struct pop_prewarm_lists *lists, const struct base_json_value *value,
                                  struct base_fault *fault) {
  const char *tenant = base_json_as_string(base_json_get(value, "tenant"));
  const struct base_json_value *recipes = base_json_get(value, "recipes");
  struct base_span texts[POP_MAX_PREWARM];
  const size_t count = base_json_length(recipes);
  struct pop_prewarm_list *list;
  int64_t since_s;
  if (!tenant || count > POP_MAX_PREWARM || !base_json_as_integer(base_json_get(value, "since"), &since_s)) {
    return BASE_FAIL(fault, BASE_CORRUPT, "prewarm", "the prewarm file holds something that is no list");
  }
  for (size_t i = 0; i < count; i++) texts[i] = base_span_text(base_json_as_string(base_json_at(recipes, i)));
  const enum base_result result = pop_prewarm_lists_get(lists, tenant, &list, fault);
  if (result != BASE_OK) return result;
  list->since_s = since_s;
  list->catches_up = true;
  free(list->recipes);
  list->count = 0;
  struct base_fault cause = {0};
  if (pop_prewarm_parse(texts, count, &list->recipes, &cause) != BASE_OK) {
    return BASE_FAIL(fault, BASE_CORRUPT, "prewarm", "the prewarm file: %s", cause.text);
  }
  list->count = count;
  return BASE_OK;
}

static enum base_result read_tree(struct pop_prewarm_lists *lists, const struct base_json_value *root,
                                  struct base_fault *fault) {
  int64_t format;
  const struct base_json_value *tenants = base_json_get(root, "tenants"), *run = base_json_get(root, "run");
  if (!base_json_as_integer(base_json_get(root, "format"), &format) || format != FILE_FORMAT ||
      !base_json_is_array(tenants)) {
    return BASE_FAIL(fault, BASE_CORRUPT, "prewarm", "the prewarm file is none, or of another firmware");
  }
  enum base_result result = BASE_OK;
  for (size_t i = 0; i < base_json_length(tenants) && result == BASE_OK; i++) {
    result = read_list(lists, base_json_at(tenants, i), fault);
  }
  const char *tenant = base_json_as_string(base_json_get(run, "tenant"));
  const char *tag = base_json_as_string(base_json_get(run, "tag"));
  lists->has_run = result == BASE_OK && tenant && tag &&
                   base_span_copy(base_span_text(tenant), lists->run_tenant, sizeof lists->run_tenant) &&
                   base_span_copy(base_span_text(tag), lists->run_tag, sizeof lists->run_tag);
  return result;
}

enum base_result pop_prewarm_lists_read(struct pop_prewarm_lists *lists, const char *path, struct base_fault *fault) {
  struct base_buffer text;
  struct base_json *json = NULL;
  struct base_fault cause = {0};
  enum base_result result = base_file_read(path, BASE_JSON_MAX_BYTES, &text, &cause);
  if (result == BASE_NOT_FOUND) return BASE_OK;
  if (result == BASE_OK) {
    result = base_json_parse(base_buffer_span(&text), &json, &cause);
    if (result == BASE_OK) result = read_tree(lists, base_json_root(json), &cause);
    base_json_destroy(&json);
  }
  base_buffer_finish(&text);
  if (result == BASE_OK) return BASE_OK;
  pop_prewarm_lists_finish(lists);
  if (result == BASE_BAD_INPUT || result == BASE_TOO_LARGE) result = BASE_CORRUPT;
  return BASE_FAIL(fault, result, path, "%s", cause.text);
}

static void write_list(struct base_json_writer *json, const struct pop_prewarm_list *list) {
  base_json_object(json, NULL);
  base_json_string(json, "tenant", list->tenant);
  base_json_integer(json, "since", list->since_s);
  base_json_array(json, "recipes");
  for (size_t i = 0; i < list->count; i++) base_json_string(json, NULL, list->recipes[i].text);
  base_json_array_end(json);
  base_json_object_end(json);
}

enum base_result pop_prewarm_lists_write(const struct pop_prewarm_lists *lists, const char *path,
                                         struct base_fault *fault) {
  struct base_buffer text;
  struct base_json_writer json;
  base_buffer_init(&text, BASE_JSON_MAX_BYTES);
  base_json_begin(&json, &text);
  base_json_object(&json, NULL);
  base_json_integer(&json, "format", FILE_FORMAT);
  base_json_array(&json, "tenants");
  for (size_t i = 0; i < lists->count; i++) write_list(&json, lists->items[i]);
  base_json_array_end(&json);
  if (lists->has_run) {
    base_json_object(&json, "run");
    base_json_string(&json, "tenant", lists->run_tenant);
    base_json_string(&json, "tag", lists->run_tag);
    base_json_object_end(&json);
  }
  base_json_object_end(&json);
  enum base_result result = json.result;
  if (result == BASE_OK) {
    result = base_file_replace_durably(path, base_buffer_span(&text), FILE_MODE, fault);
  } else {
    result = BASE_FAIL(fault, result, "recipes", "all prewarm lists together are too long");
  }
  base_buffer_finish(&text);
  return result;
}
