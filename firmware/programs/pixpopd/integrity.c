// Ledger and scrubber: their settings, their start and what they want of the other rooms.
#include <stdio.h>
#include <sys/stat.h>

#include "box.h"
#include "box_parts.h"
#include "pop/mend.h"
#include "store/ledger.h"

#define ROOM "pixpopd"

enum { MAX_SETTINGS_TEXT = 1 << 20, SETTLE_S = 60 };

static const uint64_t mib = 1024 * 1024, s_per_h = 3600;

struct store_ledger_config box_ledger_config(const struct settings *settings) {
  return (struct store_ledger_config){.is_on = settings->ledger_on,
                                      .commit_ms = (uint32_t)settings->ledger_commit_ms,
                                      .compact_bytes = settings->ledger_compact_mb * mib};
}

void box_note_settings(struct box *box) {
  struct base_buffer text;
  struct integrity_digest digest;
  struct base_fault fault = {0};
  base_buffer_init(&text, MAX_SETTINGS_TEXT);
  enum base_result result = settings_describe(&box->settings, &text);
  if (result == BASE_OK) {
    integrity_digest_of(base_buffer_span(&text), &digest);
    result = store_ledger_note_config(box->store, &digest, PIXPOP_VERSION, &fault);
  }
  base_buffer_finish(&text);
  if (result == BASE_OK) return;
  (void)BASE_FAIL(&fault, result, "ledger", "the settings could not be entered in the ledger");
  base_log_fault(box->log, BASE_LOG_WARN, ROOM, NULL, &fault);
}

void box_announce_ledger(const struct box *box) {
  struct store_ledger_status status;
  store_ledger_get_status(box->store, &status);
  if (status.state == STORE_LEDGER_RUNNING) printf("  ledger       %s\n", status.vkey);
  if (status.state == STORE_LEDGER_HALTED) printf("  ledger       HALTED: %s\n", status.reason);
}

static void mend(void *self, const struct store_variant *variant) { pop_mend(self, variant); }

enum base_result box_build_scrub(struct box *box, struct base_fault *fault) {
  const struct settings *settings = &box->settings;
  if (!settings->scrub_on) return BASE_OK;
  const struct store_scrub_config config = {.bytes_per_s = settings->scrub_mb_per_s * mib,
                                            .rest_s = settings->scrub_rest_h * s_per_h,
                                            .settle_s = SETTLE_S,
                                            .on_dropped = mend,
                                            .self = box->pop};
  return store_scrub_start(box->store, &config, &box->scrub, fault);
}

enum base_result box_guard_ledger(struct box *box, struct base_fault *fault) {
  (void)fault;
  box->ledger_guard = (struct pop_ledger_guard){.check = console_check_token, .self = box->console};
  pop_ledger_set_guard(box->pop, &box->ledger_guard);
  box_note_settings(box);
  return BASE_OK;
}

// Opening a store makes it: a mistyped folder must not become an empty one.
static enum base_result find_store(const struct settings *settings, char root[BOX_MAX_PATH], struct base_fault *fault) {
  char path[BOX_MAX_PATH + 8];
  struct stat info;
  if (snprintf(root, BOX_MAX_PATH, "%s/store", settings->data_folder) >= BOX_MAX_PATH) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "pixpop.data", "the path of the data folder is too long");
  }
  (void)snprintf(path, sizeof(path), "%s/ledger", root);
  if (stat(path, &info) == 0) return BASE_OK;
  return BASE_FAIL_ERRNO(fault, "pixpop.data", "there is no ledger in '%.200s'", settings->data_folder);
}

enum base_result box_renew_ledger(const struct settings *settings, struct base_fault *fault) {
  char root[BOX_MAX_PATH];
  if (!settings->ledger_on) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "ledger.on", "the ledger is off: there is none to begin anew");
  }
  enum base_result result = find_store(settings, root, fault);
  if (result != BASE_OK) return result;
  const struct store_config config = {
      .root = root, .ledger = box_ledger_config(settings), .clock = base_clock_system()};
  result = store_ledger_renew(&config, fault);
  if (result != BASE_OK) return result;
  printf(
      "The old ledger was put aside as %s/ledger.<time>: keep it, it is the evidence of what was.\n"
      "At the next start the box begins a new one with a new key, and enters every object that is on the disk.\n"
      "Whoever checks this box has to be told: 'pixpop verify' and browsers will say that the key has changed,\n"
      "and want the new one (the console's page shows it). Proofs from the old ledger stay valid with the old key.\n"
      "Shared caches in front of the box must forget /ledger/.\n",
      root);
  return BASE_OK;
}
