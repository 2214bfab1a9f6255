// The ledger under /ledger/, what the status says of ledger and scrubber, and POST /api/v1/scrub, which begins a round.

#include "api.h"
#include "pop/ledger.h"
#include "sink.h"
#include "store/ledger.h"
#include "store/scrub.h"

enum { MAX_SCRUB_JSON = 256 };

static const char *const state_names[] = {
    [STORE_LEDGER_OFF] = "off",
    [STORE_LEDGER_RUNNING] = "running",
    [STORE_LEDGER_HALTED] = "halted",
};

static void write_ledger(struct base_json_writer *json, struct store *store) {
  struct store_ledger_status status;
  char root[BASE_DIGEST_BASE64URL_CHARS + 1];
  store_ledger_get_status(store, &status);
  integrity_digest_text(&status.root, root);
  base_json_object(json, "ledger");
  base_json_string(json, "state", state_names[status.state]);
  if (status.state != STORE_LEDGER_OFF) {
    base_json_string(json, "reason", status.reason);
    base_json_string(json, "origin", status.origin);
    base_json_string(json, "vkey", status.vkey);
    base_json_integer(json, "size", (int64_t)status.size);
    base_json_integer(json, "signed_size", (int64_t)status.signed_size);
    base_json_integer(json, "first", (int64_t)status.first);
    base_json_integer(json, "signed_s", status.signed_s);
    base_json_string(json, "root", root);
    base_json_integer(json, "disk_bytes", (int64_t)status.disk_bytes);
    base_json_integer(json, "derives", (int64_t)status.derives);
    base_json_integer(json, "appended_bytes", (int64_t)status.appended_bytes);
    base_json_integer(json, "compactions", (int64_t)status.compactions);
  }
  base_json_object_end(json);
}

static void write_damaged(struct base_json_writer *json, const struct store_scrub_report *report) {
  base_json_integer(json, "damaged_count", (int64_t)report->damaged_count);
  base_json_array(json, "damaged");
  for (size_t i = 0; i < report->damaged_count && i < STORE_SCRUB_MAX_DAMAGED; i++) {
    char id[BASE_DIGEST_BASE64URL_CHARS + 1];
    integrity_digest_text(&report->damaged[i].id, id);
    base_json_object(json, NULL);
    base_json_string(json, "id", id);
    base_json_integer(json, "found_s", report->damaged[i].found_s);
    base_json_object_end(json);
  }
  base_json_array_end(json);
}

static void write_scrub(struct base_json_writer *json, struct store_scrub *scrub) {
  base_json_object(json, "scrub");
  base_json_bool(json, "on", scrub != NULL);
  if (scrub) {
    struct store_scrub_report report;
    store_scrub_get_report(scrub, &report);
    base_json_bool(json, "is_walking", report.is_walking);
    base_json_integer(json, "rounds", (int64_t)report.rounds);
    base_json_integer(json, "round_bytes", (int64_t)report.round_bytes);
    base_json_integer(json, "round_objects", (int64_t)report.round_objects);
    base_json_integer(json, "total_objects", (int64_t)report.total_objects);
    base_json_integer(json, "last_round_s", report.last_round_s);
    base_json_integer(json, "verified_bytes", (int64_t)report.verified_bytes);
    base_json_integer(json, "damaged_variants", (int64_t)report.damaged_variants);
    base_json_integer(json, "damaged_levels", (int64_t)report.damaged_levels);
    base_json_integer(json, "damaged_originals", (int64_t)report.damaged_originals);
    write_damaged(json, &report);
  }
  base_json_object_end(json);
}

void console_integrity_write(struct base_json_writer *json, const struct console *console) {
  write_ledger(json, console->config.store);
  write_scrub(json, console->config.scrub);
}

enum base_result console_ledger_show(struct console_exchange *exchange, struct http_reply *reply,
                                     struct base_fault *fault) {
  (void)fault;
  struct http_handler handler = pop_ledger_trusted_handler(exchange->console->config.pop);  // who comes here logged in
  console_sink_wait(&handler, &exchange->request, reply);
  return BASE_OK;
}

enum base_result console_scrub_run(struct console_exchange *exchange, struct http_reply *reply,
                                   struct base_fault *fault) {
  struct store_scrub *scrub = exchange->console->config.scrub;
  if (!scrub) {
    return BASE_FAIL(fault, BASE_NOT_FOUND, "scrub", "nothing is checked here: the box runs with scrub.on = off");
  }
  store_scrub_run(scrub);
  struct base_buffer text;
  struct base_json_writer json;
  base_buffer_init(&text, MAX_SCRUB_JSON);
  base_json_begin(&json, &text);
  base_json_object(&json, NULL);
  base_json_string(&json, "scrub", "a round has begun, unless one was under way");
  base_json_object_end(&json);
  const enum base_result result = console_reply_json(reply, 202, &text, json.result, fault);
  base_buffer_finish(&text);
  return result;
}
