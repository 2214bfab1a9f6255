#include "sending.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/checked.h"
#include "base/file.h"
#include "complain.h"
#include "progress.h"
#include "update/agent.h"

enum {
  PIECE_BYTES = 64 << 10,
  SILENCE_MS = 15 * 60 * 1000,  // a slow card is read back whole before the answer comes
  DRAW_EVERY_MS = 100,
  ASK_EVERY = 10,  // draws
};

struct steps {
  struct progress progress;
  bool is_checking;
};

static void begin(struct steps *steps, const struct sending *sending) {
  *steps = (struct steps){0};
  progress_begin(&steps->progress, sending->path);
}

// The box reads back what it has written; a second bar.
static void begin_check(struct steps *steps) {
  if (steps->is_checking) return;
  progress_end(&steps->progress);
  progress_begin(&steps->progress, "reading back");
  steps->is_checking = true;
}

static void end(struct steps *steps, bool is_fine) {
  if (is_fine && steps->progress.done > 0)
    progress_end(&steps->progress);
  else
    progress_erase(&steps->progress);
}

// A line or status of the box: only its reading back is news, the rest is known from what was sent.
static void see(struct steps *steps, const struct base_json_value *root) {
  const int64_t done = remote_integer_of(root, "done"), total = remote_integer_of(root, "total");
  if (strcmp(remote_text_of(root, "phase"), "checking") != 0 || done < 0 || total < done) return;
  begin_check(steps);
  progress_show(&steps->progress, (uint64_t)done, (uint64_t)total);
}

static void keep_outcome(struct sending *sending, const struct base_json_value *root) {
  snprintf(sending->version, sizeof(sending->version), "%s", remote_text_of(root, "version"));
  snprintf(sending->slot, sizeof(sending->slot), "%s", remote_text_of(root, "slot"));
}

// --- through the socket ---

// The lines that have come. *is_last: the outcome was among them.
static enum base_result read_lines(struct sending *sending, struct update_call *call, unsigned timeout_ms,
                                   struct steps *steps, bool *is_last, struct base_fault *fault) {
  struct base_json *json = NULL;
  const enum base_result result = update_call_read(call, timeout_ms, &json, is_last, fault);
  if (result == BASE_OK && *is_last) keep_outcome(sending, base_json_root(json));
  if (result == BASE_OK) see(steps, base_json_root(json));
  base_json_destroy(&json);
  return result;
}

static enum base_result send_pieces(struct sending *sending, struct update_call *call, struct steps *steps,
                                    bool *is_last, struct base_fault *fault) {
  static uint8_t piece[PIECE_BYTES];
  enum base_result result = BASE_OK;
  for (uint64_t sent = 0; sent < sending->bytes && !*is_last;) {
    struct base_fault nothing_yet = {0};
    const size_t wanted = (size_t)base_min_u64(sending->bytes - sent, PIECE_BYTES);
    result = base_fd_pread_all(sending->fd, piece, wanted, (off_t)sent, fault);
    if (result != BASE_OK) return result;
    result = update_call_write(call, base_span_of(piece, wanted), fault);
    if (result == BASE_CANCELLED) return base_fault_clear(fault), BASE_OK;  // why is in its last line
    if (result != BASE_OK) return result;
    sent += wanted;
    progress_show(&steps->progress, sent, sending->bytes);
    result = read_lines(sending, call, 0, steps, is_last, &nothing_yet);
    if (result == BASE_TIMEOUT) continue;
    if (result != BASE_OK) return *fault = nothing_yet, result;
  }
  return BASE_OK;
}

int sending_by_socket(struct sending *sending) {
  struct update_call *call = NULL;
  struct base_fault fault = {0};
  struct steps steps;
  bool is_last = false;
  const char *line =
      sending->appliance->options->older ? "{\"do\":\"install\",\"older\":true}" : "{\"do\":\"install\"}";
  begin(&steps, sending);
  enum base_result result = update_call_begin(sending->appliance->socket, line, &call, &fault);
  if (result == BASE_OK) result = send_pieces(sending, call, &steps, &is_last, &fault);
  if (result == BASE_OK && !is_last) result = update_call_end_body(call, &fault);
  while (result == BASE_OK && !is_last) result = read_lines(sending, call, SILENCE_MS, &steps, &is_last, &fault);
  end(&steps, result == BASE_OK);
  update_call_destroy(&call);
  return result == BASE_OK ? EXIT_FINE : (complain_fault(sending->path, &fault), EXIT_FAILED);
}

// --- through the API ---

// The one request that carries all of it waits in a thread of its own, while this one asks how far the box is.
struct carrier {
  struct sending *sending;
  struct remote remote;
  struct client_response response;
  struct base_fault fault;
  enum base_result result;
  atomic_ullong sent;
  atomic_bool is_over;
};

static void count_sent(void *self, uint64_t done, uint64_t total) {
  struct carrier *carrier = self;
  (void)total;
  atomic_store(&carrier->sent, done);
}

static void *carry(void *self) {
  struct carrier *carrier = self;
  const struct sending *sending = carrier->sending;
  const bool is_older = sending->appliance->options->older;
  const struct client_request request = {.method = "POST",
                                         .path = is_older ? "/api/v1/system/update?older=1" : "/api/v1/system/update",
                                         .bearer = carrier->remote.token,
                                         .content_type = "application/octet-stream",
                                         .body_fd = sending->fd,
                                         .body_fd_bytes = sending->bytes,
                                         .is_once = true,
                                         .progress = count_sent,
                                         .self = carrier};
  carrier->result = client_send(carrier->remote.client, &request, &carrier->response, &carrier->fault);
  atomic_store(&carrier->is_over, true);
  return NULL;
}

static void watch(struct carrier *carrier, struct steps *steps) {
  const struct timespec pause = {.tv_nsec = DRAW_EVERY_MS * 1000000L};
  const uint64_t bytes = carrier->sending->bytes;
  for (unsigned turn = 0; !atomic_load(&carrier->is_over); turn++) {
    struct base_fault fault = {0};
    const uint64_t sent = atomic_load(&carrier->sent);
    nanosleep(&pause, NULL);
    if (!steps->is_checking) progress_show(&steps->progress, sent, bytes);
    if (sent < bytes || turn % ASK_EVERY != 0) continue;
    // A box that is busy with its disk may well not answer this.
    if (appliance_ask(carrier->sending->appliance, &fault) == BASE_OK)
      see(steps, base_json_root(carrier->sending->appliance->json));
  }
  if (!steps->is_checking) progress_show(&steps->progress, atomic_load(&carrier->sent), bytes);
}

static int take_answer(struct carrier *carrier) {
  struct sending *sending = carrier->sending;
  struct base_json *json = NULL;
  if (carrier->result != BASE_OK) {
    complain_fault(sending->path, &carrier->fault);
    if (atomic_load(&carrier->sent) == sending->bytes)
      fputs("pixpop: the box has all of it and may still be installing it: see pixpop slots\n", stderr);
    return EXIT_FAILED;
  }
  if (carrier->response.status / 100 != 2) return complain_response(sending->path, &carrier->response);
  const int status = remote_parse(&carrier->response, &json);
  if (status == EXIT_FINE) keep_outcome(sending, base_json_root(json));
  base_json_destroy(&json);
  return status;
}

int sending_by_api(struct sending *sending) {
  struct carrier carrier = {.sending = sending};
  struct base_fault fault = {0};
  struct steps steps;
  pthread_t thread;
  begin(&steps, sending);
  enum base_result result = remote_open_patient(sending->appliance->options, SILENCE_MS, &carrier.remote, &fault);
  if (result == BASE_OK && pthread_create(&thread, NULL, carry, &carrier) != 0)
    result = BASE_FAIL(&fault, BASE_NO_MEMORY, "", "no thread to send with");
  int status = result == BASE_OK ? EXIT_FINE : complain_fault(NULL, &fault);
  if (result == BASE_OK) {
    watch(&carrier, &steps);
    pthread_join(thread, NULL);
    end(&steps, carrier.result == BASE_OK && carrier.response.status / 100 == 2);
    status = take_answer(&carrier);
  }
  client_response_finish(&carrier.response);
  remote_close(&carrier.remote);
  return status;
}
