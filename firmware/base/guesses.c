#include "base/guesses.h"

#include <string.h>

void base_guesses_init(struct base_guesses *guesses, const struct base_clock *clock, unsigned most, unsigned forgiven,
                       unsigned every_s) {
  *guesses = (struct base_guesses){.clock = clock, .most = most, .forgiven = forgiven, .every_s = every_s};
}

static void forgive(const struct base_guesses *guesses, struct base_guesses_row *row, uint64_t now_us) {
  const uint64_t every_us = guesses->every_s * UINT64_C(1000000);
  const uint64_t times = (now_us - row->since_us) / every_us;
  row->wrong = times * guesses->forgiven >= row->wrong ? 0 : row->wrong - (unsigned)times * guesses->forgiven;
  row->since_us += times * every_us;
}

static struct base_span key_of(struct base_span client) {
  return base_span_slice(client, 0, BASE_GUESSES_CLIENT_BYTES);
}

// The client's row, else the one to use for it.
static struct base_guesses_row *find(struct base_guesses *guesses, struct base_span key, bool *is_known) {
  const uint64_t now_us = base_clock_us(guesses->clock);
  struct base_guesses_row *oldest = &guesses->rows[0];
  *is_known = true;
  for (size_t i = 0; i < BASE_GUESSES_ROWS; i++) {
    struct base_guesses_row *row = &guesses->rows[i];
    if (row->wrong > 0) forgive(guesses, row, now_us);
    if (row->wrong > 0 && base_span_equal(base_span_of(row->client, row->client_bytes), key)) return row;
    if (row->wrong == 0 || (oldest->wrong != 0 && row->since_us < oldest->since_us)) oldest = row;
  }
  *is_known = false;
  return oldest;
}

bool base_guesses_allow(struct base_guesses *guesses, struct base_span client) {
  bool is_known;
  const struct base_guesses_row *row = find(guesses, key_of(client), &is_known);
  return !is_known || row->wrong < guesses->most;
}

void base_guesses_count(struct base_guesses *guesses, struct base_span client) {
  const struct base_span key = key_of(client);
  bool is_known;
  struct base_guesses_row *row = find(guesses, key, &is_known);
  if (!is_known) {
    *row = (struct base_guesses_row){.client_bytes = key.bytes, .since_us = base_clock_us(guesses->clock)};
    memcpy(row->client, key.data, key.bytes);
  }
  if (row->wrong < guesses->most) row->wrong++;  // many at once are forgiven as soon as one after the other
}

void base_guesses_forget(struct base_guesses *guesses, struct base_span client) {
  bool is_known;
  struct base_guesses_row *row = find(guesses, key_of(client), &is_known);
  if (is_known) row->wrong = 0;
}
