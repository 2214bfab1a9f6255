// The parts of `pixpop bundle`.
#ifndef PIXPOP_BUNDLE_H
#define PIXPOP_BUNDLE_H

#include "options.h"
#include "update/bundle.h"

enum { BUNDLE_KEY_CHARS = 2 * UPDATE_KEY_ID_BYTES };

// Each is a whole command, with the words behind its name; an exit status.
int bundle_make(const struct options *options, char **words, size_t count);
int bundle_show(const struct options *options, char **words, size_t count);
int bundle_verify(const struct options *options, char **words, size_t count);
int bundle_keys(const struct options *options, char **words, size_t count);

// Opens a file and reads its head, without a look at the signatures. *size: of the whole file. Finish the head and
// close *fd always. BASE_BAD_INPUT: not a regular file, no bundle, or cut off in its head.
enum base_result bundle_open(const char *path, int *fd, struct update_head *head, struct update_manifest *manifest,
                             uint64_t *size, struct base_fault *fault) BASE_CHECKED;
// Of a head that is whole: how many bytes the file has to have.
uint64_t bundle_bytes(const struct update_head *head, const struct update_manifest *manifest);
// BASE_CORRUPT: it is cut off, or goes on behind its end.
enum base_result bundle_check_size(const struct update_head *head, const struct update_manifest *manifest,
                                   uint64_t size, struct base_fault *fault) BASE_CHECKED;
const char *bundle_key_text(const uint8_t id[UPDATE_KEY_ID_BYTES], char out[BUNDLE_KEY_CHARS + 1]);

#endif
