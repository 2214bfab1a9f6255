#include "transfer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/checked.h"
#include "base/text.h"

enum { MAX_NOTE_BYTES = 512, MAX_METADATA_BYTES = 4096, LONGEST_PAUSE_S = 30 };

static const char uploads_path[] = "/api/v1/uploads";
static const char offset_type[] = "application/offset+octet-stream";

enum next {
  NEXT_STEP,   // at once
  NEXT_RETRY,  // after a pause
  NEXT_END,    // the response or the fault says how it ended
};

struct steps {
  struct transfer *transfer;
  struct client_response *response;
  struct base_fault *fault;
  enum base_result result;  // of the last step's request
};

// --- requests ---

static void show_sent(void *self, uint64_t done, uint64_t total) {
  struct transfer *transfer = self;
  (void)total;
  transfer->moved(transfer->self, transfer->sending_from + done, false);
}

static void ask(struct steps *steps, struct client_request *request) {
  struct transfer *transfer = steps->transfer;
  client_response_finish(steps->response);
  base_fault_clear(steps->fault);
  request->bearer = transfer->remote->token;
  request->send_timeout_ms = TRANSFER_CHUNK_TIMEOUT_MS;
  steps->result = client_send(transfer->remote->client, request, steps->response, steps->fault);
}

// "filename <base64>", the creation extension's Upload-Metadata. A name that does not fit is left out.
static const char *metadata_of(const struct transfer *transfer, char out[MAX_METADATA_BYTES]) {
  static const char key[] = "filename ";
  const struct base_span name = base_span_text(transfer->name);
  const size_t chars = (name.bytes + 2) / 3 * 4;
  if (sizeof(key) + chars > MAX_METADATA_BYTES) return "filename";
  strcpy(out, key);
  base_base64_encode(name, out + sizeof(key) - 1, MAX_METADATA_BYTES - sizeof(key) + 1);
  return out;
}

// After a request that failed: whether another may do better.
static enum next end_of_trying(struct steps *steps) {
  steps->transfer->is_offset_known = false;
  return steps->result == BASE_IO || steps->result == BASE_TIMEOUT ? NEXT_RETRY : NEXT_END;
}

static void ask_to_create(struct steps *steps) {
  struct transfer *transfer = steps->transfer;
  char length[32], metadata[MAX_METADATA_BYTES];
  snprintf(length, sizeof(length), "%" PRIu64, transfer->bytes);
  const struct client_field fields[] = {
      {"Tus-Resumable", "1.0.0"}, {"Upload-Length", length}, {"Upload-Metadata", metadata_of(transfer, metadata)}};
  struct client_request request = {
      .method = "POST", .path = uploads_path, .fields = fields, .field_count = 3, .body_fd = -1};
  // A file of one chunk goes along. Others do not: their upload is to be remembered before their bytes are sent. Nor
  // does one that did not come through as a whole: in pieces, it may.
  if (transfer->bytes <= transfer->chunk_bytes && transfer->retries == 0) {
    request.content_type = offset_type;
    request.body_fd = transfer->fd;
    request.body_fd_bytes = transfer->bytes;
    request.progress = show_sent;
    request.self = transfer;
    transfer->sending_from = 0;
  }
  ask(steps, &request);
}

static void ask_for_offset(struct steps *steps) {
  static const struct client_field fields[] = {{"Tus-Resumable", "1.0.0"}};
  struct client_request request = {
      .method = "HEAD", .path = steps->transfer->path, .fields = fields, .field_count = 1, .body_fd = -1};
  ask(steps, &request);
}

static void ask_to_append(struct steps *steps) {
  struct transfer *transfer = steps->transfer;
  char offset[32];
  snprintf(offset, sizeof(offset), "%" PRIu64, transfer->offset);
  const struct client_field fields[] = {{"Tus-Resumable", "1.0.0"}, {"Upload-Offset", offset}};
  struct client_request request = {
      .method = "PATCH",
      .path = transfer->path,
      .content_type = offset_type,
      .fields = fields,
      .field_count = 2,
      .body_fd = transfer->fd,
      .body_fd_offset = transfer->offset,
      .body_fd_bytes = base_min_u64(transfer->bytes - transfer->offset, transfer->chunk_bytes),
      .progress = show_sent,
      .self = transfer};
  transfer->sending_from = transfer->offset;
  ask(steps, &request);
}

// --- what the answers mean ---

static bool read_number(const struct client_response *response, const char *name, uint64_t *out) {
  return base_span_to_u64(client_response_header(response, name), out);
}

static void take_original(struct steps *steps) {
  const struct base_span id = client_response_header(steps->response, "Pixpop-Original");
  if (id.bytes > 0 && !base_span_copy(id, steps->transfer->original, sizeof(steps->transfer->original)))
    steps->transfer->original[0] = '\0';
}

static void set_offset(struct transfer *transfer, uint64_t offset) {
  if (offset > transfer->best_offset) transfer->retries = 0;  // it goes on, however haltingly
  transfer->best_offset = base_max_u64(transfer->best_offset, offset);
  transfer->offset = offset;
  transfer->is_offset_known = true;
  transfer->moved(transfer->self, offset, false);
}

static void forget(struct transfer *transfer) {
  if (transfer->key != NULL && transfer->path[0] != '\0') resume_forget(transfer->key, transfer->path);
}

// Whether a later try may be answered otherwise. 423: somebody has the upload open, perhaps the box itself, which has
// not noticed yet that our last connection is gone.
static bool is_passing(int status) {
  return status == 423 || status == 408 || status == 502 || status == 503 || status == 504;
}

static enum next broken_rule(struct steps *steps, const char *what) {
  steps->result = BASE_FAIL(steps->fault, BASE_CORRUPT, "tus", "the box breaks the rules of tus: %s", what);
  return NEXT_END;
}

// The upload is not there any more: once from the beginning.
static enum next begin_anew(struct steps *steps) {
  struct transfer *transfer = steps->transfer;
  forget(transfer);
  if (transfer->has_begun_anew) return broken_rule(steps, "a new upload is not there, or is another one");
  transfer->has_begun_anew = true;
  transfer->path[0] = '\0';
  transfer->is_from_memory = false;
  transfer->found_bytes = transfer->offset = transfer->best_offset = 0;
  transfer->moved(transfer->self, 0, false);
  return NEXT_STEP;
}

static enum next end_or_retry(struct steps *steps) {
  struct transfer *transfer = steps->transfer;
  const int status = steps->response->status;
  transfer->is_offset_known = false;
  if (is_passing(status)) return NEXT_RETRY;
  // The box has judged it: asking again would bring the same. Who is not let in may come again with another token.
  if (status / 100 == 4 && status != 401 && status != 403 && status != 429) forget(transfer);
  return NEXT_END;
}

static void remember(struct steps *steps) {
  struct transfer *transfer = steps->transfer;
  struct base_fault fault = {0};
  char note[MAX_NOTE_BYTES];
  if (transfer->key == NULL || transfer->offset == transfer->bytes) return;
  if (resume_remember(transfer->key, transfer->path, &fault) == BASE_OK) return;
  snprintf(note, sizeof(note), "if this is interrupted, it can not be resumed: %s", fault.text);
  transfer->say(transfer->self, note);
  transfer->key = NULL;
}

static enum next end_of_bytes(struct steps *steps) {
  take_original(steps);
  forget(steps->transfer);
  return NEXT_END;
}

static enum next created(struct steps *steps) {
  struct transfer *transfer = steps->transfer;
  uint64_t offset = 0;
  if (steps->response->status != 201) return end_or_retry(steps);
  const struct base_span location = client_response_header(steps->response, "Location");
  steps->result =
      client_location_path(transfer->remote->client, location, transfer->path, sizeof(transfer->path), steps->fault);
  if (steps->result != BASE_OK) return NEXT_END;
  if (!read_number(steps->response, "Upload-Offset", &offset)) offset = 0;
  if (offset > transfer->bytes) return broken_rule(steps, "its offset is behind the file's end");
  set_offset(transfer, offset);
  if (offset == transfer->bytes) return end_of_bytes(steps);
  remember(steps);
  return NEXT_STEP;
}

// A HEAD that is refused has no body to say why; the upload's own page has.
static enum next refused(struct steps *steps) {
  struct transfer *transfer = steps->transfer;
  struct base_json *json = NULL;
  const int told = steps->response->status;
  struct client_request request = {.method = "GET", .path = transfer->path, .body_fd = -1};
  ask(steps, &request);
  if (steps->result != BASE_OK) return end_of_trying(steps);
  if (steps->response->status != 200) return told == 410 ? begin_anew(steps) : end_or_retry(steps);
  steps->result = base_json_parse(base_buffer_span(&steps->response->body), &json, steps->fault);
  const struct base_json_value *problem = base_json_get(base_json_root(json), "problem");
  const bool is_judged = base_json_is_object(problem);
  if (is_judged)
    steps->result = BASE_FAIL(steps->fault, BASE_UNPROCESSABLE, remote_text_of(problem, "subject"), "%s (%s)",
                              remote_text_of(problem, "detail"), remote_text_of(problem, "subject"));
  base_json_destroy(&json);
  if (!is_judged && steps->result == BASE_OK) return begin_anew(steps);
  forget(transfer);
  return NEXT_END;
}

static enum next offset_told(struct steps *steps) {
  struct transfer *transfer = steps->transfer;
  const int status = steps->response->status;
  uint64_t offset = 0, length = transfer->bytes;
  if (status == 404) return begin_anew(steps);
  if (status == 410 || status == 415 || status == 422) return refused(steps);
  if (status / 100 != 2) return end_or_retry(steps);
  if (!read_number(steps->response, "Upload-Offset", &offset)) return broken_rule(steps, "it names no offset");
  const bool has_length = read_number(steps->response, "Upload-Length", &length);
  if ((has_length && length != transfer->bytes) || offset > transfer->bytes) return begin_anew(steps);
  if (transfer->is_from_memory) {
    transfer->is_from_memory = false;
    transfer->found_bytes = transfer->best_offset = offset;
    transfer->moved(transfer->self, offset, true);
  }
  set_offset(transfer, offset);
  return offset == transfer->bytes ? end_of_bytes(steps) : NEXT_STEP;
}

static enum next appended(struct steps *steps) {
  struct transfer *transfer = steps->transfer;
  const int status = steps->response->status;
  uint64_t offset = 0;
  if (status == 404 || status == 410) return begin_anew(steps);
  if (status == 409 || status == 460) {  // another offset than we thought, or damaged on the way
    transfer->is_offset_known = false;
    return NEXT_RETRY;
  }
  if (status / 100 != 2) return end_or_retry(steps);
  if (!read_number(steps->response, "Upload-Offset", &offset) || offset <= transfer->offset || offset > transfer->bytes)
    return broken_rule(steps, "a chunk was taken, but the offset is none that follows");
  set_offset(transfer, offset);
  return offset == transfer->bytes ? end_of_bytes(steps) : NEXT_STEP;
}

// --- the whole walk ---

static enum next step(struct steps *steps) {
  const struct transfer *transfer = steps->transfer;
  const bool is_new = transfer->path[0] == '\0';
  void (*const request)(struct steps *) = is_new                       ? ask_to_create
                                          : !transfer->is_offset_known ? ask_for_offset
                                                                       : ask_to_append;
  request(steps);
  if (steps->result != BASE_OK) return end_of_trying(steps);
  return request == ask_to_create ? created(steps) : request == ask_for_offset ? offset_told(steps) : appended(steps);
}

// Says why and waits; false when it has been tried often enough.
static bool may_retry(struct steps *steps) {
  static const unsigned pauses_s[TRANSFER_MAX_RETRIES] = {1, 3, 5};
  struct transfer *transfer = steps->transfer;
  char note[MAX_NOTE_BYTES];
  uint64_t asked_s = 0;
  if (transfer->retries == TRANSFER_MAX_RETRIES) return false;
  const int status = steps->response->status;
  const char *why = steps->result != BASE_OK ? steps->fault->text
                    : status == 423          ? "the box has this upload open already"
                    : status == 409          ? "the box is at another place in it"
                    : status == 460          ? "a chunk was damaged on its way"
                                             : "the box is busy";
  snprintf(note, sizeof(note), "%s; trying again (%d of %d)", why, transfer->retries + 1, TRANSFER_MAX_RETRIES);
  transfer->say(transfer->self, note);
  if (!read_number(steps->response, "Retry-After", &asked_s)) asked_s = 0;
  const uint64_t pause_s = base_max_u64(pauses_s[transfer->retries], base_min_u64(asked_s, LONGEST_PAUSE_S));
  nanosleep(&(struct timespec){.tv_sec = (time_t)pause_s}, NULL);
  transfer->retries++;
  return true;
}

enum base_result transfer_run(struct transfer *transfer, struct client_response *response, struct base_fault *fault) {
  struct steps steps = {.transfer = transfer, .response = response, .fault = fault};
  transfer->is_from_memory = transfer->key != NULL && resume_find(transfer->key, transfer->path);
  enum next next;
  do {
    next = step(&steps);
  } while (next == NEXT_STEP || (next == NEXT_RETRY && may_retry(&steps)));
  return steps.result;
}
