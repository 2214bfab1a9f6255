#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "complain.h"
#include "remote.h"
#include "resume.h"
#include "terminal.h"

enum { PATH_BYTES = 256, MAX_NAME_BYTES = 256, ID_COLUMNS = 45 };

static const char page[] =
    "pixpop uploads - list or remove uploads that are not finished\n"
    "\n"
    "Usage: pixpop [OPTIONS] uploads [--json]\n"
    "       pixpop [OPTIONS] uploads --rm ID...\n"
    "\n"
    "An upload that broke off stays on the box, with the bytes that came, until it expires: 'pixpop put' of the same\n"
    "file goes on with it. Prints a table: id, how much is there, size, state (open, or checking when all bytes are\n"
    "there), when it expires, name of the file.\n"
    "\n"
    "Options:\n"
    "      --rm                 remove the uploads named instead; their bytes are freed\n"
    "      --json               print the box's own answer, with those that were stored or refused lately\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage\n";

static void print_row(const struct base_json_value *item) {
  char id[ID_COLUMNS + 1], offset[TERMINAL_SIZE_CHARS], length[TERMINAL_SIZE_CHARS], time[TERMINAL_TIME_CHARS],
      state[16], name[MAX_NAME_BYTES];
  int64_t bytes = 0;
  const bool has_length = base_json_as_integer(base_json_get(item, "length"), &bytes);
  terminal_print_padded(terminal_clean(remote_text_of(item, "id"), id, sizeof(id)), ID_COLUMNS);
  printf("%9s  %9s  %-8s  %-16s  %s\n", terminal_size((uint64_t)remote_integer_of(item, "offset"), offset),
         has_length ? terminal_size((uint64_t)bytes, length) : "?",
         terminal_clean(remote_text_of(item, "state"), state, sizeof(state)),
         terminal_time(remote_integer_of(item, "expires_s"), time),
         terminal_clean(remote_text_of(item, "name"), name, sizeof(name)));
}

// The box remembers for a while what has become of an upload.
static bool is_finished(const struct base_json_value *item) {
  const char *state = remote_text_of(item, "state");
  return strcmp(state, "stored") == 0 || strcmp(state, "refused") == 0;
}

static void print_all(const struct base_json_value *root) {
  const struct base_json_value *items = base_json_get(root, "items");
  size_t shown = 0;
  for (size_t i = 0; i < base_json_length(items); i++) {
    const struct base_json_value *item = base_json_at(items, i);
    if (is_finished(item)) continue;
    if (shown++ == 0) {
      terminal_print_padded("ID", ID_COLUMNS);
      printf("%9s  %9s  %-8s  %-16s  %s\n", "THERE", "SIZE", "STATE", "EXPIRES", "NAME");
    }
    print_row(item);
  }
  if (shown == 0) fputs("there are no unfinished uploads\n", stderr);
}

static bool is_id(const char *word) {
  static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const size_t chars = strlen(word);
  return chars > 0 && chars < 128 && strspn(word, plain) == chars;
}

static int remove_one(const struct options *options, struct remote *remote, const char *id) {
  static const struct client_field fields[] = {{"Tus-Resumable", "1.0.0"}};
  char path[PATH_BYTES];
  struct client_response response = {0};
  struct base_fault fault = {0};
  snprintf(path, sizeof(path), "/api/v1/uploads/%s", id);
  const struct client_request request = {
      .method = "DELETE", .path = path, .bearer = remote->token, .fields = fields, .field_count = 1, .body_fd = -1};
  int status = EXIT_FINE;
  if (client_send(remote->client, &request, &response, &fault) != BASE_OK) {
    complain_fault(id, &fault);
    status = EXIT_FAILED;
  } else if (response.status / 100 != 2) {
    status = complain_response(id, &response);
  } else {
    resume_forget_upload(options->console_url, path);
    printf("removed %s\n", id);
  }
  client_response_finish(&response);
  return status;
}

static int remove_all(const struct options *options) {
  struct remote remote;
  struct base_fault fault = {0};
  int status = EXIT_FINE;
  if (remote_open_console(options, &remote, &fault) != BASE_OK) {
    status = complain_fault(NULL, &fault);
  } else {
    for (size_t i = 0; i < options->word_count; i++) {
      if (remove_one(options, &remote, options->words[i]) != EXIT_FINE) status = EXIT_FAILED;
    }
  }
  remote_close(&remote);
  return status;
}

static int run(const struct options *options) {
  if (!options->remove && options->word_count > 0)
    return complain_usage("uploads", "'%s' is too much; --rm removes uploads", options->words[0]);
  if (options->remove && options->json) return complain_usage("uploads", "--rm and --json do not go together");
  if (options->remove && options->word_count == 0) return complain_usage("uploads", "ID is missing");
  for (size_t i = 0; i < options->word_count; i++) {
    if (!is_id(options->words[i])) return complain_usage("uploads", "'%s' is not an upload's id", options->words[i]);
  }
  return options->remove ? remove_all(options) : remote_show(options, "/api/v1/uploads", print_all);
}

const struct command command_uploads = {
    "uploads", "list or remove uploads that are not finished", page, NULL, 0, SIZE_MAX, run};
