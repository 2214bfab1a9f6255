#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/file.h"
#include "bundle.h"
#include "complain.h"
#include "progress.h"
#include "terminal.h"

enum { COPY_BYTES = 256 * 1024 };

static const char *const part_names[UPDATE_PARTS] = {[UPDATE_BOOT] = "boot", [UPDATE_ROOT] = "root"};

// --- show ---

static void print_manifest(const struct update_manifest *manifest) {
  char time[TERMINAL_TIME_CHARS], size[TERMINAL_SIZE_CHARS], digest[BASE_DIGEST_BASE64URL_CHARS + 1];
  printf("%-10s %s\n%-10s %s\n", "board", manifest->board, "version", manifest->version);
  printf("%-10s %s\n", "floor", manifest->floor[0] != '\0' ? manifest->floor : "none");
  printf("%-10s %s\n", "created", terminal_time(manifest->created_s, time));
  for (int part = 0; part < UPDATE_PARTS; part++) {
    integrity_digest_text(&manifest->parts[part].digest, digest);
    printf("%-10s %s, SHA-256 %s\n", part_names[part], terminal_size(manifest->parts[part].bytes, size), digest);
  }
}

// Nothing in it has to be escaped: the parser let only letters, digits, '.', '-' and '_' in.
static void print_json(const struct update_manifest *manifest, const struct update_signature *signatures, size_t count,
                       uint64_t bytes) {
  char text[BASE_DIGEST_BASE64URL_CHARS + 1], key[BUNDLE_KEY_CHARS + 1];
  printf("{\"board\":\"%s\",\"version\":\"%s\",\"floor\":\"%s\",\"created\":%" PRId64 ",\"bytes\":%" PRIu64,
         manifest->board, manifest->version, manifest->floor, manifest->created_s, bytes);
  for (int part = 0; part < UPDATE_PARTS; part++) {
    integrity_digest_text(&manifest->parts[part].digest, text);
    printf(",\"%s\":{\"bytes\":%" PRIu64 ",\"sha256\":\"%s\"}", part_names[part], manifest->parts[part].bytes, text);
  }
  fputs(",\"keys\":[", stdout);
  for (size_t i = 0; i < count; i++) printf("%s\"%s\"", i > 0 ? "," : "", bundle_key_text(signatures[i].key_id, key));
  puts("]}");
}

enum base_result bundle_check_size(const struct update_head *head, const struct update_manifest *manifest,
                                   uint64_t size, struct base_fault *fault) {
  const uint64_t wanted = bundle_bytes(head, manifest);
  if (size < wanted)
    return BASE_FAIL(fault, BASE_CORRUPT, "bundle", "it is cut off: %" PRIu64 " of %" PRIu64 " bytes", size, wanted);
  if (size > wanted)
    return BASE_FAIL(fault, BASE_CORRUPT, "bundle", "there are %" PRIu64 " bytes behind its end", size - wanted);
  return BASE_OK;
}

int bundle_show(const struct options *options, char **words, size_t count) {
  struct update_manifest manifest;
  struct update_signature signatures[UPDATE_MAX_SIGNATURES];
  struct update_head head;
  struct base_fault fault = {0};
  char key[BUNDLE_KEY_CHARS + 1];
  uint64_t size;
  int fd;
  (void)count;
  enum base_result result = bundle_open(words[0], &fd, &head, &manifest, &size, &fault);
  if (result == BASE_OK) {
    const size_t signers = update_head_signatures(&head, NULL, signatures);
    if (options->json) {
      print_json(&manifest, signatures, signers, size);
    } else {
      print_manifest(&manifest);
      for (size_t i = 0; i < signers; i++)
        printf("%-10s key %s\n", i == 0 ? "signed by" : "", bundle_key_text(signatures[i].key_id, key));
      puts("(as it says of itself: pixpop bundle verify checks it)");
    }
    result = bundle_check_size(&head, &manifest, size, &fault);
  }
  base_fd_close(&fd);
  update_head_finish(&head);
  return result == BASE_OK ? EXIT_FINE : (complain_fault(words[0], &fault), EXIT_FAILED);
}

// --- verify ---

static enum base_result check_signatures(const struct update_head *head, const struct update_keys *keys,
                                         struct base_fault *fault) {
  static const char *const worths[] = {[UPDATE_KEY_UNKNOWN] = "not among the keys",
                                       [UPDATE_SIGNATURE_WRONG] = "WRONG",
                                       [UPDATE_SIGNATURE_RIGHT] = "right"};
  struct update_signature signatures[UPDATE_MAX_SIGNATURES];
  const size_t count = update_head_signatures(head, keys, signatures);
  size_t right = 0, wrong = 0;
  for (size_t i = 0; i < count; i++) {
    char key[BUNDLE_KEY_CHARS + 1], name[UPDATE_MAX_KEY_NAME + 1];
    const char *file = signatures[i].key_name;
    printf("%-10s key %s%s%s: %s\n", i == 0 ? "signed by" : "", bundle_key_text(signatures[i].key_id, key),
           file != NULL ? " " : "", file != NULL ? terminal_clean(file, name, sizeof(name)) : "",
           worths[signatures[i].worth]);
    right += signatures[i].worth == UPDATE_SIGNATURE_RIGHT;
    wrong += signatures[i].worth == UPDATE_SIGNATURE_WRONG;
  }
  if (wrong > 0) return BASE_FAIL(fault, BASE_FORBIDDEN, "signature", "a signature is wrong");
  if (right == 0) return BASE_FAIL(fault, BASE_FORBIDDEN, "signature", "none of these keys signed it");
  return BASE_OK;
}

static enum base_result check_image(const struct update_manifest *manifest, enum update_part part, int fd,
                                    uint64_t offset, struct progress *progress, uint64_t total,
                                    struct base_fault *fault) {
  static uint8_t bytes[COPY_BYTES];
  struct integrity_hash hash;
  struct integrity_digest digest;
  integrity_hash_init(&hash);
  for (uint64_t done = 0; done < manifest->parts[part].bytes;) {
    const size_t wanted = (size_t)base_min_u64(manifest->parts[part].bytes - done, COPY_BYTES);
    const enum base_result result = base_fd_pread_all(fd, bytes, wanted, (off_t)(offset + done), fault);
    if (result != BASE_OK) return result;
    integrity_hash_update(&hash, base_span_of(bytes, wanted));
    done += wanted;
    progress_show(progress, offset + done, total);
  }
  integrity_hash_finish(&hash, &digest);
  if (integrity_digest_equal(&digest, &manifest->parts[part].digest)) return BASE_OK;
  return BASE_FAIL(fault, BASE_CORRUPT, part_names[part], "the %s image is damaged: it is not what was signed",
                   part_names[part]);
}

static enum base_result check_images(const struct update_head *head, const struct update_manifest *manifest, int fd,
                                     const char *path, struct base_fault *fault) {
  struct progress progress;
  uint64_t offset = head->bytes.bytes;
  enum base_result result = BASE_OK;
  progress_begin(&progress, path);
  for (int part = 0; part < UPDATE_PARTS && result == BASE_OK; part++) {
    result = check_image(manifest, (enum update_part)part, fd, offset, &progress, bundle_bytes(head, manifest), fault);
    offset += manifest->parts[part].bytes;
  }
  progress_erase(&progress);
  return result;
}

static int verify(const char *path, const struct update_keys *keys) {
  struct update_manifest manifest;
  struct update_head head;
  struct base_fault fault = {0};
  uint64_t size;
  int fd;
  enum base_result result = bundle_open(path, &fd, &head, &manifest, &size, &fault);
  if (result == BASE_OK) {
    printf("%-10s %s\n%-10s %s\n", "board", manifest.board, "version", manifest.version);
    result = check_signatures(&head, keys, &fault);
  }
  if (result == BASE_OK) result = bundle_check_size(&head, &manifest, size, &fault);
  if (result == BASE_OK) result = check_images(&head, &manifest, fd, path, &fault);
  base_fd_close(&fd);
  update_head_finish(&head);
  fflush(stdout);
  if (result != BASE_OK) return complain_fault(path, &fault), EXIT_FAILED;
  printf("%-10s every byte is what was signed\n", "images");
  return EXIT_FINE;
}

int bundle_verify(const struct options *options, char **words, size_t count) {
  static const char name[] = "keys=";
  struct update_keys *keys = NULL;
  struct base_fault fault = {0};
  (void)options;
  if (count < 2) return complain_usage("bundle", "verify: keys=FOLDER is missing");
  if (strncmp(words[1], name, strlen(name)) != 0)
    return complain_usage("bundle", "verify: '%s' is not keys=FOLDER", words[1]);
  if (update_keys_load(words[1] + strlen(name), &keys, &fault) != BASE_OK)
    return complain_fault(NULL, &fault), EXIT_FAILED;
  const int status = verify(words[0], keys);
  update_keys_destroy(&keys);
  return status;
}

// --- keys ---

int bundle_keys(const struct options *options, char **words, size_t count) {
  struct update_keys *keys = NULL;
  struct base_fault fault = {0};
  (void)options;
  (void)count;
  if (update_keys_load(words[0], &keys, &fault) != BASE_OK) return complain_fault(NULL, &fault), EXIT_FAILED;
  for (size_t i = 0; i < update_keys_count(keys); i++) {
    char key[BUNDLE_KEY_CHARS + 1], name[UPDATE_MAX_KEY_NAME + 1];
    printf("%s %s\n", bundle_key_text(update_keys_id(keys, i), key),
           terminal_clean(update_keys_name(keys, i), name, sizeof(name)));
  }
  update_keys_destroy(&keys);
  return EXIT_FINE;
}
