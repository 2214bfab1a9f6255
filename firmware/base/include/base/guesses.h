// Limits who guesses: so many wrong answers, and then a wait.
//
// For secrets that are asked for over the network. Each client has an allowance of its own, so that nobody can keep out
// who knows the secret by guessing. Not thread-safe.
#ifndef BASE_GUESSES_H
#define BASE_GUESSES_H

#include <stdbool.h>

#include "base/clock.h"
#include "base/span.h"

// Clients that guess at the same time are few; when the table is full the oldest row is given up.
enum { BASE_GUESSES_ROWS = 256, BASE_GUESSES_CLIENT_BYTES = 64 };

struct base_guesses_row {
  uint8_t client[BASE_GUESSES_CLIENT_BYTES];
  size_t client_bytes;
  unsigned wrong;     // 0: the row is free
  uint64_t since_us;  // the first of them, or when some were last forgiven
};
struct base_guesses {
  const struct base_clock *clock;
  unsigned most;      // a client may have against it
  unsigned forgiven;  // of them, every so many seconds
  unsigned every_s;
  struct base_guesses_row rows[BASE_GUESSES_ROWS];
};

void base_guesses_init(struct base_guesses *guesses, const struct base_clock *clock, unsigned most, unsigned forgiven,
                       unsigned every_s);
// `client`: an address, as text or bytes; what is longer than BASE_GUESSES_CLIENT_BYTES is cut off.
bool base_guesses_allow(struct base_guesses *guesses, struct base_span client);
void base_guesses_count(struct base_guesses *guesses, struct base_span client);  // a wrong one
void base_guesses_forget(struct base_guesses *guesses, struct base_span client);

#endif
