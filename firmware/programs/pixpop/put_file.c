#include "put_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "complain.h"
#include "findings.h"
#include "terminal.h"

enum { MAX_LINE_BYTES = 16 * 1024, MAX_URL_BYTES = 1024, MAX_NAME_BYTES = 512, PATH_BYTES = 128, FORM_BYTES = 4096 };

// One file while it is on its way.
struct errand {
  struct put *put;
  struct remote *remote;
  const char *file;
  size_t at;
  uint64_t shown;            // of its bytes, in the tally
  struct progress progress;  // for the line where there is no bar
  struct client_response response;
  struct base_fault fault;
  char original[64];
  uint64_t found_bytes;
};

bool put_next(struct put *put, size_t *at) {
  tally_pause(&put->tally);
  *at = put->next;
  const bool has_more = put->next < put->options->word_count && !put->is_hopeless;
  if (has_more) put->next++;
  tally_go_on(&put->tally);
  return has_more;
}

// --- what is said on the way ---

static void moved(void *self, uint64_t offset, bool is_found) {
  struct errand *errand = self;
  errand->progress.done = offset;
  if (is_found) {
    char name[MAX_NAME_BYTES], size[TERMINAL_SIZE_CHARS];
    errand->progress.skipped = offset;
    tally_skip(&errand->put->tally, &errand->shown, offset);
    if (errand->put->options->quiet) return;
    tally_pause(&errand->put->tally);
    fprintf(stderr, "%s: goes on after %s\n", terminal_clean(errand->file, name, sizeof(name)),
            terminal_size(offset, size));
    tally_go_on(&errand->put->tally);
  } else {
    tally_move(&errand->put->tally, &errand->shown, offset);
  }
}

static void say(void *self, const char *text) {
  struct errand *errand = self;
  char name[MAX_NAME_BYTES], clean[MAX_NAME_BYTES];
  if (errand->put->options->quiet) return;
  tally_pause(&errand->put->tally);
  fprintf(stderr, "pixpop: %s: %s\n", terminal_clean(errand->file, name, sizeof(name)),
          terminal_clean(text, clean, sizeof(clean)));
  tally_go_on(&errand->put->tally);
}

static const char *base_name(const char *file) {
  const char *slash = strrchr(file, '/');
  return slash != NULL ? slash + 1 : file;
}

// --- the two ways ---

// The box knows what became of an upload, also when the answer that said so was lost.
static enum base_result ask_outcome(struct errand *errand, const char *path) {
  struct base_json *json = NULL;
  const struct client_request request = {.method = "GET", .path = path, .bearer = errand->remote->token, .body_fd = -1};
  client_response_finish(&errand->response);
  enum base_result result = client_send(errand->remote->client, &request, &errand->response, &errand->fault);
  if (result != BASE_OK || errand->response.status != 200) return result;
  result = base_json_parse(base_buffer_span(&errand->response.body), &json, &errand->fault);
  if (result != BASE_OK) return result;
  const char *id = base_json_as_string(base_json_get(base_json_root(json), "original"));
  if (id != NULL && strlen(id) < sizeof(errand->original)) strcpy(errand->original, id);
  base_json_destroy(&json);
  return BASE_OK;
}

// A file that was named twice must not go on with the upload that is on its way for it right now.
static bool may_remember(struct put *put, size_t at, const struct resume_key *key) {
  bool is_alone = true;
  tally_pause(&put->tally);
  for (size_t i = 0; i < put->options->word_count; i++) {
    const struct resume_key *other = put->results[i].key;
    is_alone = is_alone && (other == NULL || strcmp(other->file, key->file) != 0);
  }
  if (is_alone) put->results[at].key = key;
  tally_go_on(&put->tally);
  return is_alone;
}

static void stop_remembering(struct put *put, size_t at) {
  tally_pause(&put->tally);
  put->results[at].key = NULL;
  tally_go_on(&put->tally);
}

static enum base_result send_by_tus(struct errand *errand, int fd, const struct stat *info) {
  struct put *put = errand->put;
  struct resume_key key;
  struct transfer transfer = {.remote = errand->remote,
                              .name = base_name(errand->file),
                              .fd = fd,
                              .bytes = (uint64_t)info->st_size,
                              .chunk_bytes = put->chunk_bytes,
                              .moved = moved,
                              .say = say,
                              .self = errand};
  enum base_result result = BASE_OK;
  if (!put->options->no_resume) {
    result = resume_key_make(put->options->console_url, errand->file, info, &key, &errand->fault);
    if (result == BASE_OK && may_remember(put, errand->at, &key)) transfer.key = &key;
  }
  if (result == BASE_OK) result = transfer_run(&transfer, &errand->response, &errand->fault);
  stop_remembering(put, errand->at);
  if (result != BASE_OK || errand->response.status / 100 != 2) return result;
  errand->found_bytes = transfer.found_bytes;
  strcpy(errand->original, transfer.original);
  return errand->original[0] != '\0' ? BASE_OK : ask_outcome(errand, transfer.path);
}

static void form_moved(void *self, uint64_t done, uint64_t total) {
  struct errand *errand = self;
  (void)total;
  moved(errand, done < errand->progress.total ? done : errand->progress.total, false);
}

// RFC 7578 4.2: quotes and what could end the line, percent-encoded.
static enum base_result append_file_name(struct base_buffer *out, const char *name) {
  enum base_result result = BASE_OK;
  for (; *name != '\0' && result == BASE_OK; name++) {
    const unsigned char c = (unsigned char)*name;
    result = c < ' ' || c == '"' || c == 0x7f ? base_buffer_printf(out, "%%%02X", (unsigned)c)
                                              : base_buffer_append(out, name, 1);
  }
  return result;
}

static enum base_result send_as_form(struct errand *errand, int fd, const struct stat *info) {
  static const char type[] = "multipart/form-data; boundary=pixpop-8f2b1c6de0a94f57";
  static const char end[] = "\r\n--pixpop-8f2b1c6de0a94f57--\r\n";
  struct base_buffer head;
  base_buffer_init(&head, FORM_BYTES);
  enum base_result result = base_buffer_append_text(
      &head, "--pixpop-8f2b1c6de0a94f57\r\nContent-Disposition: form-data; name=\"image\"; filename=\"");
  if (result == BASE_OK) result = append_file_name(&head, base_name(errand->file));
  if (result == BASE_OK)
    result = base_buffer_append_text(&head, "\"\r\nContent-Type: application/octet-stream\r\n\r\n");
  const struct client_request request = {.method = "POST",
                                         .path = "/api/v1/originals",
                                         .bearer = errand->remote->token,
                                         .content_type = type,
                                         .body = base_buffer_span(&head),
                                         .body_fd = fd,
                                         .body_fd_bytes = (uint64_t)info->st_size,
                                         .body_end = base_span_text(end),
                                         .progress = form_moved,
                                         .self = errand};
  if (result != BASE_OK) result = BASE_FAIL(&errand->fault, result, "name", "the file's name is too long");
  for (int retry = 0; result == BASE_OK; retry++) {
    base_fault_clear(&errand->fault);
    client_response_finish(&errand->response);
    result = client_send(errand->remote->client, &request, &errand->response, &errand->fault);
    const bool is_passing =
        result == BASE_OK ? errand->response.status == 503 : result == BASE_IO || result == BASE_TIMEOUT;
    if (!is_passing || retry == TRANSFER_MAX_RETRIES) break;
    say(errand, result == BASE_OK ? "the box is busy; trying again" : errand->fault.text);
    moved(errand, 0, false);
    remote_pause_before(retry);
    result = BASE_OK;
  }
  base_buffer_finish(&head);
  return result;
}

// The reply to a form is a list of originals.
static void take_id_of_form(struct errand *errand) {
  struct base_json *json = NULL;
  if (base_json_parse(base_buffer_span(&errand->response.body), &json, NULL) != BASE_OK) return;
  const char *id = base_json_as_string(base_json_get(base_json_at(base_json_root(json), 0), "id"));
  if (id != NULL && strlen(id) < sizeof(errand->original)) strcpy(errand->original, id);
  base_json_destroy(&json);
}

// --- what has come of it ---

static void write_json(struct errand *errand, const char *url, const struct base_json_value *original,
                       struct base_buffer *out) {
  struct base_json_writer json;
  base_json_begin(&json, out);
  base_json_object(&json, NULL);
  base_json_string(&json, "file", errand->file);
  base_json_string(&json, "id", errand->original);
  base_json_string(&json, "url", url);
  base_json_integer(&json, "bytes", (int64_t)errand->progress.total);
  base_json_integer(&json, "resumed_at", (int64_t)errand->found_bytes);
  base_json_array(&json, "alerts");
  findings_write_alerts(original, &json);
  base_json_array_end(&json);
  base_json_object_end(&json);
}

static void write_line(struct errand *errand, const struct base_json_value *original, struct put_result *result) {
  const struct options *options = errand->put->options;
  char url[MAX_URL_BYTES], clean_id[64], clean_url[MAX_URL_BYTES];
  const char *said = base_json_as_string(base_json_get(original, "url"));
  if (said != NULL && strncmp(said, "http", 4) == 0)
    snprintf(url, sizeof(url), "%s", said);
  else
    snprintf(url, sizeof(url), "%s/i/%s", options->delivery_url, errand->original);
  if (options->json)
    write_json(errand, url, original, &result->line);
  else if (base_buffer_printf(&result->line, "%s\t%s", terminal_clean(errand->original, clean_id, sizeof(clean_id)),
                              terminal_clean(url, clean_url, sizeof(clean_url))) != BASE_OK)
    result->line.bytes = 0;
}

// Asks for what the box knows of the original: its URL and what the inspection found.
static void describe(struct errand *errand, struct put_result *result) {
  char path[PATH_BYTES], name[MAX_NAME_BYTES], alerts[MAX_NAME_BYTES];
  struct base_json *json = NULL;
  struct client_response response = {0};
  snprintf(path, sizeof(path), "/api/v1/originals/%s", errand->original);
  const struct client_request request = {.method = "GET", .path = path, .bearer = errand->remote->token, .body_fd = -1};
  if (client_send(errand->remote->client, &request, &response, NULL) == BASE_OK && response.status == 200 &&
      base_json_parse(base_buffer_span(&response.body), &json, NULL) != BASE_OK)
    json = NULL;
  const struct base_json_value *original = base_json_root(json);
  tally_pause(&errand->put->tally);
  if (!errand->progress.is_terminal && !errand->put->options->quiet) progress_sum_up(&errand->progress);
  if (findings_list_alerts(original, alerts, sizeof(alerts)) && !errand->put->options->quiet)
    fprintf(stderr, "%s: %s\n", terminal_clean(errand->file, name, sizeof(name)), alerts);
  tally_go_on(&errand->put->tally);
  write_line(errand, original, result);
  base_json_destroy(&json);
  client_response_finish(&response);
}

static void complain(struct errand *errand, enum base_result result) {
  const int status = errand->response.status;
  tally_pause(&errand->put->tally);
  if (result != BASE_OK)
    complain_fault(errand->file, &errand->fault);
  else
    complain_response(errand->file, &errand->response);
  if (result == BASE_FORBIDDEN || (result == BASE_OK && (status == 401 || status == 429)))
    errand->put->is_hopeless = true;
  tally_go_on(&errand->put->tally);
}

// Prints what is ready, in the order of the files.
static void end_file(struct put *put, size_t at) {
  tally_end_of_file(&put->tally);
  tally_pause(&put->tally);
  put->results[at].is_ended = true;
  for (; put->printed < put->options->word_count && put->results[put->printed].is_ended; put->printed++) {
    struct put_result *result = &put->results[put->printed];
    if (result->line.bytes > 0) printf("%.*s\n", (int)result->line.bytes, result->line.data);
    base_buffer_finish(&result->line);
  }
  fflush(stdout);
  tally_go_on(&put->tally);
}

// Opens a regular file that is not empty.
static enum base_result open_file(const char *file, int *fd, struct stat *info, struct base_fault *fault) {
  *fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a FIFO must not hang
  if (*fd < 0) return BASE_FAIL_ERRNO(fault, "file", "cannot open the file");
  if (fstat(*fd, info) != 0) return BASE_FAIL_ERRNO(fault, "file", "cannot examine the file");
  if (!S_ISREG(info->st_mode)) return BASE_FAIL(fault, BASE_UNSUPPORTED, "file", "it is not a regular file");
  if (info->st_size == 0) return BASE_FAIL(fault, BASE_UNSUPPORTED, "file", "the file is empty");
  return BASE_OK;
}

void put_file(struct put *put, struct remote *remote, size_t at) {
  int fd = -1;
  struct stat info;
  struct put_result *outcome = &put->results[at];
  struct errand errand = {.put = put, .remote = remote, .file = put->options->words[at], .at = at};
  base_buffer_init(&outcome->line, MAX_LINE_BYTES);
  progress_begin(&errand.progress, errand.file);
  enum base_result result = open_file(errand.file, &fd, &info, &errand.fault);
  if (result == BASE_OK) {
    errand.progress.total = (uint64_t)info.st_size;
    result = (put->options->multipart ? send_as_form : send_by_tus)(&errand, fd, &info);
  }
  if (result == BASE_OK && put->options->multipart && errand.response.status / 100 == 2) take_id_of_form(&errand);
  if (result == BASE_OK && errand.response.status / 100 == 2 && errand.original[0] == '\0')
    result = BASE_FAIL(&errand.fault, BASE_CORRUPT, "", "the box took the file but names no original");
  outcome->has_failed = result != BASE_OK || errand.response.status / 100 != 2;
  if (outcome->has_failed)
    complain(&errand, result);
  else
    describe(&errand, outcome);
  client_response_finish(&errand.response);
  base_fd_close(&fd);
  end_file(put, at);
}

int put_finish(struct put *put) {
  int status = put->is_hopeless ? EXIT_FAILED : EXIT_FINE;
  for (size_t i = 0; i < put->options->word_count; i++) {
    if (put->results[i].has_failed) status = EXIT_FAILED;
  }
  return status;
}
