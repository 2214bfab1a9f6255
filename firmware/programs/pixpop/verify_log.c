#include "verify_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "terminal.h"

// With a number before it.
static const char *word_of(uint64_t entries) { return entries == 1 ? "entry" : "entries"; }

// --- the key ---

// The text's first line: the log's name, as far as it is one that can be looked up.
static bool read_origin(struct base_span note, char out[INTEGRITY_NOTE_MAX_NAME + 1]) {
  return base_span_copy(base_span_cut(&note, '\n'), out, INTEGRITY_NOTE_MAX_NAME + 1);
}

static bool parse_key(struct verify_log *log, const char *vkey, const char *whose) {
  struct base_fault fault = {0};
  if (integrity_note_key_parse(base_span_text(vkey), &log->key, &fault) == BASE_OK) return true;
  verify_report_unchecked(log->report, NULL, "%s is no vkey: %s", whose, fault.text);
  return false;
}

// The place shows another ledger than it did, or its ledger another key.
static void check_place(struct verify_log *log, const struct verify_seen *of_place, const struct verify_seen *of_origin,
                        bool is_pinned) {
  const char *offered = log->source->vkey;
  char vkey[INTEGRITY_VKEY_MAX_CHARS + 1];
  integrity_note_key_text(&log->key, vkey);
  if (offered[0] != '\0' && strcmp(offered, vkey) != 0) {
    verify_report_wrong(log->report, NULL, "the key it shows, %s, is not the one %s", offered,
                        is_pinned ? "of --vkey. Compare that with the console's page: unless it has the same, --vkey "
                                    "is not the key of this ledger"
                                  : "remembered for its ledger");
    log->is_sound = false;
  }
  if (is_pinned || of_place->origin[0] == '\0' || strcmp(of_place->origin, log->key.name) == 0) return;
  verify_report_wrong(log->report, NULL,
                      "the ledger was %s (%" PRIu64
                      " %s) until now, and is another one today. If it was begun anew on purpose (pixpopd "
                      "--new-ledger), accept the new one with --vkey %s",
                      of_place->origin, of_place->size, word_of(of_place->size),
                      of_origin->vkey[0] != '\0' ? of_origin->vkey : vkey);
  log->is_sound = false;
}

static bool choose_key(struct verify_log *log, const struct options *options, const char *origin) {
  struct verify_seen of_origin, of_place;
  struct base_fault fault = {0};
  enum base_result result = verify_seen_find(log->state_path, origin, &of_origin, &fault);
  if (result == BASE_OK) result = verify_seen_find_place(log->state_path, log->source->place, &of_place, &fault);
  if (result != BASE_OK) {
    verify_report_fault(log->report, NULL, &fault);
    return false;
  }
  const char *said = "remembered from an earlier run";
  bool is_fine;
  if (options->vkey != NULL) {
    is_fine = parse_key(log, options->vkey, "--vkey");
    said = "the one of --vkey";
  } else if (of_origin.vkey[0] != '\0') {
    is_fine = parse_key(log, of_origin.vkey, "what the state file has");
  } else if (log->source->vkey[0] != '\0') {
    is_fine = parse_key(log, log->source->vkey, "what it gives as its key");
    log->is_key_new = true;
    said = "as the place itself gives it: it was not seen before";
  } else {
    verify_report_unchecked(log->report, NULL, "it does not show its key: pass it with --vkey");
    is_fine = false;
  }
  if (!is_fine) return false;
  char vkey[INTEGRITY_VKEY_MAX_CHARS + 1];
  integrity_note_key_text(&log->key, vkey);
  verify_report_say(log->report, "ledger", "%s", log->key.name);
  verify_report_say(log->report, "key", "%s", vkey);
  verify_report_say(log->report, "", "%s", said);
  check_place(log, &of_place, &of_origin, options->vkey != NULL);
  return true;
}

// --- checkpoints ---

static bool is_same(const struct integrity_checkpoint *a, const struct integrity_checkpoint *b) {
  return a->size == b->size && integrity_digest_equal(&a->root, &b->root);
}

// Whether the log of `late` begins with that of `early`. BASE_CORRUPT: it does not.
static enum base_result check_consistent(const struct verify_log *log, const struct integrity_checkpoint *early,
                                         const struct integrity_checkpoint *late, struct base_fault *fault) {
  struct integrity_digest path[2 * INTEGRITY_MERKLE_LEVELS];
  size_t nodes = 0;
  if (is_same(early, late) || early->size == 0) return BASE_OK;
  if (early->size == late->size)
    return BASE_FAIL(fault, BASE_CORRUPT, "",
                     "two different checkpoints of %" PRIu64 " %s are signed: the ledger has two histories",
                     early->size, word_of(early->size));
  const enum base_result result =
      integrity_tiles_consistency(&log->source->tiles, early->size, late->size, path, &nodes, fault);
  if (result != BASE_OK) return result;
  if (integrity_merkle_is_consistent(early->size, &early->root, late->size, &late->root, path, nodes)) return BASE_OK;
  return BASE_FAIL(fault, BASE_CORRUPT, "",
                   "its %" PRIu64 " entries do not begin with the %" PRIu64
                   " that were signed before: the history was changed, or a tile is damaged",
                   late->size, early->size);
}

bool verify_log_admit(struct verify_log *log, const struct integrity_checkpoint *checkpoint) {
  struct base_fault fault = {0};
  if (is_same(checkpoint, &log->admitted)) return true;
  const bool is_newer = checkpoint->size > log->head.size;
  const enum base_result result =
      check_consistent(log, is_newer ? &log->head : checkpoint, is_newer ? checkpoint : &log->head, &fault);
  if (result == BASE_CORRUPT) {
    verify_report_fault(log->report, NULL, &fault);
  } else if (result != BASE_OK) {
    verify_report_unchecked(log->report, NULL,
                            "a signed checkpoint of %" PRIu64 " %s: whether it belongs to the history of the %" PRIu64
                            " can not be shown: %s",
                            checkpoint->size, word_of(checkpoint->size), log->head.size, fault.text);
  }
  if (result != BASE_OK) return log->is_sound = false;
  log->admitted = *checkpoint;
  if (is_newer) log->head = *checkpoint;
  return true;
}

static bool read_checkpoint(struct verify_log *log, const struct options *options) {
  struct base_buffer note;
  struct base_fault fault = {0};
  char origin[INTEGRITY_NOTE_MAX_NAME + 1];
  bool is_fine = false;
  base_buffer_init(&note, INTEGRITY_NOTE_MAX_BYTES);
  if (log->source->read_checkpoint(log->source->self, &note, &fault) != BASE_OK) {
    verify_report_fault(log->report, NULL, &fault);
  } else if (!read_origin(base_buffer_span(&note), origin)) {
    verify_report_wrong(log->report, NULL, "the checkpoint is no signed note");
  } else if (choose_key(log, options, origin)) {
    is_fine = integrity_checkpoint_open(base_buffer_span(&note), &log->key, &log->head, &fault) == BASE_OK;
    if (!is_fine) verify_report_wrong(log->report, "checkpoint", "%s", fault.text);
  }
  base_buffer_finish(&note);
  return is_fine;
}

// The tree that the tiles are of is the one that was signed.
static void check_tree(struct verify_log *log) {
  struct integrity_digest root;
  struct base_fault fault = {0};
  const uint64_t size = log->head.size;
  const enum base_result result = integrity_tiles_root(&log->source->tiles, size, size, &root, &fault);
  if (result == BASE_NOT_FOUND && log->source->is_copy) return;
  if (result != BASE_OK) {
    verify_report_fault(log->report, "tiles", &fault);
    log->is_sound = false;
  } else if (!integrity_digest_equal(&root, &log->head.root)) {
    verify_report_wrong(log->report, "tiles", "their root is not the one of the checkpoint: a tile is damaged");
    log->is_sound = false;
  }
}

// The last checkpoint seen is newer than this one.
static void check_older(struct verify_log *log, const struct integrity_checkpoint *seen, const char *when) {
  if (log->source->is_copy) {
    verify_report_say(log->report, "history", "a copy that is older than the %" PRIu64 " %s seen on %s", seen->size,
                      word_of(seen->size), when);
    return;
  }
  verify_report_wrong(log->report, "history", "it has %" PRIu64 " %s, and had %" PRIu64 " on %s: some are gone",
                      log->head.size, word_of(log->head.size), seen->size, when);
  log->is_sound = false;
}

static void check_newer(struct verify_log *log, const struct integrity_checkpoint *seen, const char *when) {
  struct base_fault fault = {0};
  const enum base_result result = check_consistent(log, seen, &log->head, &fault);
  if (result == BASE_OK) {
    verify_report_say(log->report, "history", "continues the %" PRIu64 " %s seen on %s", seen->size,
                      word_of(seen->size), when);
  } else if (result == BASE_NOT_FOUND && log->source->is_copy) {
    verify_report_say(log->report, "history",
                      "a checkpoint of %" PRIu64
                      " %s was seen on %s; this copy lacks what would show that it continues that",
                      seen->size, word_of(seen->size), when);
    log->is_sound = false;
  } else if (result == BASE_NOT_FOUND) {
    verify_report_unchecked(log->report, "history",
                            "whether it continues the %" PRIu64
                            " %s seen on %s can not be shown: what is needed for that has been pruned since. From "
                            "now on it is compared with today's checkpoint",
                            seen->size, word_of(seen->size), when);
  } else {
    verify_report_fault(log->report, "history", &fault);
    log->is_sound = false;
  }
}

static void check_history(struct verify_log *log) {
  struct verify_seen seen;
  struct base_fault fault = {0};
  char when[TERMINAL_TIME_CHARS];
  if (verify_seen_find(log->state_path, log->key.name, &seen, &fault) != BASE_OK) {
    verify_report_fault(log->report, "history", &fault);
    log->is_sound = false;
    return;
  }
  if (seen.origin[0] == '\0') {
    verify_report_say(log->report, "history", "this checkpoint is the first one seen");
    return;
  }
  const struct integrity_checkpoint before = {.size = seen.size, .root = seen.root};
  terminal_time(seen.seen_s, when);
  if (before.size > log->head.size)
    check_older(log, &before, when);
  else
    check_newer(log, &before, when);
}

bool verify_log_begin(struct verify_log *log, const struct options *options, struct verify_source *source,
                      struct verify_report *report) {
  *log = (struct verify_log){.source = source, .report = report, .is_sound = true};
  verify_seen_path(options->state, log->state_path);
  if (!read_checkpoint(log, options)) return log->is_sound = false;
  char root[BASE_DIGEST_BASE64URL_CHARS + 1];
  integrity_digest_text(&log->head.root, root);
  verify_report_say(report, "checkpoint", "%" PRIu64 " %s, rightly signed, root %s", log->head.size,
                    word_of(log->head.size), root);
  check_tree(log);
  check_history(log);
  log->admitted = log->head;
  return true;
}

bool verify_log_look_again(struct verify_log *log) {
  struct base_buffer note;
  struct base_fault fault = {0};
  struct integrity_checkpoint checkpoint;
  base_buffer_init(&note, INTEGRITY_NOTE_MAX_BYTES);
  enum base_result result = log->source->read_checkpoint(log->source->self, &note, &fault);
  if (result == BASE_OK) result = integrity_checkpoint_open(base_buffer_span(&note), &log->key, &checkpoint, &fault);
  base_buffer_finish(&note);
  if (result != BASE_OK) {
    verify_report_fault(log->report, "checkpoint", &fault);
    return log->is_sound = false;
  }
  if (!verify_log_admit(log, &checkpoint)) return false;
  check_tree(log);
  return log->is_sound;
}

void verify_log_end(struct verify_log *log) {
  struct verify_seen seen = {.size = log->head.size, .root = log->head.root};
  struct base_fault fault = {0};
  if (!log->is_sound) return;
  memcpy(seen.origin, log->key.name, sizeof(seen.origin));
  integrity_note_key_text(&log->key, seen.vkey);
  seen.seen_s = base_clock_wall_s(base_clock_system());
  if (verify_seen_remember(log->state_path, log->source->place, &seen, &fault) != BASE_OK)
    verify_report_unchecked(log->report, "history", "the checkpoint is not remembered for the next run: %s",
                            fault.text);
  else if (log->is_key_new)
    verify_report_say(log->report, "key",
                      "seen for the first time, and believed from now on: compare it with the console's page, or pin "
                      "it with --vkey");
}

// --- proofs ---

static enum base_result check_subject(const struct integrity_subject *subject, enum verify_kind kind,
                                      const struct integrity_digest *object, struct base_fault *fault) {
  const enum integrity_entry_kind wanted = kind == VERIFY_ORIGINALS ? INTEGRITY_ENTRY_PUT : INTEGRITY_ENTRY_DERIVE;
  if (subject->kind != wanted) return BASE_FAIL(fault, BASE_CORRUPT, "", "the proof is of another kind of entry");
  if (!integrity_digest_equal(&subject->object, object))
    return BASE_FAIL(fault, BASE_CORRUPT, "", "the proof is about another object");
  return BASE_OK;
}

bool verify_log_prove(struct verify_log *log, struct base_span text, enum verify_kind kind,
                      const struct integrity_digest *object, const char *about, struct integrity_subject *out) {
  struct base_buffer storage;
  struct integrity_proof proof;
  struct integrity_proven proven;
  struct base_fault fault = {0};
  base_buffer_init(&storage, INTEGRITY_PROOF_MAX_BYTES);
  enum base_result result = integrity_proof_parse(text, &storage, &proof, &fault);
  if (result == BASE_OK) result = integrity_proof_check(&proof, &log->key, &proven, &fault);
  if (result == BASE_OK) result = check_subject(&proven.subject, kind, object, &fault);
  base_buffer_finish(&storage);
  if (result != BASE_OK) {
    verify_report_fault(log->report, about, &fault);
    return false;
  }
  *out = proven.subject;
  return verify_log_admit(log, &proven.checkpoint);
}
