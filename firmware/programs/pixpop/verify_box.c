#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "complain.h"
#include "remote.h"
#include "terminal.h"
#include "verify_hash.h"
#include "verify_log.h"
#include "verify_places.h"

enum {
  PAGE_ORIGINALS = 100,
  PATH_BYTES = 2048,
  ABOUT_BYTES = 384,
  MAX_NAME_BYTES = 256,
  PROOF_TRIES = 5,  // a new variant is entered once it is on the disk
  FIRST_PAUSE_MS = 50,
  VARIANT_TRIES = 2,
  MAX_WAITED = 3,  // for so many in vain: there is more to it than time
};

// One object on its way through the checks.
struct object {
  enum verify_kind kind;
  const char *id;                    // of the original
  struct integrity_digest original;  // the same
  const char *recipe;                // of a variant
  char path[PATH_BYTES];             // of its bytes
  char about[ABOUT_BYTES];
  // What was found.
  struct integrity_digest digest, root;
  uint64_t bytes;
};

struct walk {
  const struct options *options;
  struct remote remote;
  struct verify_report *report;
  struct verify_source source;
  struct verify_log log;
  struct verify_hash *hash;
  char tenant[INTEGRITY_SUBJECT_MAX_TENANT + 1];  // as the box names it; empty: it does not
  unsigned waited;                                // in vain for an entry
  bool is_hopeless;                               // it does not answer any more
};

// --- asking ---

// The box has found by itself that the bytes are damaged, and does not serve them.
static bool is_corrupt(const struct client_response *response) {
  struct base_json *json = NULL;
  if (base_json_parse(base_buffer_span(&response->body), &json, NULL) != BASE_OK) return false;
  const char *type = base_json_as_string(base_json_get(base_json_root(json), "type"));
  const bool is_it = type != NULL && strcmp(type, "urn:pixpop:problem:corrupt") == 0;
  base_json_destroy(&json);
  return is_it;
}

// What a problem document says, as a fault that fits the status.
static enum base_result refuse(const struct client_response *response, const char *path, struct base_fault *fault) {
  enum base_result result = is_corrupt(response) ? BASE_CORRUPT : BASE_IO;
  if (response->status == 404 || response->status == 410) result = BASE_NOT_FOUND;
  if (response->status == 409) result = BASE_CONFLICT;
  if (response->status == 401 || response->status == 403) result = BASE_UNAUTHORIZED;
  return complain_problem(response, path, result, "", ". " COMPLAIN_TOKEN_HINT, fault);
}

// A GET whose 2xx body goes to `receive`, or is collected when that is NULL. Finish the response always.
static enum base_result fetch(struct walk *walk, const char *path,
                              enum base_result (*receive)(void *self, struct base_span bytes, struct base_fault *fault),
                              struct client_response *response, struct base_fault *fault) {
  const struct client_request request = {
      .method = "GET", .path = path, .bearer = walk->remote.token, .body_fd = -1, .receive = receive, .self = walk};
  const enum base_result result = client_send(walk->remote.client, &request, response, fault);
  if (result != BASE_OK) {
    walk->is_hopeless = true;
    return result;
  }
  return response->status / 100 == 2 ? BASE_OK : refuse(response, path, fault);
}

static enum base_result fetch_json(struct walk *walk, const char *path, struct base_json **out,
                                   struct base_fault *fault) {
  struct client_response response = {0};
  enum base_result result = fetch(walk, path, NULL, &response, fault);
  if (result == BASE_OK) result = base_json_parse(base_buffer_span(&response.body), out, fault);
  client_response_finish(&response);
  return result;
}

// --- the ledger ---

static enum base_result read_checkpoint(void *self, struct base_buffer *out, struct base_fault *fault) {
  struct client_response response = {0};
  enum base_result result = fetch(self, "/ledger/checkpoint", NULL, &response, fault);
  if (result == BASE_OK) result = base_buffer_append(out, response.body.data, response.body.bytes);
  client_response_finish(&response);
  return result;
}

static enum base_result read_tile(void *self, const struct integrity_tile *tile,
                                  struct integrity_digest out[INTEGRITY_TILE_WIDTH], struct base_fault *fault) {
  char name[INTEGRITY_TILE_MAX_PATH + 1], path[PATH_BYTES];
  struct client_response response = {0};
  struct integrity_tile wanted = *tile;
  struct base_fault first = {0};
  enum base_result result = BASE_NOT_FOUND;
  // A partial tile may be gone once there is the full one.
  for (int i = 0; i < 2 && result == BASE_NOT_FOUND; i++) {
    base_fault_clear(&first);
    client_response_finish(&response);
    integrity_tile_path(&wanted, name);
    snprintf(path, sizeof(path), "/ledger/tile/%s", name);
    result = fetch(self, path, NULL, &response, &first);
    wanted.width = INTEGRITY_TILE_WIDTH;
  }
  const size_t bytes = tile->width * sizeof(*out);
  if (result == BASE_OK && response.body.bytes >= bytes)
    memcpy(out, response.body.data, bytes);
  else if (result == BASE_OK)
    result = BASE_FAIL(fault, BASE_CORRUPT, "", "tile %s is too short", name);
  else
    result = BASE_FAIL(fault, result, "", "tile %s: %s", name, first.text);
  client_response_finish(&response);
  return result;
}

// What the box itself says of its ledger. False: there is none to go by.
static bool look_at_status(struct walk *walk, const struct base_json_value *status) {
  const struct base_json_value *ledger = base_json_get(status, "ledger");
  const char *state = base_json_as_string(base_json_get(ledger, "state"));
  const char *vkey = base_json_as_string(base_json_get(ledger, "vkey"));
  if (state == NULL || strcmp(state, "off") == 0) {
    verify_report_unchecked(walk->report, NULL, "this box keeps no ledger%s",
                            state == NULL ? ": its firmware knows none" : " (it is off in its settings)");
    return false;
  }
  if (strcmp(state, "halted") == 0)
    verify_report_wrong(walk->report, NULL, "the box has halted its ledger: %s", remote_text_of(ledger, "reason"));
  if (vkey != NULL && !base_span_copy(base_span_text(vkey), walk->source.vkey, sizeof(walk->source.vkey)))
    walk->source.vkey[0] = '\0';
  const char *tenant = base_json_as_string(base_json_get(status, "tenant"));
  if (tenant == NULL || !base_span_copy(base_span_text(tenant), walk->tenant, sizeof(walk->tenant)))
    walk->tenant[0] = '\0';
  const struct base_json_value *store = base_json_get(status, "store");
  const int64_t bytes = remote_integer_of(store, "original_bytes") + remote_integer_of(store, "variant_bytes");
  verify_report_expect(walk->report, bytes > 0 ? (uint64_t)bytes : 0);
  return true;
}

// --- objects ---

static enum base_result take_bytes(void *self, struct base_span bytes, struct base_fault *fault) {
  struct walk *walk = self;
  (void)fault;
  verify_hash_add(walk->hash, bytes);
  verify_report_move(walk->report, bytes.bytes);
  return BASE_OK;
}

// The proof of an object; asked for again while the entry of a variant may still be on its way.
static enum base_result fetch_proof(struct walk *walk, const struct object *object, struct client_response *response,
                                    struct base_fault *fault) {
  char digest[BASE_DIGEST_BASE64URL_CHARS + 1], path[PATH_BYTES];
  const int tries = object->kind == VERIFY_VARIANTS && walk->waited < MAX_WAITED ? PROOF_TRIES : 1;
  enum base_result result = BASE_NOT_FOUND;
  integrity_digest_text(&object->digest, digest);
  if (object->kind == VERIFY_VARIANTS)  // others may have the same bytes
    snprintf(path, sizeof(path), "/ledger/proof/%s?original=%s&%s", digest, object->id, object->recipe);
  else
    snprintf(path, sizeof(path), "/ledger/proof/%s", digest);
  for (int i = 0; i < tries && result == BASE_NOT_FOUND; i++) {
    const struct timespec pause = {.tv_nsec = i > 0 ? (FIRST_PAUSE_MS << i) * 500000L : 0};
    nanosleep(&pause, NULL);
    client_response_finish(response);
    base_fault_clear(fault);
    result = fetch(walk, path, NULL, response, fault);
  }
  return result;
}

// Others may delete an original while this walks; then nothing is wrong with it.
static bool is_gone(struct walk *walk, const char *id) {
  char path[PATH_BYTES];
  struct client_response response = {0};
  struct base_fault fault = {0};
  snprintf(path, sizeof(path), "/api/v1/originals/%s", id);
  const enum base_result result = fetch(walk, path, NULL, &response, &fault);
  client_response_finish(&response);
  return result == BASE_NOT_FOUND;
}

static void report_fetch(struct walk *walk, const struct object *object, const struct base_fault *fault) {
  if (fault->result == BASE_NOT_FOUND && is_gone(walk, object->id)) return;
  if (fault->result == BASE_NOT_FOUND || fault->result == BASE_CORRUPT)
    verify_report_wrong(walk->report, object->about, "the box lists it and does not serve it: %s", fault->text);
  else
    verify_report_unchecked(walk->report, object->about, "it can not be fetched: %s", fault->text);
}

// Whether the ledger says what was found of an object. BASE_NOT_FOUND: it says nothing of these bytes.
static enum base_result prove(struct walk *walk, const struct object *object) {
  struct client_response response = {0};
  struct base_fault fault = {0};
  struct integrity_subject subject;
  const enum base_result result = fetch_proof(walk, object, &response, &fault);
  if (result != BASE_OK && result != BASE_NOT_FOUND) {
    verify_report_unchecked(walk->report, object->about, "no proof: %s", fault.text);
  } else if (result == BASE_OK && verify_log_prove(&walk->log, base_buffer_span(&response.body), object->kind,
                                                   &object->digest, object->about, &subject)) {
    if (subject.bytes != object->bytes || !integrity_digest_equal(&subject.root, &object->root))
      verify_report_wrong(walk->report, object->about, "the tree over its blocks is not the one in the ledger");
    else if (object->kind == VERIFY_VARIANTS && (!integrity_digest_equal(&subject.original, &object->original) ||
                                                 strcmp(subject.recipe, object->recipe) != 0))
      verify_report_wrong(walk->report, object->about, "its proof is about another variant of the same bytes");
    else if (walk->tenant[0] != '\0' && strcmp(walk->tenant, subject.tenant) != 0)
      verify_report_wrong(walk->report, object->about, "its entry in the ledger is of another tenant, %s",
                          subject.tenant);
    else
      verify_report_prove(walk->report, object->kind, object->bytes);
  }
  client_response_finish(&response);
  return result;
}

// Fetches and hashes an object. False: that is in the report.
static bool hash_object(struct walk *walk, struct object *object) {
  struct client_response response = {0};
  struct base_fault fault = {0};
  verify_hash_begin(walk->hash);
  const enum base_result result = fetch(walk, object->path, take_bytes, &response, &fault);
  client_response_finish(&response);
  verify_hash_end(walk->hash, &object->digest, &object->root);
  object->bytes = walk->hash->bytes;
  if (result != BASE_OK) report_fetch(walk, object, &fault);
  return result == BASE_OK;
}

// A variant may be evicted and made anew between its bytes and its proof: another look settles that.
static void check_object(struct walk *walk, struct object *object) {
  const int tries = object->kind == VERIFY_VARIANTS && walk->waited < MAX_WAITED ? VARIANT_TRIES : 1;
  enum base_result result = BASE_NOT_FOUND;
  for (int i = 0; i < tries && result == BASE_NOT_FOUND; i++) {
    if (!hash_object(walk, object)) return;
    if (object->kind == VERIFY_ORIGINALS && !integrity_digest_equal(&object->digest, &object->original)) {
      verify_report_wrong(walk->report, object->about, "its bytes are not those of its id");
      return;
    }
    result = prove(walk, object);
  }
  if (result != BASE_NOT_FOUND) return;
  if (object->kind == VERIFY_VARIANTS) walk->waited++;
  if (!is_gone(walk, object->id))
    verify_report_wrong(walk->report, object->about, "the ledger has no entry for these bytes");
}

// What is proven is what the box serves for the recipe, which may be newer than what was listed.
static void check_variant(struct walk *walk, const struct object *original, const struct base_json_value *variant) {
  const char *recipe = base_json_as_string(base_json_get(variant, "recipe"));
  struct object object = {
      .kind = VERIFY_VARIANTS, .id = original->id, .original = original->original, .recipe = recipe};
  if (recipe == NULL) return;
  snprintf(object.about, sizeof(object.about), "variant %s?%s", object.id, recipe);
  snprintf(object.path, sizeof(object.path), "/i/%s?%s", object.id, recipe);
  check_object(walk, &object);
}

static void check_variants(struct walk *walk, const struct object *original) {
  char path[PATH_BYTES];
  struct base_json *json = NULL;
  struct base_fault fault = {0};
  snprintf(path, sizeof(path), "/api/v1/originals/%s", original->id);
  if (fetch_json(walk, path, &json, &fault) != BASE_OK) {
    report_fetch(walk, original, &fault);
    return;
  }
  const struct base_json_value *variants = base_json_get(base_json_root(json), "variants");
  for (size_t i = 0; i < base_json_length(variants) && !walk->is_hopeless; i++)
    check_variant(walk, original, base_json_at(variants, i));
  base_json_destroy(&json);
}

static void check_original(struct walk *walk, const struct base_json_value *item) {
  const char *id = base_json_as_string(base_json_get(item, "id"));
  char name[MAX_NAME_BYTES];
  struct object object = {.kind = VERIFY_ORIGINALS, .id = id};
  if (id == NULL || !integrity_digest_parse(base_span_text(id), &object.original)) {
    verify_report_wrong(walk->report, NULL, "the box lists an original without an id");
    return;
  }
  terminal_clean(remote_text_of(base_json_get(item, "metadata"), "name"), name, sizeof(name));
  snprintf(object.about, sizeof(object.about), "original %s (%s)", id, name);
  snprintf(object.path, sizeof(object.path), "/api/v1/originals/%s/content", id);
  check_object(walk, &object);
  if (!walk->is_hopeless) check_variants(walk, &object);
}

// --- the walk ---

static bool next_page(const char *after, char out[PATH_BYTES]) {
  struct base_buffer path;
  base_buffer_init(&path, PATH_BYTES - 1);
  enum base_result result = base_buffer_printf(&path, "/api/v1/originals?limit=%d", PAGE_ORIGINALS);
  if (result == BASE_OK && after != NULL) result = base_buffer_append_text(&path, "&after=");
  if (result == BASE_OK && after != NULL) result = remote_append_encoded(&path, after);
  const bool is_fine = result == BASE_OK && base_span_copy(base_buffer_span(&path), out, PATH_BYTES);
  base_buffer_finish(&path);
  return is_fine;
}

static void walk_originals(struct walk *walk) {
  char path[PATH_BYTES];
  bool has_more = next_page(NULL, path);
  while (has_more && !walk->is_hopeless) {
    struct base_json *json = NULL;
    struct base_fault fault = {0};
    if (fetch_json(walk, path, &json, &fault) != BASE_OK) {
      verify_report_unchecked(walk->report, NULL, "the list of originals: %s", fault.text);
      return;
    }
    const struct base_json_value *items = base_json_get(base_json_root(json), "items");
    const size_t count = base_json_length(items);
    for (size_t i = 0; i < count && !walk->is_hopeless; i++) check_original(walk, base_json_at(items, i));
    const char *next = base_json_as_string(base_json_get(base_json_root(json), "next"));
    has_more = next != NULL && count > 0 && next_page(next, path);
    base_json_destroy(&json);
  }
  if (walk->is_hopeless) verify_report_unchecked(walk->report, NULL, "the rest: the box does not answer any more");
}

static void walk_box(struct walk *walk) {
  struct client_response response = {0};
  struct base_json *status = NULL;
  // remote_ask_json says what is wrong with token, certificate or address as the other commands do.
  if (remote_ask_json(&walk->remote, "/api/v1/status", &response, &status) != EXIT_FINE) {
    verify_report_unchecked(walk->report, NULL, "the box at %s could not be asked", walk->source.place);
  } else if (look_at_status(walk, base_json_root(status)) &&
             verify_log_begin(&walk->log, walk->options, &walk->source, walk->report)) {
    walk_originals(walk);
    verify_log_end(&walk->log);
  }
  base_json_destroy(&status);
  client_response_finish(&response);
}

// A URL is the same place with and without a slash at its end.
static size_t length_of_place(const char *url) {
  size_t length = strlen(url);
  while (length > 0 && url[length - 1] == '/') length--;
  return length;
}

void verify_box(const struct options *options, struct verify_report *report) {
  struct walk *walk = calloc(1, sizeof(*walk));
  struct verify_hash *hash = malloc(sizeof(*hash));
  struct base_fault fault = {0};
  if (walk == NULL || hash == NULL) {
    verify_report_unchecked(report, NULL, "no memory");
  } else {
    walk->options = options;
    walk->report = report;
    walk->hash = hash;
    walk->source.read_checkpoint = read_checkpoint;
    walk->source.tiles = (struct integrity_tile_source){.read = read_tile, .self = walk};
    walk->source.self = walk;
    snprintf(walk->source.place, sizeof(walk->source.place), "%.*s", (int)length_of_place(options->console_url),
             options->console_url);
    if (remote_open_console(options, &walk->remote, &fault) == BASE_OK)
      walk_box(walk);
    else
      verify_report_unchecked(report, NULL, "%s", fault.text);
    remote_close(&walk->remote);
  }
  free(hash);
  free(walk);
}
