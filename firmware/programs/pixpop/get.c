#include <stdint.h>
#include <stdio.h>

#include "arrival.h"
#include "command.h"
#include "complain.h"
#include "progress.h"
#include "remote.h"
#include "variant_path.h"

static const char page[] =
    "pixpop get - fetch a variant\n"
    "\n"
    "Usage: pixpop [--delivery URL] get ID [NAME=VALUE...] -o FILE\n"
    "\n"
    "Fetches from the delivery side, as a visitor would, and compares the SHA-256 of what arrived with the server's\n"
    "Repr-Digest. A file that does not fit is not kept; FILE holds the old or the new content whole. No token is\n"
    "needed.\n"
    "\n"
    "Options:\n"
    "  -o, --output FILE    where the picture goes; - is stdout\n"
    "\n"
    "What a variant can be asked for (w, h in CSS pixels):\n"
    "  w=400 h=300          the box it must fit       dpr=2          more pixels for dense screens\n"
    "  fit=cover pos=top    crop to fill the box      crop=x,y,w,h   of the original, before all else\n"
    "  fm=webp|avif|jpeg|png  the format              q=75|lossless  the quality\n"
    "  rot=90 flip=h        turn and mirror           filter=lanczos3 bg=ffffff\n"
    "\n"
    "Example:\n"
    "  pixpop get 47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU w=400 fm=webp -o small.webp\n"
    "\n"
    "Exit status: 0 kept, 1 failed, 2 wrong usage\n";

struct get {
  struct progress progress;
  struct arrival arrival;
};

static void show(void *self, uint64_t done, uint64_t total) {
  struct get *get = self;
  progress_show(&get->progress, done, total);
}

static enum base_result receive(void *self, struct base_span bytes, struct base_fault *fault) {
  struct get *get = self;
  return arrival_write(&get->arrival, bytes, fault);
}

static int fetch(struct get *get, struct remote *remote, const char *path, const char *output) {
  struct base_fault fault = {0};
  struct client_response response = {0};
  const struct client_request request = {
      .method = "GET", .path = path, .body_fd = -1, .progress = show, .receive = receive, .self = get};
  progress_begin(&get->progress, output);
  enum base_result result = arrival_begin(&get->arrival, output, &fault);
  if (result == BASE_OK) result = client_send(remote->client, &request, &response, &fault);
  progress_erase(&get->progress);
  int status = EXIT_FINE;
  if (result == BASE_OK && response.status != 200) {
    status = complain_response(path, &response);
  } else {
    if (result == BASE_OK)
      result = arrival_keep(&get->arrival, client_response_header(&response, "Repr-Digest"), &fault);
    if (result != BASE_OK) status = (complain_fault(path, &fault), EXIT_FAILED);
  }
  client_response_finish(&response);
  arrival_end(&get->arrival);
  return status;
}

static int run(const struct options *options) {
  if (options->output == NULL) return complain_usage("get", "-o FILE is missing");
  struct base_buffer path;
  struct base_fault fault = {0};
  base_buffer_init(&path, VARIANT_PATH_LIMIT);
  struct remote remote;
  struct get get;
  int status;
  enum base_result result = remote_open_delivery(options, &remote, &fault);
  if (result == BASE_OK) result = variant_path_write(options->words, options->word_count, &path, &fault);
  if (result == BASE_OK) result = base_buffer_append(&path, "", 1);
  if (result != BASE_OK)
    status = complain_usage("get", "%s", fault.text);
  else
    status = fetch(&get, &remote, (const char *)path.data, options->output);
  base_buffer_finish(&path);
  remote_close(&remote);
  return status;
}

const struct command command_get = {"get", "fetch a variant and check its digest", page, "ID", 1, SIZE_MAX, run};
