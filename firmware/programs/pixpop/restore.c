#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "command.h"
#include "complain.h"
#include "progress.h"
#include "remote.h"
#include "terminal.h"

enum { SILENCE_MS = 10 * 60 * 1000, MAX_TEXT_BYTES = 512 };  // the box decodes every picture once

static const char page[] =
    "pixpop restore - put a backup's originals and settings back\n"
    "\n"
    "Usage: pixpop [OPTIONS] restore FILE [--keep-settings] [--network]\n"
    "\n"
    "Sends a backup (pixpop backup) to a box, mostly a new one. Every original is checked as any upload is, must have the\n"
    "SHA-256 that its name says, and keeps its name, tags, time and tenant. Nothing that is on the box is changed or\n"
    "removed: what it has already is skipped, so the same command again goes on after whatever broke off.\n"
    "\n"
    "The backup's settings replace the file that system.settings_file names, when they are right and of a box with the\n"
    "same folders, addresses and devices; they count when the box starts again. Else, and without such a file, the box\n"
    "keeps its own, and it is said why.\n"
    "\n"
    "Options:\n"
    "      --keep-settings      leave the box's settings as they are\n"
    "      --network            put an appliance's network settings back as well, when all the rest is there; the box\n"
    "                           may have another address then, and no answer come\n"
    "      --quiet              say nothing but what fails\n"
    "      --json               print the box's own answer\n"
    "\n"
    "Example:\n"
    "  pixpop --token-file token --console https://box.local:8443 restore pixpop-backup-2026-11-23.tar\n"
    "\n"
    "Exit status: 0 all of it is on the box, 1 at least something is not, 2 wrong usage\n";

struct restore {
  const struct options *options;
  struct progress progress;
  int fd;
  uint64_t bytes;
};

static void show(void *self, uint64_t done, uint64_t total) {
  struct restore *restore = self;
  progress_show(&restore->progress, done, total);
}

static const char *clean_of(const struct base_json_value *object, const char *key, char out[MAX_TEXT_BYTES]) {
  return terminal_clean(remote_text_of(object, key), out, MAX_TEXT_BYTES);
}

static void print_refusals(const struct base_json_value *report) {
  const struct base_json_value *refusals = base_json_get(report, "refusals");
  const size_t named = base_json_length(refusals);
  for (size_t i = 0; i < named; i++) {
    char id[MAX_TEXT_BYTES], name[MAX_TEXT_BYTES], reason[MAX_TEXT_BYTES];
    const struct base_json_value *one = base_json_at(refusals, i);
    fprintf(stderr, "pixpop: refused: %s (%s): %s\n", clean_of(one, "name", name), clean_of(one, "id", id),
            clean_of(one, "reason", reason));
  }
  const int64_t count = remote_integer_of(report, "refused");
  if (count > (int64_t)named) fprintf(stderr, "pixpop: and %" PRId64 " more\n", count - (int64_t)named);
}

static void print_strangers(const struct base_json_value *report) {
  const struct base_json_value *tenants = base_json_get(report, "unknown_tenants");
  for (size_t i = 0; i < base_json_length(tenants); i++) {
    char clean[MAX_TEXT_BYTES];
    const char *name = base_json_as_string(base_json_at(tenants, i));
    fprintf(stderr, "pixpop: the box's settings have no [tenant %s], so nobody can see its pictures\n",
            name != NULL ? terminal_clean(name, clean, sizeof(clean)) : "-");
  }
}

// Boxes that are no appliances have none, and of a backup without them nothing is to be said.
static void print_network(const struct base_json_value *report) {
  char text[MAX_TEXT_BYTES];
  const char *what = remote_text_of(report, "network");
  if (strcmp(what, "replaced") == 0)
    printf("network: replaced; %s\n", clean_of(report, "network_text", text));
  else if (strcmp(what, "kept") == 0)
    printf("network: the box keeps its own: %s\n", clean_of(report, "network_text", text));
}

static void print_settings(const struct base_json_value *report) {
  char text[MAX_TEXT_BYTES];
  const char *what = remote_text_of(report, "settings");
  if (strcmp(what, "replaced") == 0)
    printf("settings: replaced; %s\n", clean_of(report, "settings_text", text));
  else if (strcmp(what, "kept") == 0)
    printf("settings: the box keeps its own: %s\n", clean_of(report, "settings_text", text));
  else
    puts("settings: there are none in the backup");
}

static void print_report(const struct base_json_value *report) {
  printf("originals: %" PRId64 " new, %" PRId64 " there already, %" PRId64 " refused\n",
         remote_integer_of(report, "new"), remote_integer_of(report, "present"), remote_integer_of(report, "refused"));
  print_settings(report);
  print_network(report);
}

static int take_answer(struct restore *restore, const struct client_response *response) {
  struct base_json *json = NULL;
  const bool is_fine = response->status == 200;
  int status = is_fine ? EXIT_FINE : complain_response(restore->options->words[0], response);
  if (base_json_parse(base_buffer_span(&response->body), &json, NULL) != BASE_OK) return EXIT_FAILED;
  const struct base_json_value *root = base_json_root(json), *report = is_fine ? root : base_json_get(root, "restore");
  if (report != NULL) {
    if (restore->options->json)
      printf("%.*s\n", (int)response->body.bytes, response->body.data);
    else if (!restore->options->quiet)
      print_report(report);
    print_refusals(report);
    print_strangers(report);
    if (remote_integer_of(report, "refused") > 0) status = EXIT_FAILED;
    if (restore->options->network && strcmp(remote_text_of(report, "network"), "kept") == 0) status = EXIT_FAILED;
    if (!is_fine) fputs("pixpop: what had come whole stays; the same command again goes on\n", stderr);
  }
  base_json_destroy(&json);
  return status;
}

static int send_all(struct restore *restore, struct remote *remote) {
  struct base_fault fault = {0};
  struct client_response response = {0};
  static const char *const paths[2][2] = {
      {"/api/v1/restore", "/api/v1/restore?network=replace"},
      {"/api/v1/restore?settings=keep", "/api/v1/restore?settings=keep&network=replace"}};
  const char *path = paths[restore->options->keep_settings][restore->options->network];
  const struct client_request request = {.method = "POST",
                                         .path = path,
                                         .bearer = remote->token,
                                         .content_type = "application/x-tar",
                                         .body_fd = restore->fd,
                                         .body_fd_bytes = restore->bytes,
                                         .progress = show,
                                         .self = restore};
  progress_begin(&restore->progress, restore->options->words[0]);
  const enum base_result result = client_send(remote->client, &request, &response, &fault);
  progress_erase(&restore->progress);
  int status;
  if (result == BASE_OK) {
    status = take_answer(restore, &response);
  } else {
    status = (complain_fault(restore->options->words[0], &fault), EXIT_FAILED);
    if (restore->progress.done > 0)
      fputs("pixpop: what had come whole stays on the box; the same command again goes on\n", stderr);
  }
  client_response_finish(&response);
  return status;
}

static enum base_result open_file(struct restore *restore, const char *path, struct base_fault *fault) {
  struct stat info;
  restore->fd = open(path, O_RDONLY | O_CLOEXEC);
  if (restore->fd < 0 || fstat(restore->fd, &info) != 0) {
    return BASE_FAIL(fault, BASE_IO, "", "cannot be opened: %s", strerror(errno));
  }
  if (!S_ISREG(info.st_mode)) return BASE_FAIL(fault, BASE_IO, "", "this is no file");
  restore->bytes = (uint64_t)info.st_size;
  return BASE_OK;
}

static int run(const struct options *options) {
  struct restore restore = {.options = options, .fd = -1};
  struct remote remote = {0};
  struct base_fault fault = {0};
  int status = EXIT_FAILED;
  if (open_file(&restore, options->words[0], &fault) != BASE_OK) {
    (void)complain_fault(options->words[0], &fault);
  } else if (remote_open_patient(options, SILENCE_MS, &remote, &fault) != BASE_OK) {
    status = complain_fault(NULL, &fault);
  } else {
    status = send_all(&restore, &remote);
  }
  remote_close(&remote);
  base_fd_close(&restore.fd);
  return status;
}

const struct command command_restore = {"restore", "put a backup's originals and settings back", page, "FILE", 1, 1,
                                        run};
