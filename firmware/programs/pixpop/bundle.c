#include "bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "command.h"
#include "complain.h"

static const char page[] =
    "pixpop bundle - make and examine update bundles, on any machine\n"
    "\n"
    "Usage: pixpop bundle make OUT board=NAME version=V boot=FILE root=FILE key=PEM... [floor=V] [created=UNIX]\n"
    "       pixpop bundle show FILE [--json]\n"
    "       pixpop bundle verify FILE keys=FOLDER\n"
    "       pixpop bundle keys FOLDER\n"
    "\n"
    "A bundle is one file with the two images of a system slot and a signed page that names board, version, sizes and\n"
    "SHA-256. A box installs it (pixpop update) when one of its signatures is right by a key that the running system\n"
    "brings.\n"
    "\n"
    "  make      signs and writes a bundle. OUT appears when it is whole; equal input gives equal bytes\n"
    "    board=NAME     the board it is for; no other one takes it\n"
    "    version=V      such as 1.2.0 or 1.2.0-rc1 (which is before 1.2.0)\n"
    "    floor=V        once this version has proven itself, a box takes nothing below V any more; - for none (-)\n"
    "    created=UNIX   seconds since 1970 ($SOURCE_DATE_EPOCH, else now)\n"
    "    boot=FILE      image of the boot partition\n"
    "    root=FILE      image of the root partition\n"
    "    key=PEM        a private key (P-256, without a passphrase); up to 4 times: each adds a signature\n"
    "  show      prints what a bundle says of itself. Nothing of it is checked\n"
    "  verify    checks signatures by the public keys (*.pem) of FOLDER, and every byte of the images\n"
    "  keys      prints the ids of the public keys in FOLDER\n"
    "\n"
    "Keys:\n"
    "  openssl ecparam -name prime256v1 -genkey -noout -out release.key        # private: keep it offline\n"
    "  openssl ec -in release.key -pubout -out public-keys/release.pem         # public: goes into the image\n"
    "\n"
    "To change keys, sign one version with the old and the new key, and let its image bring the new public key.\n"
    "\n"
    "Exit status: 0 done, 1 failed or not right, 2 wrong usage\n";

static const struct part {
  const char *name, *operand;
  size_t max_words;
  int (*run)(const struct options *options, char **words, size_t count);
} parts[] = {{"make", "OUT", SIZE_MAX, bundle_make},
             {"show", "FILE", 1, bundle_show},
             {"verify", "FILE", 2, bundle_verify},
             {"keys", "FOLDER", 1, bundle_keys}};
enum { PART_COUNT = sizeof(parts) / sizeof(*parts), READ_BYTES = 1024 };

const char *bundle_key_text(const uint8_t id[UPDATE_KEY_ID_BYTES], char out[BUNDLE_KEY_CHARS + 1]) {
  base_hex_encode(base_span_of(id, UPDATE_KEY_ID_BYTES), out, BUNDLE_KEY_CHARS + 1);
  return out;
}

uint64_t bundle_bytes(const struct update_head *head, const struct update_manifest *manifest) {
  uint64_t bytes = head->bytes.bytes;  // both images: at most UPDATE_MAX_IMAGE_BYTES, the head's parser has seen to it
  for (int part = 0; part < UPDATE_PARTS; part++) bytes += manifest->parts[part].bytes;
  return bytes;
}

static enum base_result read_head(const char *path, int fd, struct update_head *head, struct update_manifest *manifest,
                                  struct base_fault *fault) {
  bool is_whole = false;
  while (!is_whole) {
    uint8_t bytes[READ_BYTES];
    const ssize_t got = pread(fd, bytes, sizeof(bytes), (off_t)head->bytes.bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return BASE_FAIL_ERRNO(fault, "file", "cannot read %.200s", path);
    if (got == 0)
      return BASE_FAIL(fault, BASE_CORRUPT, "bundle", "it is cut off after %zu bytes, in its head", head->bytes.bytes);
    struct base_span rest = base_span_of(bytes, (size_t)got);
    const enum base_result result = update_head_look(head, &rest, manifest, &is_whole, fault);
    if (result != BASE_OK) return result;
  }
  return BASE_OK;
}

enum base_result bundle_open(const char *path, int *fd, struct update_head *head, struct update_manifest *manifest,
                             uint64_t *size, struct base_fault *fault) {
  struct stat info;
  update_head_init(head);
  *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a FIFO must not hang
  if (*fd < 0 || fstat(*fd, &info) != 0) return BASE_FAIL_ERRNO(fault, "file", "cannot open it");
  if (!S_ISREG(info.st_mode)) return BASE_FAIL(fault, BASE_CORRUPT, "file", "this is not a regular file");
  *size = (uint64_t)info.st_size;
  return read_head(path, *fd, head, manifest, fault);
}

static int run(const struct options *options) {
  for (size_t i = 0; i < PART_COUNT; i++) {
    const struct part *part = &parts[i];
    if (strcmp(options->words[0], part->name) != 0) continue;
    if (options->word_count < 2) return complain_usage("bundle", "%s: %s is missing", part->name, part->operand);
    if (options->word_count - 1 > part->max_words)
      return complain_usage("bundle", "%s: '%s' is too much", part->name, options->words[1 + part->max_words]);
    return part->run(options, options->words + 1, options->word_count - 1);
  }
  return complain_usage("bundle", "'%s' is none of make, show, verify, keys", options->words[0]);
}

const struct command command_bundle = {
    "bundle", "make and examine update bundles", page, "make, show, verify or keys", 1, SIZE_MAX, run};
