#include "auth.h"

#include <errno.h>
#include <libgen.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/code.h"
#include "base/file.h"
#include "base/guesses.h"
#include "base/text.h"
#include "integrity/digest.h"

enum { MAX_CLIENT_CHARS = BASE_GUESSES_CLIENT_BYTES, MAX_HASH_FILE = 256, MAX_CODE_CHARS = 64, MAX_PATH_BYTES = 512 };

static const char hash_prefix[] = "pixpop-token-sha256 ";
static const char claim_prefix[] = "";

struct console_auth {
  atomic_bool is_claimed;                // there is a token
  struct integrity_digest token_digest;  // does not change once it is
  char token_path[MAX_PATH_BYTES], claim_path[MAX_PATH_BYTES];
  pthread_mutex_t claim_lock;  // one claim at a time; taken before `lock`
  pthread_mutex_t lock;
  struct base_guesses guesses;  // under `lock`
};

static enum base_result make_token(const char *path, struct integrity_digest *digest, char **new_token,
                                   struct base_fault *fault) {
  char *token = malloc(BASE_TOKEN_CHARS + 1);
  if (!token) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the token");
  base_token_make(token);
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

static enum base_result load_digest(const char *path, const char *prefix, const char *otherwise,
                                    struct integrity_digest *digest, struct base_fault *fault) {
  struct base_buffer file;
  enum base_result result = base_file_read(path, MAX_HASH_FILE, &file, fault);
  if (result == BASE_OK) {
    struct base_span rest = base_buffer_span(&file);
    struct base_span line = base_span_cut(&rest, '\n');
    const size_t prefix_bytes = strlen(prefix);
    struct base_span hex = base_span_slice(line, prefix_bytes, line.bytes);
    if (!base_span_starts_with(line, prefix) || rest.bytes != 0 ||
        !base_hex_decode(hex, digest->bytes, sizeof digest->bytes)) {
      result = BASE_FAIL(fault, BASE_CORRUPT, path, "%s", otherwise);
    }
  }
  base_buffer_finish(&file);
  return result;
}

static bool is_there(const char *path) { return path[0] != '\0' && access(path, F_OK) == 0; }

// Durably, or at least for as long as the machine runs: with a token there the file means nothing any more.
static void remove_claim(const struct console_auth *auth) {
  char folder[MAX_PATH_BYTES];
  if (unlink(auth->claim_path) != 0) return;
  memcpy(folder, auth->claim_path, sizeof folder);
  if (base_folder_sync(dirname(folder), NULL) != BASE_OK) return;
}

static enum base_result find_token(struct console_auth *auth, char **new_token, struct base_fault *fault) {
  const char *path = auth->token_path;
  enum base_result result = BASE_OK;
  if (access(path, F_OK) == 0) {
    result = load_digest(path, hash_prefix, "this is no token file; remove it to have a new token made",
                         &auth->token_digest, fault);
    if (result == BASE_OK && is_there(auth->claim_path)) remove_claim(auth);  // the power failed in a claim
  } else if (errno != ENOENT) {
    return BASE_FAIL_ERRNO(fault, path, "the token file can not be reached");
  } else if (is_there(auth->claim_path)) {
    return BASE_OK;
  } else {
    result = make_token(path, &auth->token_digest, new_token, fault);
  }
  atomic_init(&auth->is_claimed, result == BASE_OK);
  return result;
}

enum base_result console_auth_open(const char *path, const char *claim_path, const struct base_clock *clock,
                                   struct console_auth **out, char **new_token, struct base_fault *fault) {
  *out = NULL;
  *new_token = NULL;
  struct console_auth *auth = calloc(1, sizeof *auth);
  if (!auth) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the log-in");
  base_guesses_init(&auth->guesses, clock, CONSOLE_AUTH_MAX_FAILURES, CONSOLE_AUTH_MAX_FAILURES, CONSOLE_AUTH_WINDOW_S);
  enum base_result result = BASE_OK;
  if (!base_span_copy(base_span_text(path), auth->token_path, sizeof auth->token_path) ||
      !base_span_copy(base_span_text(claim_path), auth->claim_path, sizeof auth->claim_path)) {
    result = BASE_FAIL(fault, BASE_BAD_INPUT, "path", "the path of the token or the claim file is too long");
  }
  if (result == BASE_OK) result = find_token(auth, new_token, fault);
  if (result != BASE_OK) {
    free(auth);
    return result;
  }
  pthread_mutex_init(&auth->lock, NULL);
  pthread_mutex_init(&auth->claim_lock, NULL);
  *out = auth;
  return BASE_OK;
}

void console_auth_close(struct console_auth **auth) {
  if (!*auth) return;
  pthread_mutex_destroy(&(*auth)->lock);
  pthread_mutex_destroy(&(*auth)->claim_lock);
  explicit_bzero(*auth, sizeof **auth);
  free(*auth);
  *auth = NULL;
}

bool console_auth_is_claimed(struct console_auth *auth) { return atomic_load(&auth->is_claimed); }

static bool may_guess(struct console_auth *auth, const char *client) {
  pthread_mutex_lock(&auth->lock);
  const bool is_allowed = base_guesses_allow(&auth->guesses, base_span_text(client));
  pthread_mutex_unlock(&auth->lock);
  return is_allowed;
}

static void count_failure(struct console_auth *auth, const char *client) {
  pthread_mutex_lock(&auth->lock);
  base_guesses_count(&auth->guesses, base_span_text(client));
  pthread_mutex_unlock(&auth->lock);
}

enum base_result console_auth_check(struct console_auth *auth, const char *client, struct base_span token,
                                    struct base_fault *fault) {
  if (!may_guess(auth, client)) {
    return BASE_FAIL(fault, BASE_RATE, "token", "too many wrong tokens from this address; wait a minute");
  }
  if (!console_auth_is_claimed(auth)) {
    return BASE_FAIL(fault, BASE_UNAUTHORIZED, "token", "this box has no token yet: claim it first");
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

static enum base_result check_code(struct console_auth *auth, const char *client, struct base_span typed,
                                   struct base_fault *fault) {
  char code[MAX_CODE_CHARS + 1];
  struct integrity_digest wanted, given;
  if (!base_code_read(typed, code, sizeof code)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "code", "a claim code is letters and digits, at most %d", MAX_CODE_CHARS);
  }
  if (!is_there(auth->claim_path)) {
    return BASE_FAIL(fault, BASE_CONFLICT, "code", "this box has no claim code (any more); a factory reset makes one");
  }
  enum base_result result = load_digest(auth->claim_path, claim_prefix,
                                        "the box's claim code is damaged; a factory reset makes one", &wanted, fault);
  if (result != BASE_OK) return result;
  integrity_digest_of(base_span_text(code), &given);
  explicit_bzero(code, sizeof code);
  if (base_span_equal_constant_time(base_span_of(given.bytes, sizeof given.bytes),
                                    base_span_of(wanted.bytes, sizeof wanted.bytes))) {
    return BASE_OK;
  }
  count_failure(auth, client);
  return BASE_FAIL(fault, BASE_FORBIDDEN, "code", "the claim code is wrong");
}

// With the claim's lock.
static enum base_result claim(struct console_auth *auth, const char *client, struct base_span code, char **token,
                              struct base_fault *fault) {
  if (console_auth_is_claimed(auth)) {
    return BASE_FAIL(fault, BASE_CONFLICT, "code", "this box has been claimed: log in with its token");
  }
  if (!may_guess(auth, client)) {
    return BASE_FAIL(fault, BASE_RATE, "code", "too many wrong codes from this address; wait a minute");
  }
  enum base_result result = check_code(auth, client, code, fault);
  if (result == BASE_OK) result = make_token(auth->token_path, &auth->token_digest, token, fault);
  if (result != BASE_OK) return result;
  atomic_store(&auth->is_claimed, true);
  remove_claim(auth);
  return BASE_OK;
}

enum base_result console_auth_claim(struct console_auth *auth, const char *client, struct base_span code, char **token,
                                    struct base_fault *fault) {
  // Wrong codes are counted apart from wrong tokens.
  char guesser[MAX_CLIENT_CHARS];
  *token = NULL;
  snprintf(guesser, sizeof guesser, "claim %s", client);
  pthread_mutex_lock(&auth->claim_lock);
  const enum base_result result = claim(auth, guesser, code, token, fault);
  pthread_mutex_unlock(&auth->claim_lock);
  return result;
}
