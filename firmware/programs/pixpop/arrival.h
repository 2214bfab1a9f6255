// A file that arrives: written beside its place, hashed on the way, kept only when the digest is right.
#ifndef PIXPOP_ARRIVAL_H
#define PIXPOP_ARRIVAL_H

#include <limits.h>

#include "base/span.h"
#include "integrity/digest.h"

struct arrival {
  const char *path;  // "-": stdout, which sees nothing before the digest is known to be right
  int fd;
  char temporary[PATH_MAX];
  struct integrity_hash hash;
  struct base_buffer held;  // for stdout
};

enum base_result arrival_begin(struct arrival *arrival, const char *path, struct base_fault *fault) BASE_CHECKED;
enum base_result arrival_write(struct arrival *arrival, struct base_span bytes, struct base_fault *fault) BASE_CHECKED;
// Compares with the sha-256 member of a Repr-Digest field (RFC 9530) and, when it fits, puts the file in its place.
// BASE_CORRUPT when it does not fit or there is none.
enum base_result arrival_keep(struct arrival *arrival, struct base_span repr_digest,
                              struct base_fault *fault) BASE_CHECKED;
// The same for a file, whatever its bytes are.
enum base_result arrival_place(struct arrival *arrival, struct base_fault *fault) BASE_CHECKED;
// Removes what is not kept. Always called.
void arrival_end(struct arrival *arrival);

#endif
