#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "complain.h"
#include "sync.h"

enum { TRIES = 6, PAGE_ORIGINALS = 100, FIRST_CAPACITY = 128, MAX_ORIGINALS = 1 << 22 };

// What a problem document says, as a fault that fits the status.
static enum base_result refuse(const struct client_response *response, const char *path, struct base_fault *fault) {
  static const struct {
    int status;
    enum base_result result;
  } results[] = {{400, BASE_BAD_INPUT}, {401, BASE_UNAUTHORIZED}, {403, BASE_UNAUTHORIZED}, {404, BASE_NOT_FOUND},
                 {409, BASE_CONFLICT},  {410, BASE_NOT_FOUND},    {429, BASE_RATE},         {503, BASE_BUSY},
                 {502, BASE_BUSY},      {504, BASE_BUSY}};
  enum base_result result = BASE_UNPROCESSABLE;
  for (size_t i = 0; i < sizeof(results) / sizeof(*results); i++) {
    if (results[i].status == response->status) result = results[i].result;
  }
  return complain_problem(response, path, result, response->status == 401 ? "token" : "", "", fault);
}

bool sync_is_passing(enum base_result result) {
  return result == BASE_IO || result == BASE_TIMEOUT || result == BASE_BUSY || result == BASE_RATE;
}

// Bodies that are received in pieces are watched, so that nothing is asked for twice behind the receiver's back.
struct watched {
  const struct client_request *request;
  uint64_t bytes;
};

static enum base_result watch(void *self, struct base_span bytes, struct base_fault *fault) {
  struct watched *watched = self;
  watched->bytes += bytes.bytes;
  return watched->request->receive(watched->request->self, bytes, fault);
}

// About what goes out: the client writes the head itself.
static uint64_t request_bytes(const struct client_request *request) {
  enum { USUAL_HEAD = 160 };
  uint64_t bytes = USUAL_HEAD + strlen(request->path) + request->body.bytes;
  for (size_t i = 0; i < request->field_count; i++)
    bytes += strlen(request->fields[i].name) + strlen(request->fields[i].value) + 4;
  return bytes;
}

static enum base_result ask_once(struct sync *sync, const struct client_request *request, uint64_t *received,
                                 struct client_response *response, struct base_fault *fault) {
  struct watched watched = {.request = request};
  struct client_request sent = *request;
  if (request->receive != NULL) {
    sent.receive = watch;
    sent.self = &watched;
  }
  const enum base_result result = client_send(sync->remote.client, &sent, response, fault);
  *received = watched.bytes;
  sync->sent_bytes += request_bytes(request);
  sync->received_bytes += response->head.bytes + response->body.bytes + watched.bytes;
  if (result != BASE_OK) return result;
  return response->status / 100 == 2 ? BASE_OK : refuse(response, request->path, fault);
}

enum base_result sync_ask(struct sync *sync, struct client_request *request, struct client_response *response,
                          struct base_fault *fault) {
  request->body_fd = -1;
  request->bearer = sync->remote.token;
  for (int i = 0;; i++) {
    struct base_fault found = {0};
    uint64_t received = 0;
    const enum base_result result = ask_once(sync, request, &received, response, &found);
    if (result == BASE_OK) return BASE_OK;
    if (!sync_is_passing(result) || received > 0 || i + 1 == TRIES)
      return BASE_FAIL(fault, result, found.subject, "%s", found.text);
    client_response_finish(response);
    remote_pause_before(i);
  }
}

enum base_result sync_get(struct sync *sync, const char *path, struct client_response *response,
                          struct base_fault *fault) {
  struct client_request request = {.method = "GET", .path = path};
  return sync_ask(sync, &request, response, fault);
}

// --- the list ---

// The newest come first, those of one second by falling ids; so nothing comes twice, however often it is asked.
static bool is_behind(const struct sync_original *original, const struct sync_original *before) {
  if (original->created_s != before->created_s) return original->created_s < before->created_s;
  return memcmp(original->id.bytes, before->id.bytes, sizeof(original->id.bytes)) < 0;
}

static enum base_result add_original(struct sync *sync, const struct base_json_value *item, struct base_fault *fault) {
  const char *id = base_json_as_string(base_json_get(item, "id"));
  const char *name = base_json_as_string(base_json_get(base_json_get(item, "metadata"), "name"));
  const int64_t bytes = remote_integer_of(item, "bytes");
  struct sync_original original = {.bytes = (uint64_t)bytes, .created_s = remote_integer_of(item, "created_s")};
  if (id == NULL || !integrity_digest_parse(base_span_text(id), &original.id) || bytes < 0)
    return BASE_FAIL(fault, BASE_UNPROCESSABLE, "", "the box lists an original without an id");
  if (sync->count > 0 && !is_behind(&original, &sync->originals[sync->count - 1]))
    return BASE_FAIL(fault, BASE_UNPROCESSABLE, "", "the box lists originals twice or out of their order");
  if (sync->count == MAX_ORIGINALS)
    return BASE_FAIL(fault, BASE_UNPROCESSABLE, "", "the box lists over %d originals", MAX_ORIGINALS);
  if (name == NULL || !base_span_copy(base_span_text(name), original.name, sizeof(original.name)))
    original.name[0] = '\0';
  if (!base_span_copy(base_span_text(remote_text_of(item, "format")), original.format, sizeof(original.format)))
    original.format[0] = '\0';
  if (sync->count == sync->capacity) {
    const size_t capacity = sync->capacity > 0 ? sync->capacity * 2 : FIRST_CAPACITY;
    struct sync_original *originals = realloc(sync->originals, capacity * sizeof(*originals));
    if (originals == NULL) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the list of originals");
    sync->originals = originals;
    sync->capacity = capacity;
  }
  sync->originals[sync->count++] = original;
  return BASE_OK;
}

static enum base_result list_page(struct sync *sync, struct base_buffer *path, bool *has_more,
                                  struct base_fault *fault) {
  struct client_response response = {0};
  struct base_json *json = NULL;
  *has_more = false;
  enum base_result result = sync_get(sync, (const char *)path->data, &response, fault);
  if (result == BASE_OK) result = base_json_parse(base_buffer_span(&response.body), &json, fault);
  if (result == BASE_OK) {
    const struct base_json_value *items = base_json_get(base_json_root(json), "items");
    const size_t count = base_json_length(items);
    if (!base_json_is_array(items)) result = BASE_FAIL(fault, BASE_UNPROCESSABLE, "", "the box sent no list");
    if (count > PAGE_ORIGINALS)
      result = BASE_FAIL(fault, BASE_UNPROCESSABLE, "", "the box sent a longer page than was asked for");
    for (size_t i = 0; i < count && result == BASE_OK; i++) result = add_original(sync, base_json_at(items, i), fault);
    const char *next = base_json_as_string(base_json_get(base_json_root(json), "next"));
    *has_more = next != NULL && count > 0;
    path->bytes = 0;
    if (result == BASE_OK && *has_more)
      result = base_buffer_printf(path, "/api/v1/originals?limit=%d&after=", PAGE_ORIGINALS);
    if (result == BASE_OK && *has_more) result = remote_append_encoded(path, next);
    if (result == BASE_OK) result = base_buffer_append(path, "", 1);
  }
  base_json_destroy(&json);
  client_response_finish(&response);
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "", "the list of originals can not be read");
}

enum base_result sync_list(struct sync *sync, struct base_fault *fault) {
  struct base_buffer path;
  bool has_more = true;
  base_buffer_init(&path, SYNC_PATH_BYTES);
  enum base_result result = base_buffer_printf(&path, "/api/v1/originals?limit=%d", PAGE_ORIGINALS);
  while (result == BASE_OK && has_more) result = list_page(sync, &path, &has_more, fault);
  base_buffer_finish(&path);
  for (size_t i = 0; i < sync->count / 2; i++) {
    const struct sync_original original = sync->originals[i];
    sync->originals[i] = sync->originals[sync->count - 1 - i];
    sync->originals[sync->count - 1 - i] = original;
  }
  return result;
}
