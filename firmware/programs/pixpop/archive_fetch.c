#include "archive_fetch.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "archive/tar.h"
#include "arrival.h"
#include "base/file.h"
#include "complain.h"
#include "progress.h"
#include "remote.h"

enum { MAX_WANTED_BYTES = 64 * 1024, SILENCE_MS = 300000 };  // the box reads a large original whole before it sends it

struct download {
  struct archive_fetch *fetch;
  struct progress progress;
  struct arrival arrival;
  struct archive_reader reader;
  struct base_buffer text;
  bool is_wanted;  // the file that is being read
};

static bool is_stdout(const struct archive_fetch *fetch) { return strcmp(fetch->output, "-") == 0; }

// --- the archive, looked at as it passes ---

static enum base_result on_begin(void *self, const struct archive_entry *entry, struct base_fault *fault) {
  struct download *download = self;
  (void)fault;
  download->is_wanted = download->fetch->wanted != NULL && strcmp(entry->name, download->fetch->wanted) == 0;
  return BASE_OK;
}

static enum base_result on_data(void *self, struct base_span bytes, struct base_fault *fault) {
  struct download *download = self;
  if (!download->is_wanted) return BASE_OK;
  const enum base_result result = base_buffer_append(&download->text, bytes.data, bytes.bytes);
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, "archive", "a file in the archive is too large");
}

static enum base_result on_end(void *self, struct base_fault *fault) {
  struct download *download = self;
  if (!download->is_wanted) return BASE_OK;
  base_json_destroy(&download->fetch->found);
  return base_json_parse(base_buffer_span(&download->text), &download->fetch->found, fault);
}

// --- bytes ---

static void show(void *self, uint64_t done, uint64_t total) {
  struct download *download = self;
  progress_show(&download->progress, done, total);
}

static enum base_result receive(void *self, struct base_span bytes, struct base_fault *fault) {
  struct download *download = self;
  download->fetch->bytes += bytes.bytes;
  const enum base_result result = archive_reader_push(&download->reader, bytes, fault);
  if (result != BASE_OK) return result;
  if (!is_stdout(download->fetch)) return arrival_write(&download->arrival, bytes, fault);
  return base_fd_write_all(STDOUT_FILENO, bytes, fault);
}

static enum base_result keep(struct download *download, struct base_fault *fault) {
  const enum base_result result = archive_reader_end(&download->reader, fault);
  if (result != BASE_OK || is_stdout(download->fetch)) return result;
  return arrival_place(&download->arrival, fault);
}

static int download(struct download *download, struct remote *remote) {
  const struct archive_fetch *fetch = download->fetch;
  struct base_fault fault = {0};
  struct client_response response = {0};
  const struct client_request request = {.method = "GET",
                                         .path = fetch->path,
                                         .bearer = remote->token,
                                         .body_fd = -1,
                                         .is_once = true,
                                         .progress = show,
                                         .receive = receive,
                                         .self = download};
  enum base_result result = BASE_OK;
  if (!is_stdout(fetch)) result = arrival_begin(&download->arrival, fetch->output, &fault);
  progress_begin(&download->progress, is_stdout(fetch) ? "stdout" : fetch->output);
  if (result == BASE_OK) result = client_send(remote->client, &request, &response, &fault);
  int status = EXIT_FINE;
  if (result == BASE_OK && response.status != 200) {
    progress_erase(&download->progress);
    status = complain_response(NULL, &response);
  } else {
    if (result == BASE_OK) result = keep(download, &fault);
    progress_erase(&download->progress);
    if (result != BASE_OK) status = (complain_fault(fetch->output, &fault), EXIT_FAILED);
    if (result != BASE_OK && !is_stdout(fetch)) fputs("pixpop: nothing was kept of it\n", stderr);
  }
  client_response_finish(&response);
  return status;
}

int archive_fetch_run(struct archive_fetch *fetch) {
  struct download one = {.fetch = fetch, .arrival = {.fd = -1}};
  const struct archive_events events = {on_begin, on_data, on_end, &one};
  struct remote remote;
  struct base_fault fault = {0};
  umask(0077);
  base_buffer_init(&one.text, MAX_WANTED_BYTES);
  archive_reader_init(&one.reader, &events);
  const enum base_result result = remote_open_patient(fetch->options, SILENCE_MS, &remote, &fault);
  const int status = result == BASE_OK ? download(&one, &remote) : complain_fault(NULL, &fault);
  if (one.arrival.path != NULL) arrival_end(&one.arrival);
  base_buffer_finish(&one.text);
  remote_close(&remote);
  return status;
}

void archive_fetch_finish(struct archive_fetch *fetch) { base_json_destroy(&fetch->found); }

const char *archive_fetch_name(const char *kind, char out[ARCHIVE_FETCH_NAME_CHARS]) {
  const time_t now = time(NULL);
  struct tm local;
  char date[16] = "";
  if (localtime_r(&now, &local) != NULL) (void)strftime(date, sizeof(date), "-%Y-%m-%d", &local);
  snprintf(out, ARCHIVE_FETCH_NAME_CHARS, "pixpop-%s%s.tar", kind, date);
  return out;
}
