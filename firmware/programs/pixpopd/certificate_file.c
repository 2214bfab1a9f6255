#include "certificate_file.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "tls/certificate.h"

enum { MAX_ASIDE = 9 };

// --- replaced ---

static bool is_still(const char *path, struct base_span old) {
  struct base_buffer now;
  const bool is_same = base_file_read(path, TLS_MAX_IDENTITY_BYTES, &now, NULL) == BASE_OK &&
                       base_span_equal(base_buffer_span(&now), old);
  tls_identity_forget(&now);
  return is_same;
}

// A write may fail before the new file is in place or after that, and what it has not touched is left alone.
static void put_back(const char *path, struct base_span old, struct base_log *log) {
  struct base_fault fault = {0};
  if (is_still(path, old)) return;
  if (base_file_replace_durably(path, old, CERTIFICATE_FILE_MODE, &fault) == BASE_OK) return;
  base_log_fault(log, BASE_LOG_ERROR, "pixpopd", NULL, &fault);
}

enum base_result certificate_file_change(const char *path, const struct certificate_change *change,
                                         struct base_log *log, struct base_fault *fault) {
  struct base_buffer old;
  struct base_fault why = {0};
  const enum base_result had = base_file_read(path, TLS_MAX_IDENTITY_BYTES, &old, &why);
  if (had == BASE_NO_MEMORY || had == BASE_IO) return BASE_FAIL(fault, had, why.subject, "%s", why.text);
  enum base_result result = change->write(change->self, fault);
  if (result == BASE_OK) result = change->show(change->self, fault);
  if (result != BASE_OK && had == BASE_OK) put_back(path, base_buffer_span(&old), log);
  if (result != BASE_OK && had == BASE_NOT_FOUND) (void)unlink(path);
  tls_identity_forget(&old);
  return result;
}

// --- put aside ---

bool certificate_file_is_odd(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && !S_ISREG(info.st_mode);
}

static void name_aside(const char *path, int number, char out[CERTIFICATE_ASIDE_BYTES]) {
  if (number == 1) (void)snprintf(out, CERTIFICATE_ASIDE_BYTES, "%s.damaged", path);
  if (number > 1) (void)snprintf(out, CERTIFICATE_ASIDE_BYTES, "%s.damaged.%d", path, number);
}

enum base_result certificate_file_put_aside(const char *path, char out[CERTIFICATE_ASIDE_BYTES],
                                            struct base_fault *fault) {
  struct stat info;
  for (int number = 1; number <= MAX_ASIDE; number++) {
    name_aside(path, number, out);
    if (lstat(out, &info) == 0) continue;
    if (errno != ENOENT || rename(path, out) != 0) return BASE_FAIL_ERRNO(fault, path, "can not be renamed to %s", out);
    return BASE_OK;
  }
  return BASE_FAIL(fault, BASE_CONFLICT, path, "%d files that were damaged are kept already", MAX_ASIDE);
}

void certificate_file_forget_aside(const char *path) {
  char name[CERTIFICATE_ASIDE_BYTES];
  for (int number = 1; number <= MAX_ASIDE; number++) {
    name_aside(path, number, name);
    (void)unlink(name);  // a folder is left to who made it
  }
}

void certificate_file_clean(const char *path) {
  char name[CERTIFICATE_ASIDE_BYTES];
  (void)snprintf(name, sizeof(name), "%s.tmp", path);  // of base_file_replace_durably
  (void)unlink(name);
}
