// /api/v1/certificate: the certificate of the delivery side, for the operator's own name. The console keeps its own.
//
// GET tells what visitors see; PUT takes PEM, the private key and the chain, and shows it at once; DELETE goes back to
// one that the box makes itself. All answer with what is shown then, PUT also with "advice" when there is some. The key
// is never told.
#include <string.h>

#include "api.h"
#include "body.h"

enum { MAX_CERTIFICATE_JSON = 256 * 1024, DAY_S = 24 * 60 * 60 };

static bool get(const struct console *console, struct console_certificate_state *out) {
  const struct console_certificate *certificate = console->config.certificate;
  return certificate && certificate->get(certificate->self, out);
}

static const char *source_name(enum console_certificate_source source) {
  switch (source) {
    case CONSOLE_CERTIFICATE_MADE:
      return "self-made";
    case CONSOLE_CERTIFICATE_GIVEN:
      return "given";
    default:
      return "settings";
  }
}

static void write_warnings(struct base_json_writer *json, const struct console_certificate_state *state) {
  base_json_array(json, "warnings");
  for (size_t i = 0; i < state->warning_count; i++) base_json_string(json, NULL, state->warnings[i]);
  base_json_array_end(json);
}

// What both the status and the resource itself tell.
static void write_short(struct base_json_writer *json, const struct console_certificate_state *state, int64_t now_s) {
  const int64_t left_s = state->about.not_after_s - now_s;
  base_json_string(json, "source", source_name(state->source));
  base_json_integer(json, "not_after_s", state->about.not_after_s);
  base_json_integer(json, "days_left", left_s > 0 ? left_s / DAY_S : 0);
  write_warnings(json, state);
}

static void write_whole(struct base_json_writer *json, const struct console_certificate_state *state, int64_t now_s) {
  const struct tls_about *about = &state->about;
  base_json_object(json, "delivery");
  write_short(json, state, now_s);
  base_json_bool(json, "is_replaceable", state->source != CONSOLE_CERTIFICATE_NAMED);
  base_json_array(json, "names");
  for (size_t i = 0; i < about->name_count; i++) base_json_string(json, NULL, about->names[i]);
  base_json_array_end(json);
  base_json_integer(json, "more_names", (int64_t)about->more_names);
  base_json_string(json, "subject", about->subject);
  base_json_string(json, "issuer", about->issuer);
  base_json_bool(json, "is_self_signed", about->is_self_signed);
  base_json_string(json, "key", about->key);
  base_json_integer(json, "chain", about->chain_count);
  base_json_integer(json, "not_before_s", about->not_before_s);
  base_json_string(json, "fingerprint", about->fingerprint);
  base_json_object_end(json);
}

void console_fingerprint_write(struct base_json_writer *json, const struct console *console) {
  char text[TLS_FINGERPRINT_CHARS + 1];
  const char *pem_path = console->config.pem_path;
  const bool is_known = pem_path != NULL && tls_identity_fingerprint(pem_path, text, NULL) == BASE_OK;
  base_json_string(json, "fingerprint", is_known ? text : NULL);
}

void console_certificate_write(struct base_json_writer *json, const struct console *console) {
  struct console_certificate_state state;
  if (!get(console, &state)) {
    base_json_string(json, "certificate", NULL);
    return;
  }
  base_json_object(json, "certificate");
  write_short(json, &state, base_clock_wall_s(console->config.clock));
  base_json_object_end(json);
}

static enum base_result show(struct console_exchange *exchange, bool has_come, struct http_reply *reply,
                             struct base_fault *fault) {
  const struct console *console = exchange->console;
  struct console_certificate_state state;
  struct base_buffer text;
  struct base_json_writer json;
  base_buffer_init(&text, MAX_CERTIFICATE_JSON);
  base_json_begin(&json, &text);
  base_json_object(&json, NULL);
  if (get(console, &state)) {
    write_whole(&json, &state, base_clock_wall_s(console->config.clock));
    if (has_come && state.advice[0]) base_json_string(&json, "advice", state.advice);
  } else {
    base_json_string(&json, "delivery", NULL);
  }
  base_json_object(&json, "console");
  console_fingerprint_write(&json, console);
  base_json_object_end(&json);
  base_json_object_end(&json);
  const enum base_result result = console_reply_json(reply, 200, &text, json.result, fault);
  base_buffer_finish(&text);
  return result;
}

enum base_result console_certificate_show(struct console_exchange *exchange, struct http_reply *reply,
                                          struct base_fault *fault) {
  return show(exchange, false, reply, fault);
}

// The one that there is to change.
static const struct console_certificate *find(const struct console_exchange *exchange, struct base_fault *fault) {
  const struct console_certificate *certificate = exchange->console->config.certificate;
  if (!certificate) (void)BASE_FAIL(fault, BASE_NOT_FOUND, "certificate", "this box takes no certificate");
  return certificate;
}

static void note(const struct console_exchange *exchange, const char *what) {
  base_log_write(exchange->console->config.log, BASE_LOG_INFO, "console", exchange->request.id,
                 "the certificate of delivery %s by %s", what, exchange->client);
}

enum base_result console_certificate_set(struct console_exchange *exchange, struct http_reply *reply,
                                         struct base_fault *fault) {
  const struct console_certificate *certificate = find(exchange, fault);
  if (!certificate) return fault->result;
  struct base_buffer pem;
  enum base_result result = console_body_read_all(exchange, TLS_MAX_IDENTITY_BYTES, &pem, fault);
  if (result == BASE_OK) result = certificate->replace(certificate->self, base_buffer_span(&pem), fault);
  tls_identity_forget(&pem);
  if (result != BASE_OK) return result;
  note(exchange, "was replaced");
  return show(exchange, true, reply, fault);
}

enum base_result console_certificate_remove(struct console_exchange *exchange, struct http_reply *reply,
                                            struct base_fault *fault) {
  const struct console_certificate *certificate = find(exchange, fault);
  if (!certificate) return fault->result;
  const enum base_result result = certificate->remove(certificate->self, fault);
  if (result != BASE_OK) return result;
  note(exchange, "was removed");
  return console_certificate_show(exchange, reply, fault);
}
