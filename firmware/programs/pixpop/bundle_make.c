#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arrival.h"
#include "base/clock.h"
#include "base/file.h"
#include "bundle.h"
#include "complain.h"
#include "terminal.h"

struct making {
  struct update_recipe recipe;
  const char *created;
  const char *keys[UPDATE_MAX_SIGNATURES];
};

// Where the value of a word goes; NULL: there is no such name.
static const char **place_of(struct making *making, struct base_span name) {
  struct update_recipe *recipe = &making->recipe;
  if (base_span_is(name, "board")) return &recipe->board;
  if (base_span_is(name, "version")) return &recipe->version;
  if (base_span_is(name, "floor")) return &recipe->floor;
  if (base_span_is(name, "created")) return &making->created;
  if (base_span_is(name, "boot")) return &recipe->images[UPDATE_BOOT];
  if (base_span_is(name, "root")) return &recipe->images[UPDATE_ROOT];
  if (base_span_is(name, "key") && recipe->key_count < UPDATE_MAX_SIGNATURES) return &making->keys[recipe->key_count++];
  return NULL;
}

// An exit status.
static int take_words(struct making *making, char **words, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const char *equals = strchr(words[i], '=');
    if (equals == NULL) return complain_usage("bundle", "'%s' is not NAME=VALUE", words[i]);
    const struct base_span name = base_span_of(words[i], (size_t)(equals - words[i]));
    const char **place = place_of(making, name);
    if (place == NULL && base_span_is(name, "key"))
      return complain_usage("bundle", "more than %d keys", UPDATE_MAX_SIGNATURES);
    if (place == NULL)
      return complain_usage("bundle", "'%s' is none of board, version, floor, created, boot, root, key", words[i]);
    if (*place != NULL) return complain_usage("bundle", "'%s' is there twice", words[i]);
    *place = equals + 1;
  }
  const struct update_recipe *recipe = &making->recipe;
  const char *missing = recipe->board == NULL                 ? "board=NAME"
                        : recipe->version == NULL             ? "version=V"
                        : recipe->images[UPDATE_BOOT] == NULL ? "boot=FILE"
                        : recipe->images[UPDATE_ROOT] == NULL ? "root=FILE"
                        : recipe->key_count == 0              ? "key=PEM"
                                                              : NULL;
  return missing == NULL ? EXIT_FINE : complain_usage("bundle", "%s is missing", missing);
}

static int set_time(struct making *making) {
  const char *epoch = getenv("SOURCE_DATE_EPOCH");
  const char *text = making->created != NULL ? making->created : epoch;
  uint64_t seconds;
  if (text == NULL || text[0] == '\0') {
    making->recipe.created_s = base_clock_wall_s(base_clock_system());
    return EXIT_FINE;
  }
  if (!base_span_to_u64(base_span_text(text), &seconds) || seconds > INT64_MAX)
    return complain_usage("bundle", "%s '%s' is not seconds since 1970",
                          making->created != NULL ? "created" : "SOURCE_DATE_EPOCH", text);
  making->recipe.created_s = (int64_t)seconds;
  return EXIT_FINE;
}

static enum base_result write_bundle(const struct update_recipe *recipe, const char *path, uint64_t *bytes,
                                     struct base_fault *fault) {
  struct arrival arrival;
  struct stat info = {0};
  enum base_result result = arrival_begin(&arrival, path, fault);
  if (result == BASE_OK) result = update_bundle_write(recipe, arrival.fd, fault);
  if (result == BASE_OK && (fsync(arrival.fd) != 0 || fstat(arrival.fd, &info) != 0))
    result = BASE_FAIL_ERRNO(fault, "output", "cannot write '%.200s'", path);
  if (result == BASE_OK) result = arrival_place(&arrival, fault);
  *bytes = (uint64_t)info.st_size;
  arrival_end(&arrival);
  return result;
}

int bundle_make(const struct options *options, char **words, size_t count) {
  struct making making = {0};
  struct base_fault fault = {0};
  (void)options;
  making.recipe.key_paths = making.keys;
  int status = take_words(&making, words + 1, count - 1);
  if (status == EXIT_FINE) status = set_time(&making);
  if (status != EXIT_FINE) return status;
  if (strcmp(words[0], "-") == 0) return complain_usage("bundle", "a bundle is not written to a pipe");
  if (making.recipe.floor != NULL && strcmp(making.recipe.floor, "-") == 0) making.recipe.floor = NULL;
  uint64_t bytes;
  char size[TERMINAL_SIZE_CHARS];
  if (write_bundle(&making.recipe, words[0], &bytes, &fault) != BASE_OK) return complain_fault(NULL, &fault);
  printf("%s: board %s, version %s, %s, %zu %s\n", words[0], making.recipe.board, making.recipe.version,
         terminal_size(bytes, size), making.recipe.key_count,
         making.recipe.key_count == 1 ? "signature" : "signatures");
  return EXIT_FINE;
}
