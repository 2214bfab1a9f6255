#include "access.h"

#include <string.h>

#include "base/file.h"
#include "integrity/digest.h"

enum base_result access_init(struct access *access, const char *path, const struct base_clock *clock,
                             struct base_fault *fault) {
  struct base_buffer kept;
  *access = (struct access){.clock = clock};
  base_guesses_init(&access->guesses, clock, ACCESS_GUESSES, 1, ACCESS_GUESS_EVERY_S);
  enum base_result result = base_file_read(path, BASE_CODE_CHARS, &kept, NULL);
  if (result == BASE_OK && base_code_is_valid(base_buffer_span(&kept)))
    memcpy(access->code, kept.data, BASE_CODE_CHARS);
  else
    base_code_make(access->code);
  result = base_file_replace_durably(path, base_span_text(access->code), 0600, fault);
  base_buffer_finish(&kept);
  return result;
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

// Compared in the same time whatever was typed.
static bool is_right(const struct access *access, struct base_span typed) {
  char code[BASE_CODE_CHARS + 1] = "";
  const bool is_code = base_code_read(typed, code, sizeof code);
  return base_span_equal_constant_time(base_span_of(code, BASE_CODE_CHARS),
                                       base_span_of(access->code, BASE_CODE_CHARS)) &&
         is_code;
}

enum base_result access_open(struct access *access, struct base_span code, const uint8_t *client,
                             char token[BASE_TOKEN_CHARS + 1], struct base_fault *fault) {
  const struct base_span guesser = base_span_of(client, HTTP_CLIENT_BYTES);
  if (!base_guesses_allow(&access->guesses, guesser))
    return BASE_FAIL(fault, BASE_RATE, "code", "too many wrong codes: wait %d seconds", ACCESS_GUESS_EVERY_S);
  if (!is_right(access, code)) {
    base_guesses_count(&access->guesses, guesser);
    return BASE_FAIL(fault, BASE_UNAUTHORIZED, "code", "this is not the code on the console");
  }
  base_guesses_forget(&access->guesses, guesser);
  base_token_make(token);
  struct access_session *session = free_session(access);
  session->is_open = true;
  session->used_ms = base_clock_ms(access->clock);
  memcpy(session->client, client, sizeof session->client);
  digest_of(base_span_text(token), session->digest);
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
