// Sessions of the web page: the token exchanged for a cookie, with a second secret against forged requests.
#ifndef CONSOLE_SESSION_H
#define CONSOLE_SESSION_H

#include "base/clock.h"
#include "base/code.h"
#include "base/span.h"

enum {
  CONSOLE_MAX_SESSIONS = 256,  // one more ends the oldest
  CONSOLE_SESSION_LIFE_S = 12 * 60 * 60,
};

struct console_session {
  char id[BASE_TOKEN_CHARS + 1];          // the cookie's value
  char csrf_token[BASE_TOKEN_CHARS + 1];  // must come back in X-CSRF-Token
};

struct console_sessions;

// In memory only: a restart ends all sessions. Thread-safe. NULL when memory is short.
struct console_sessions *console_sessions_create(const struct base_clock *clock);
void console_sessions_destroy(struct console_sessions **sessions);
void console_sessions_begin(struct console_sessions *sessions, struct console_session *out);
// False for an unknown or expired id.
bool console_sessions_find(struct console_sessions *sessions, struct base_span id,
                           struct console_session *out) BASE_CHECKED;
void console_sessions_end(struct console_sessions *sessions, struct base_span id);

#endif
