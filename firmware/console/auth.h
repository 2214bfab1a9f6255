// The bearer token: made at first start, kept as its hash only, compared in constant time, guesses throttled.
#ifndef CONSOLE_AUTH_H
#define CONSOLE_AUTH_H

#include "base/clock.h"
#include "base/span.h"

enum {
  CONSOLE_TOKEN_CHARS = 43,        // 32 random bytes in base64url
  CONSOLE_AUTH_MAX_FAILURES = 10,  // of one client within the window; then it has to wait
  CONSOLE_AUTH_WINDOW_S = 60,
};

struct console_auth;

// Reads the hash, or makes a token when there is no file: then *new_token is the token, which the caller frees.
// A token is 256 random bits, so a plain SHA-256 keeps it as well as a slow hash would.
enum base_result console_auth_open(const char *path, const struct base_clock *clock, struct console_auth **out,
                                   char **new_token, struct base_fault *fault) BASE_CHECKED;
void console_auth_close(struct console_auth **auth);
// Thread-safe. BASE_UNAUTHORIZED for a wrong token; BASE_RATE, without looking at it, for a client that failed too
// often.
enum base_result console_auth_check(struct console_auth *auth, const char *client, struct base_span token,
                                    struct base_fault *fault) BASE_CHECKED;

#endif
