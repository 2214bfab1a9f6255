// Keys, images and bundles in a temporary folder, for the tests of this room.
//
// Include after <cmocka.h>. Keys are made anew in each run from a fixed seed.
#ifndef TESTS_UPDATE_BUNDLES_H
#define TESTS_UPDATE_BUNDLES_H

#include <fcntl.h>
#include <mbedtls/ecp.h>
#include <mbedtls/pk.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "temp_folder.h"
#include "update/bundle.h"

#ifndef ROOT_BYTES
#define ROOT_BYTES ((2 << 20) + 12345)
#endif
enum { PATH_CHARS = 128, BOOT_BYTES = 70001, MAX_PEM = 2048, CREATED_S = 1790000000 };

struct bundles {
  struct temp_folder folder;
  char boot[PATH_CHARS], root[PATH_CHARS], out[PATH_CHARS];
  struct update_keys *keys;  // what a box trusts; NULL as long as nobody has made one
};

static inline uint32_t next_random(uint32_t *seed) {
  *seed ^= *seed << 13, *seed ^= *seed >> 17, *seed ^= *seed << 5;
  return *seed;
}

static inline int make_random(void *seed, unsigned char *out, size_t bytes) {
  for (size_t at = 0; at < bytes; at += sizeof(uint32_t)) {
    const uint32_t random = next_random(seed);
    memcpy(out + at, &random, bytes - at < sizeof(random) ? bytes - at : sizeof(random));
  }
  return 0;
}

static inline void write_file(const char *path, const void *data, size_t bytes) {
  struct base_fault fault = {0};
  if (base_file_replace_durably(path, base_span_of(data, bytes), 0600, &fault) != BASE_OK) fail_msg("%s", fault.text);
}

static inline struct base_buffer read_file(const char *path) {
  struct base_buffer out;
  assert_int_equal(base_file_read(path, 64 << 20, &out, NULL), BASE_OK);
  return out;
}

static inline char *path_in(const struct bundles *bundles, const char *name, char out[PATH_CHARS]) {
  return temp_folder_path(&bundles->folder, name, out, PATH_CHARS);
}

// "NAME.key" (private) in the folder and "NAME.pem" (public) in its folder "keys".
static inline void make_key(const struct bundles *bundles, const char *name, uint32_t seed,
                            mbedtls_ecp_group_id curve) {
  char file[64], path[PATH_CHARS];
  unsigned char pem[MAX_PEM];
  mbedtls_pk_context key;
  mbedtls_pk_init(&key);
  assert_int_equal(mbedtls_pk_setup(&key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)), 0);
  assert_int_equal(mbedtls_ecp_gen_key(curve, mbedtls_pk_ec(key), make_random, &seed), 0);
  assert_int_equal(mbedtls_pk_write_key_pem(&key, pem, sizeof(pem)), 0);
  snprintf(file, sizeof(file), "%s.key", name);
  write_file(path_in(bundles, file, path), pem, strlen((char *)pem));
  assert_int_equal(mbedtls_pk_write_pubkey_pem(&key, pem, sizeof(pem)), 0);
  snprintf(file, sizeof(file), "%s.pem", name);
  write_file(path_in(bundles, file, path), pem, strlen((char *)pem));
  mbedtls_pk_free(&key);
}

static inline void make_noise(const char *path, size_t bytes, uint32_t seed) {
  uint8_t *data = malloc(bytes);
  assert_non_null(data);
  make_random(&seed, data, bytes);
  write_file(path, data, bytes);
  free(data);
}

static inline void bundles_begin(struct bundles *bundles) {
  temp_folder_make(&bundles->folder);
  path_in(bundles, "boot.img", bundles->boot);
  path_in(bundles, "root.img", bundles->root);
  path_in(bundles, "out.pixpop", bundles->out);
  make_noise(bundles->boot, BOOT_BYTES, 11);
  make_noise(bundles->root, ROOT_BYTES, 12);
  make_key(bundles, "old", 1, MBEDTLS_ECP_DP_SECP256R1);
  make_key(bundles, "new", 2, MBEDTLS_ECP_DP_SECP256R1);
  make_key(bundles, "foreign", 3, MBEDTLS_ECP_DP_SECP256R1);
}

// The tear-down of tests whose state is the bundles.
static inline int bundles_end(void **state) {
  struct bundles *bundles = *state;
  update_keys_destroy(&bundles->keys);
  temp_folder_remove(&bundles->folder);
  return 0;
}

// A folder of its own with the public keys of `names` ("old new"), loaded.
static inline struct update_keys *trust(const struct bundles *bundles, const char *names) {
  static unsigned number;
  char folder[PATH_CHARS], from[PATH_CHARS], to[2 * PATH_CHARS], name[64];
  struct update_keys *keys = NULL;
  struct base_fault fault = {0};
  snprintf(name, sizeof(name), "keys-%u", number++);
  assert_int_equal(mkdir(path_in(bundles, name, folder), 0700), 0);
  struct base_span rest = base_span_text(names);
  while (rest.data != NULL) {
    const struct base_span word = base_span_cut(&rest, ' ');
    snprintf(name, sizeof(name), "%.*s.pem", (int)word.bytes, (const char *)word.data);
    struct base_buffer pem = read_file(path_in(bundles, name, from));
    snprintf(to, sizeof(to), "%s/%s", folder, name);
    write_file(to, pem.data, pem.bytes);
    base_buffer_finish(&pem);
  }
  if (update_keys_load(folder, &keys, &fault) != BASE_OK) fail_msg("%s", fault.text);
  return keys;
}

#endif
