#include "arrival.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

enum { MAX_HELD_BYTES = 256 << 20 };

// Where a signal ends the program, nobody else would remove the file.
static const char *volatile doomed;

static void remove_and_end(int number) {
  if (doomed != NULL) unlink(doomed);
  raise(number);  // blocked until this returns; then with its default action
}

static void watch_signals(void) {
  static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
  struct sigaction action = {.sa_handler = remove_and_end, .sa_flags = (int)SA_RESETHAND};
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
    struct sigaction old;
    if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN) sigaction(numbers[i], &action, NULL);
  }
}

static bool is_stdout(const struct arrival *arrival) { return strcmp(arrival->path, "-") == 0; }

enum base_result arrival_begin(struct arrival *arrival, const char *path, struct base_fault *fault) {
  *arrival = (struct arrival){.path = path, .fd = -1};
  integrity_hash_init(&arrival->hash);
  base_buffer_init(&arrival->held, MAX_HELD_BYTES);
  if (is_stdout(arrival)) return BASE_OK;
  struct stat info;
  if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
    return BASE_FAIL(fault, BASE_IO, "output", "'%.200s' is a folder", path);
  const int length = snprintf(arrival->temporary, sizeof(arrival->temporary), "%s.XXXXXX", path);
  if (length < 0 || (size_t)length >= sizeof(arrival->temporary)) {
    arrival->temporary[0] = '\0';
    return BASE_FAIL(fault, BASE_BAD_INPUT, "output", "the path is too long");
  }
  watch_signals();
  arrival->fd = mkstemp(arrival->temporary);
  if (arrival->fd < 0) {
    arrival->temporary[0] = '\0';
    return BASE_FAIL_ERRNO(fault, "output", "cannot make a file beside '%.200s'", path);
  }
  doomed = arrival->temporary;
  return BASE_OK;
}

enum base_result arrival_write(struct arrival *arrival, struct base_span bytes, struct base_fault *fault) {
  integrity_hash_update(&arrival->hash, bytes);
  if (arrival->fd >= 0) return base_fd_write_all(arrival->fd, bytes, fault);
  const enum base_result result = base_buffer_append(&arrival->held, bytes.data, bytes.bytes);
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "output", "too large to be held for stdout");
}

// The value of "sha-256=:...:" in a dictionary such as "sha-512=:...:, sha-256=:...:".
static struct base_span find_sha256(struct base_span field) {
  static const char start[] = "sha-256=:";
  enum { START_CHARS = sizeof(start) - 1 };
  while (field.data != NULL) {
    const struct base_span member = base_span_trim(base_span_cut(&field, ','));
    if (!base_span_starts_with(member, start) || member.bytes <= START_CHARS) continue;
    if (member.data[member.bytes - 1] == ':')
      return base_span_slice(member, START_CHARS, member.bytes - START_CHARS - 1);
  }
  return base_span_of(NULL, 0);
}

static enum base_result check_digest(struct arrival *arrival, struct base_span repr_digest, struct base_fault *fault) {
  struct integrity_digest digest;
  char text[BASE_DIGEST_BASE64_CHARS + 1];
  integrity_hash_finish(&arrival->hash, &digest);
  base_base64_encode(base_span_of(digest.bytes, sizeof(digest.bytes)), text, sizeof(text));
  const struct base_span wanted = find_sha256(repr_digest);
  if (wanted.data == NULL)
    return BASE_FAIL(fault, BASE_CORRUPT, "repr-digest", "the server sent no SHA-256 of the file; it is not kept");
  if (!base_span_is(wanted, text))
    return BASE_FAIL(fault, BASE_CORRUPT, "repr-digest",
                     "the SHA-256 of what arrived is %s, not the one the server named; it is not kept", text);
  return BASE_OK;
}

enum base_result arrival_keep(struct arrival *arrival, struct base_span repr_digest, struct base_fault *fault) {
  const enum base_result result = check_digest(arrival, repr_digest, fault);
  if (result != BASE_OK) return result;
  if (is_stdout(arrival)) return base_fd_write_all(STDOUT_FILENO, base_buffer_span(&arrival->held), fault);
  return arrival_place(arrival, fault);
}

enum base_result arrival_place(struct arrival *arrival, struct base_fault *fault) {
  const mode_t mask = umask(0);
  umask(mask);
  if (fchmod(arrival->fd, 0666 & ~mask) != 0 || rename(arrival->temporary, arrival->path) != 0)
    return BASE_FAIL_ERRNO(fault, "output", "cannot put the file in its place");
  doomed = NULL;
  arrival->temporary[0] = '\0';
  return BASE_OK;
}

void arrival_end(struct arrival *arrival) {
  base_fd_close(&arrival->fd);
  if (arrival->temporary[0] != '\0') unlink(arrival->temporary);
  doomed = NULL;
  base_buffer_finish(&arrival->held);
}
