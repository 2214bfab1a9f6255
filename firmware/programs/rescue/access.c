#include "access.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/text.h"
#include "integrity/digest.h"

// Crockford's: what people mix up is not in it.
static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

static bool is_code(struct base_span text) {
  for (size_t i = 0; i < text.bytes; i++) {
    if (text.data[i] == '\0' || strchr(alphabet, text.data[i]) == NULL) return false;
  }
  return text.bytes == ACCESS_CODE_CHARS;
}

enum base_result access_init(struct access *access, const char *path, const struct base_clock *clock,
                             struct base_fault *fault) {
  struct base_buffer kept;
  *access = (struct access){.clock = clock};
  enum base_result result = base_file_read(path, ACCESS_CODE_CHARS, &kept, NULL);
  if (result == BASE_OK && is_code(base_buffer_span(&kept))) {
    memcpy(access->code, kept.data, ACCESS_CODE_CHARS);
  } else {
    uint8_t random[ACCESS_CODE_CHARS];
    base_random_bytes(random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++) access->code[i] = alphabet[random[i] % (sizeof alphabet - 1)];
  }
  result = base_file_replace_durably(path, base_span_text(access->code), 0600, fault);
  base_buffer_finish(&kept);
  return result;
}

void access_write_code(const struct access *access, char *out) {
  snprintf(out, ACCESS_CODE_TEXT + 1, "%.4s-%.4s-%.4s", access->code, access->code + 4, access->code + 8);
}

// As typed -> as kept. Longer ones become another code.
static void normalise(struct base_span typed, char out[ACCESS_CODE_CHARS + 1]) {
  size_t chars = 0;
  memset(out, 0, ACCESS_CODE_CHARS + 1);
  for (size_t i = 0; i < typed.bytes; i++) {
    char c = (char)toupper(typed.data[i]);
    if (c == '-' || c == ' ' || c == '\r' || c == '\n') continue;
    if (c == 'O') c = '0';
    if (c == 'I' || c == 'L') c = '1';
    if (chars == ACCESS_CODE_CHARS) {
      out[0] = '\0';
      return;
    }
    out[chars++] = c;
  }
}

// The address's row; a new one takes the place of the one that has been silent for longest.
static struct access_guesser *find_guesser(struct access *access, const uint8_t *client) {
  struct access_guesser *oldest = &access->guessers[0];
  for (size_t i = 0; i < ACCESS_GUESSERS; i++) {
    struct access_guesser *guesser = &access->guessers[i];
    if (memcmp(guesser->client, client, sizeof guesser->client) == 0) return guesser;
    if (guesser->seen_ms < oldest->seen_ms) oldest = guesser;
  }
  *oldest = (struct access_guesser){0};
  memcpy(oldest->client, client, sizeof oldest->client);
  return oldest;
}

static bool may_guess(struct access *access, struct access_guesser *guesser) {
  const uint64_t now_ms = base_clock_ms(access->clock);
  const uint64_t earned = (now_ms - guesser->seen_ms) / (ACCESS_GUESS_EVERY_S * 1000);
  if (earned > 0) {
    guesser->wrong = earned > guesser->wrong ? 0 : guesser->wrong - (unsigned)earned;
    guesser->seen_ms = now_ms;
  }
  return guesser->wrong < ACCESS_GUESSES;
}

static void digest_of(struct base_span token, uint8_t out[32]) {
  struct integrity_digest digest;
  integrity_digest_of(token, &digest);
  memcpy(out, digest.bytes, 32);
}

static struct access_session *free_session(struct access *access) {
  struct access_session *oldest = &access->sessions[0];
  for (size_t i = 0; i < ACCESS_SESSIONS; i++) {
    if (!access->sessions[i].is_open) return &access->sessions[i];
    if (access->sessions[i].used_ms < oldest->used_ms) oldest = &access->sessions[i];
  }
  return oldest;
}

enum base_result access_open(struct access *access, struct base_span code, const uint8_t *client,
                             char token[ACCESS_TOKEN_CHARS + 1], struct base_fault *fault) {
  char typed[ACCESS_CODE_CHARS + 1];
  uint8_t random[ACCESS_TOKEN_BYTES];
  struct access_guesser *guesser = find_guesser(access, client);
  if (!may_guess(access, guesser))
    return BASE_FAIL(fault, BASE_RATE, "code", "too many wrong codes: wait %d seconds", ACCESS_GUESS_EVERY_S);
  normalise(code, typed);
  if (!base_span_equal_constant_time(base_span_of(typed, ACCESS_CODE_CHARS),
                                     base_span_of(access->code, ACCESS_CODE_CHARS))) {
    guesser->wrong++;
    guesser->seen_ms = base_clock_ms(access->clock);
    return BASE_FAIL(fault, BASE_UNAUTHORIZED, "code", "this is not the code on the console");
  }
  guesser->wrong = 0;
  base_random_bytes(random, sizeof random);
  base_base64url_encode(base_span_of(random, sizeof random), token, ACCESS_TOKEN_CHARS + 1);
  struct access_session *session = free_session(access);
  session->is_open = true;
  session->used_ms = base_clock_ms(access->clock);
  memcpy(session->client, client, sizeof session->client);
  digest_of(base_span_text(token), session->digest);
  explicit_bzero(random, sizeof random);
  return BASE_OK;
}

static struct access_session *find_session(struct access *access, const struct http_request *request) {
  static const char scheme[] = "Bearer ";
  const struct http_header *header = http_request_header(request, "Authorization");
  const uint64_t now_ms = base_clock_ms(access->clock);
  uint8_t digest[32];
  if (header == NULL || !base_span_starts_with(header->value, scheme)) return NULL;
  digest_of(base_span_slice(header->value, sizeof scheme - 1, header->value.bytes), digest);
  for (size_t i = 0; i < ACCESS_SESSIONS; i++) {
    struct access_session *session = &access->sessions[i];
    if (session->is_open && now_ms - session->used_ms > ACCESS_SESSION_IDLE_S * UINT64_C(1000))
      session->is_open = false;
    if (session->is_open && memcmp(session->digest, digest, sizeof digest) == 0) return session;
  }
  return NULL;
}

enum base_result access_check(struct access *access, const struct http_request *request, struct base_fault *fault) {
  struct access_session *session = find_session(access, request);
  if (session == NULL) return BASE_FAIL(fault, BASE_UNAUTHORIZED, "", "enter the code that the console shows");
  session->used_ms = base_clock_ms(access->clock);
  memcpy(session->client, request->client, sizeof session->client);
  return BASE_OK;
}

bool access_knows(const struct access *access, const uint8_t *client) {
  const uint64_t now_ms = base_clock_ms(access->clock);
  for (size_t i = 0; i < ACCESS_SESSIONS; i++) {
    const struct access_session *session = &access->sessions[i];
    if (session->is_open && now_ms - session->used_ms <= ACCESS_SESSION_IDLE_S * UINT64_C(1000) &&
        memcmp(session->client, client, sizeof session->client) == 0)
      return true;
  }
  return false;
}

void access_close(struct access *access, const struct http_request *request) {
  struct access_session *session = find_session(access, request);
  if (session != NULL) session->is_open = false;
}
