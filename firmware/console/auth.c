#include "auth.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "integrity/digest.h"

// Clients that guess at the same time are few; when the table is full the oldest window is given up.
enum { MAX_GUESSERS = 256, TOKEN_BYTES = 32, MAX_CLIENT_CHARS = 64, MAX_HASH_FILE = 256 };

static const char hash_prefix[] = "pixpop-token-sha256 ";

struct guesser {
  char client[MAX_CLIENT_CHARS];
  unsigned failures;
  uint64_t window_start_us;
};

struct console_auth {
  struct integrity_digest token_digest;
  const struct base_clock *clock;
  pthread_mutex_t lock;
  struct guesser guessers[MAX_GUESSERS];
};

static enum base_result make_token(const char *path, struct integrity_digest *digest, char **new_token,
                                   struct base_fault *fault) {
  uint8_t random[TOKEN_BYTES];
  char *token = malloc(CONSOLE_TOKEN_CHARS + 1);
  if (!token) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the token");
  base_random_bytes(random, sizeof random);
  base_base64url_encode(base_span_of(random, sizeof random), token, CONSOLE_TOKEN_CHARS + 1);
  explicit_bzero(random, sizeof random);
  integrity_digest_of(base_span_text(token), digest);

  char text[sizeof hash_prefix + 2 * BASE_DIGEST_BYTES + 1];
  memcpy(text, hash_prefix, sizeof hash_prefix);
  base_hex_encode(base_span_of(digest->bytes, sizeof digest->bytes), text + sizeof hash_prefix - 1,
                  2 * BASE_DIGEST_BYTES + 1);
  strcat(text, "\n");
  enum base_result result = base_file_replace_durably(path, base_span_text(text), 0600, fault);
  if (result != BASE_OK) {
    free(token);
    return result;
  }
  *new_token = token;
  return BASE_OK;
}

static enum base_result load_digest(const char *path, struct integrity_digest *digest, struct base_fault *fault) {
  struct base_buffer file;
  enum base_result result = base_file_read(path, MAX_HASH_FILE, &file, fault);
  if (result == BASE_OK) {
    struct base_span rest = base_buffer_span(&file);
    struct base_span line = base_span_cut(&rest, '\n');
    size_t prefix_bytes = sizeof hash_prefix - 1;
    struct base_span hex = base_span_slice(line, prefix_bytes, line.bytes);
    if (!base_span_starts_with(line, hash_prefix) || rest.bytes != 0 ||
        !base_hex_decode(hex, digest->bytes, sizeof digest->bytes)) {
      result = BASE_FAIL(fault, BASE_CORRUPT, path, "this is no token file; remove it to have a new token made");
    }
  }
  base_buffer_finish(&file);
  return result;
}

enum base_result console_auth_open(const char *path, const struct base_clock *clock, struct console_auth **out,
                                   char **new_token, struct base_fault *fault) {
  *out = NULL;
  *new_token = NULL;
  struct console_auth *auth = calloc(1, sizeof *auth);
  if (!auth) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the log-in");
  auth->clock = clock;
  enum base_result result;
  if (access(path, F_OK) == 0) {
    result = load_digest(path, &auth->token_digest, fault);
  } else if (errno == ENOENT) {
    result = make_token(path, &auth->token_digest, new_token, fault);
  } else {
    result = BASE_FAIL_ERRNO(fault, path, "the token file can not be reached");
  }
  if (result != BASE_OK) {
    free(auth);
    return result;
  }
  pthread_mutex_init(&auth->lock, NULL);
  *out = auth;
  return BASE_OK;
}

void console_auth_close(struct console_auth **auth) {
  if (!*auth) return;
  pthread_mutex_destroy(&(*auth)->lock);
  explicit_bzero(*auth, sizeof **auth);
  free(*auth);
  *auth = NULL;
}

// The client's entry, or the one to use for it. Windows that are over count as empty. Under the lock.
static struct guesser *find_guesser(struct console_auth *auth, const char *client, uint64_t now_us) {
  struct guesser *oldest = &auth->guessers[0];
  for (size_t i = 0; i < MAX_GUESSERS; i++) {
    struct guesser *guesser = &auth->guessers[i];
    if (now_us - guesser->window_start_us > CONSOLE_AUTH_WINDOW_S * 1000000ull) guesser->failures = 0;
    if (guesser->failures > 0 && strcmp(guesser->client, client) == 0) return guesser;
    if (guesser->failures == 0 || (oldest->failures != 0 && guesser->window_start_us < oldest->window_start_us)) {
      oldest = guesser;
    }
  }
  return oldest;
}

static bool may_guess(struct console_auth *auth, const char *client) {
  uint64_t now_us = base_clock_us(auth->clock);
  pthread_mutex_lock(&auth->lock);
  const struct guesser *guesser = find_guesser(auth, client, now_us);
  bool is_blocked = strcmp(guesser->client, client) == 0 && guesser->failures >= CONSOLE_AUTH_MAX_FAILURES;
  pthread_mutex_unlock(&auth->lock);
  return !is_blocked;
}

static void count_failure(struct console_auth *auth, const char *client) {
  uint64_t now_us = base_clock_us(auth->clock);
  pthread_mutex_lock(&auth->lock);
  struct guesser *guesser = find_guesser(auth, client, now_us);
  if (guesser->failures == 0 || strcmp(guesser->client, client) != 0) {
    *guesser = (struct guesser){.window_start_us = now_us};
    strncpy(guesser->client, client, sizeof guesser->client - 1);
  }
  guesser->failures++;
  pthread_mutex_unlock(&auth->lock);
}

enum base_result console_auth_check(struct console_auth *auth, const char *client, struct base_span token,
                                    struct base_fault *fault) {
  if (!may_guess(auth, client)) {
    return BASE_FAIL(fault, BASE_RATE, "token", "too many wrong tokens from this address; wait a minute");
  }
  struct integrity_digest digest;
  integrity_digest_of(token, &digest);
  // Digests of equal length: the time tells nothing of the token.
  if (base_span_equal_constant_time(base_span_of(digest.bytes, sizeof digest.bytes),
                                    base_span_of(auth->token_digest.bytes, sizeof auth->token_digest.bytes))) {
    return BASE_OK;
  }
  count_failure(auth, client);
  return BASE_FAIL(fault, BASE_UNAUTHORIZED, "token", "the token is wrong");
}
