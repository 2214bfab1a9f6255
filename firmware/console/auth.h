// The bearer token: made at first start, kept as its hash only, compared in constant time, guesses throttled.
#ifndef CONSOLE_AUTH_H
#define CONSOLE_AUTH_H

#include "base/clock.h"
#include "base/span.h"

enum {
  CONSOLE_AUTH_MAX_FAILURES = 10,  // of one client within the window; then it has to wait
  CONSOLE_AUTH_WINDOW_S = 60,
};

struct console_auth;

// Reads the hash, or makes a token when there is no file: then *new_token is the token, which the caller frees.
// A token is 256 random bits, so a plain SHA-256 keeps it as well as a slow hash would.
// `claim_path` (may be NULL): while that file is there and no token is, none is made; whoever knows its code gets the
// first one. The file is one line, the SHA-256 of the code in hexadecimal; it may change while the box runs.
enum base_result console_auth_open(const char *path, const char *claim_path, const struct base_clock *clock,
                                   struct console_auth **out, char **new_token, struct base_fault *fault) BASE_CHECKED;
// False while nobody has claimed the box; then every token is wrong.
bool console_auth_is_claimed(struct console_auth *auth);
// Makes the first token for the code: capital letters and digits, other ways to write them accepted ("k7qx-2m9p"). The
// token's hash is on the disk, and the claim file gone, when it returns; *token is the caller's to wipe and free.
// BASE_FORBIDDEN: a wrong code; BASE_RATE: too many of them; BASE_CONFLICT: the box is claimed; BASE_CORRUPT: the file.
enum base_result console_auth_claim(struct console_auth *auth, const char *client, struct base_span code, char **token,
                                    struct base_fault *fault) BASE_CHECKED;
void console_auth_close(struct console_auth **auth);
// Thread-safe. BASE_UNAUTHORIZED for a wrong token; BASE_RATE, without looking at it, for a client that failed too
// often.
enum base_result console_auth_check(struct console_auth *auth, const char *client, struct base_span token,
                                    struct base_fault *fault) BASE_CHECKED;

#endif
