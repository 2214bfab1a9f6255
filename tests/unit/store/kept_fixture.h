// Short ways to fill and question kept uploads.
#ifndef TESTS_STORE_KEPT_FIXTURE_H
#define TESTS_STORE_KEPT_FIXTURE_H

#include "fixture.h"

enum { KEPT_NAME = STORE_UPLOAD_NAME_CHARS + 1 };

// The name of upload number `number`.
void kept_name(unsigned number, char out[KEPT_NAME]);
void kept_path(const struct fixture *fixture, unsigned number, const char *suffix, char out[PATH_MAX]);
// Bytes `from` to `to` of the original number `seed`; the upload must be at `from`.
void kept_write(struct store_upload *upload, unsigned seed, size_t from, size_t to);
// True when all bytes so far are the original's.
bool kept_matches(const struct store_upload *upload, unsigned seed);
// Commits; the original must be number `seed` of so many bytes.
void kept_commit(struct store *store, struct store_upload *upload, unsigned seed, size_t bytes, bool is_expected_new);
// The note as text, of at most STORE_MAX_NOTE bytes; `note` and `bytes` may be NULL.
enum base_result kept_peek(struct store *store, unsigned number, char *note, uint64_t *bytes);
void kept_expect(struct store *store, unsigned number, const char *note, uint64_t bytes);

#endif
