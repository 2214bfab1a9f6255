// Bundles as a test wants them, of the images and keys in bundles.h.
//
// Include after <cmocka.h>.
#ifndef TESTS_UPDATE_WISH_H
#define TESTS_UPDATE_WISH_H

#include "bundles.h"

struct wish {
  const char *board, *version, *floor, *signers;  // NULL: "test-board", "1.2.0", none, "old"
};

static inline struct base_buffer make_bundle(const struct bundles *bundles, struct wish wish) {
  char paths[UPDATE_MAX_SIGNATURES][PATH_CHARS], name[64];
  const char *keys[UPDATE_MAX_SIGNATURES];
  struct update_recipe recipe = {.board = wish.board != NULL ? wish.board : "test-board",
                                 .version = wish.version != NULL ? wish.version : "1.2.0",
                                 .floor = wish.floor,
                                 .created_s = CREATED_S,
                                 .images = {bundles->boot, bundles->root},
                                 .key_paths = keys};
  struct base_span rest = base_span_text(wish.signers != NULL ? wish.signers : "old");
  struct base_fault fault = {0};
  while (rest.data != NULL) {
    const struct base_span word = base_span_cut(&rest, ' ');
    snprintf(name, sizeof(name), "%.*s.key", (int)word.bytes, (const char *)word.data);
    keys[recipe.key_count] = path_in(bundles, name, paths[recipe.key_count]);
    recipe.key_count++;
  }
  const int fd = open(bundles->out, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  assert_true(fd >= 0);
  if (update_bundle_write(&recipe, fd, &fault) != BASE_OK) fail_msg("%s", fault.text);
  close(fd);
  return read_file(bundles->out);
}

// Where the images begin.
static inline size_t head_bytes_of(const struct base_buffer *bundle) { return bundle->bytes - BOOT_BYTES - ROOT_BYTES; }

#endif
