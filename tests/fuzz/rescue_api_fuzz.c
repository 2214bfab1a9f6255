// Any bytes as a request to the rescue program: a whole reply comes, and without a session nothing is told or changed.
// A first byte with its lowest bit set opens a session, whose token is 43 times 't'.
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "api.h"
#include "exchange.h"
#include "http/parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const char code[] = "ABCDEFGH2345";

void network_write(const struct network *network, struct base_json_writer *json) {
  (void)network;
  base_json_array(json, "interfaces");
  base_json_array_end(json);
}

static struct arguments arguments = {
    .board = "test-board", .host_name = "rescue", .keys = "/nonexistent", .bootenv = "/nonexistent", .rearm_s = 600};
static struct api api;

static void set_up(void) {
  struct slots_state slots;
  struct base_fault fault = {0};
  const struct base_log_config log = {.fd = -1, .level = BASE_LOG_ERROR, .kept_bytes = 4096};
  const struct install_config install = {.state = &api.state, .keys = "/nonexistent", .board = "test-board"};
  static char path[32];
  api.arguments = &arguments;
  api.clock = base_clock_system();
  api.log = base_log_create(&log);
  int fd = memfd_create("bootenv", MFD_CLOEXEC);
  BASE_ASSERT(api.log != NULL && fd >= 0 && ftruncate(fd, SLOTS_GRUB_BYTES) == 0);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  state_init(&api.state, path, "", NULL, true, api.log);
  slots_reset(&slots, SLOTS_GOOD);
  BASE_ASSERT(api.state.loader.store(api.state.loader.self, &slots, &fault) == BASE_OK);
  BASE_ASSERT(install_create(&install, &api.install, &fault) == BASE_OK);
  api.access.clock = api.clock;
  memcpy(api.access.code, code, sizeof code);
}

static void set_session(bool is_open) {
  struct integrity_digest digest;
  char token[BASE_TOKEN_CHARS];
  memset(token, 't', sizeof token);
  integrity_digest_of(base_span_of(token, sizeof token), &digest);
  memset(api.access.sessions, 0, sizeof api.access.sessions);
  base_guesses_init(&api.access.guesses, api.clock, ACCESS_GUESSES, 1, ACCESS_GUESS_EVERY_S);
  api.wants_reboot = false;
  if (!is_open) return;
  api.access.sessions[0].is_open = true;
  api.access.sessions[0].used_ms = base_clock_ms(api.clock);
  memcpy(api.access.sessions[0].digest, digest.bytes, sizeof api.access.sessions[0].digest);
}

static uint64_t sequence(void) {
  struct slots_state slots;
  BASE_ASSERT(api.state.loader.load(api.state.loader.self, &slots, NULL) == BASE_OK);
  return slots.sequence;
}

static void check_reply(struct http_reply *reply, const struct http_request *request, bool had_session) {
  struct base_buffer out;
  const int status = reply->status;
  const bool is_guarded =
      base_span_starts_with(request->path, "/api/") && !base_span_is(request->path, "/api/v1/session");
  base_buffer_init(&out, EXCHANGE_REPLY_BYTES);
  if (request->method == HTTP_HEAD) http_reply_keep_length(reply);
  BASE_ASSERT(exchange_write_reply(reply, false, &out) == BASE_OK);
  BASE_ASSERT(out.bytes > 12 && memcmp(out.data, "HTTP/1.1 ", 9) == 0);
  BASE_ASSERT(status >= 200 && status <= 507 && status != 500);
  if (is_guarded && !had_session) BASE_ASSERT(status == 401);
  base_buffer_finish(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  static struct http_request request;
  struct base_fault fault = {0};
  struct http_reply reply;
  size_t head_bytes;
  if (api.arguments == NULL) set_up();
  if (bytes == 0) return 0;
  const bool has_session = (data[0] & 1) != 0;
  if (http_parse_request(base_span_of(data + 1, bytes - 1), &request, &head_bytes, &fault) != HTTP_PARSE_DONE) return 0;
  struct base_span body = base_span_of(data + 1 + head_bytes, bytes - 1 - head_bytes);
  if (body.bytes > API_MAX_BODY) body.bytes = API_MAX_BODY;
  set_session(has_session);
  const uint64_t before = sequence();
  if (api_is_upload(&request)) {
    // There are no keys: what gets as far as that ends there.
    enum base_result result = api_begin_upload(&api, &request, &fault);
    BASE_ASSERT(result != BASE_OK && (has_session || result == BASE_UNAUTHORIZED));
  } else {
    api_answer(&api, &request, body, &reply);
    check_reply(&reply, &request, has_session);
    exchange_redirect(&request, &reply);
    check_reply(&reply, &request, true);
  }
  if (!has_session) BASE_ASSERT(sequence() == before && !api.wants_reboot);
  return 0;
}
