// Who may use the rescue page: whoever can read the code on the console.
//
// The code is made at the first start and kept in the state folder, so that it outlives a crash of the program, not a
// restart of the machine. It is exchanged for a session's token. Wrong guesses are limited per address; there is no
// limit over all of them, which would let strangers keep out who knows the code: there are 2^60, and a handshake for
// each guess takes its time. One thread.
#ifndef RESCUE_ACCESS_H
#define RESCUE_ACCESS_H

#include "base/code.h"
#include "base/guesses.h"
#include "http/message.h"

enum {
  ACCESS_SESSIONS = 4,
  ACCESS_SESSION_IDLE_S = 30 * 60,
  ACCESS_GUESSES = 5,        // an address may make at once
  ACCESS_GUESS_EVERY_S = 5,  // and then one in so many seconds
};

struct access_session {
  bool is_open;
  uint8_t digest[32];  // of its token
  uint8_t client[HTTP_CLIENT_BYTES];
  uint64_t used_ms;
};
struct access {
  const struct base_clock *clock;
  char code[BASE_CODE_CHARS + 1];
  struct access_session sessions[ACCESS_SESSIONS];
  struct base_guesses guesses;
};

// Reads or makes the code, kept in `path`.
enum base_result access_init(struct access *access, const char *path, const struct base_clock *clock,
                             struct base_fault *fault) BASE_CHECKED;
// Exchanges a code (case, spaces and dashes do not matter) for a token. BASE_UNAUTHORIZED; BASE_RATE.
enum base_result access_open(struct access *access, struct base_span code, const uint8_t *client,
                             char token[BASE_TOKEN_CHARS + 1], struct base_fault *fault) BASE_CHECKED;
// Is "Authorization: Bearer TOKEN" an open session's? BASE_UNAUTHORIZED.
enum base_result access_check(struct access *access, const struct http_request *request,
                              struct base_fault *fault) BASE_CHECKED;
void access_close(struct access *access, const struct http_request *request);
// Has somebody at this address a session?
bool access_knows(const struct access *access, const uint8_t *client);

#endif
