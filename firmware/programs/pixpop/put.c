#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "command.h"
#include "complain.h"
#include "progress.h"
#include "remote.h"
#include "terminal.h"

enum { MAX_RETRIES = 3, PATH_LIMIT = 2048, MAX_URL_BYTES = 1024 };

static const char page[] =
    "pixpop put - upload pictures\n"
    "\n"
    "Usage: pixpop [OPTIONS] put FILE...\n"
    "\n"
    "Uploads each file as an original and prints a line with its id and its URL. A picture that the box has already\n"
    "keeps its id and costs nothing. While a file moves, a bar on stderr shows how far it is; where stderr is no\n"
    "terminal, one line a file says how long it took.\n"
    "\n"
    "A broken connection or a busy box is tried again 3 times. A file that fails is said and the others go on.\n"
    "\n"
    "Examples:\n"
    "  pixpop --token-file token put photo.jpg\n"
    "  pixpop --token-file token put *.jpg | cut -f1        # the ids\n"
    "\n"
    "Exit status: 0 all files are stored, 1 at least one is not, 2 wrong usage\n";

struct put {
  struct remote remote;
  const struct options *options;
  bool is_hopeless;  // the other files would fail in the same way
};

static enum base_result upload_path(const char *file, struct base_buffer *out, struct base_fault *fault) {
  const char *slash = strrchr(file, '/');
  enum base_result result = base_buffer_append_text(out, "/api/v1/originals?name=");
  if (result == BASE_OK) result = remote_append_encoded(out, slash != NULL ? slash + 1 : file);
  if (result == BASE_OK) result = base_buffer_append(out, "", 1);
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, BASE_TOO_LARGE, "name", "the file's name is too long");
}

// Sends until there is an answer that trying again would not change. `response` is finished by the caller.
static enum base_result send_file(struct put *put, const char *path, int fd, uint64_t bytes, struct progress *progress,
                                  struct client_response *response, struct base_fault *fault) {
  const struct client_request request = {.method = "POST",
                                         .path = path,
                                         .bearer = put->remote.token,
                                         .content_type = "application/octet-stream",
                                         .body_fd = fd,
                                         .body_fd_bytes = bytes,
                                         .progress = progress_show,
                                         .self = progress};
  for (int retry = 0;; retry++) {
    base_fault_clear(fault);
    const enum base_result result = client_send(put->remote.client, &request, response, fault);
    const bool is_passing = result == BASE_OK ? response->status == 503 : result == BASE_IO || result == BASE_TIMEOUT;
    if (!is_passing || retry == MAX_RETRIES) return result;
    progress_erase(progress);
    char name[MAX_URL_BYTES];
    fprintf(stderr, "pixpop: %s: %s; trying again (%d of %d)\n", terminal_clean(progress->name, name, sizeof(name)),
            result == BASE_OK ? "the box is busy" : fault->text, retry + 1, MAX_RETRIES);
    client_response_finish(response);
    remote_pause_before(retry);
  }
}

// The answer is a list of originals; each gets a line.
static int print_stored(const struct put *put, const char *file, const struct client_response *response) {
  struct base_json *json = NULL;
  struct base_fault fault = {0};
  if (base_json_parse(base_buffer_span(&response->body), &json, &fault) != BASE_OK)
    return complain_fault(file, &fault), EXIT_FAILED;
  const struct base_json_value *list = base_json_root(json);
  const size_t count = base_json_length(list);
  for (size_t i = 0; i < count; i++) {
    char clean_id[64], clean_url[MAX_URL_BYTES];
    const char *id = base_json_as_string(base_json_get(base_json_at(list, i), "id"));
    const char *url = base_json_as_string(base_json_get(base_json_at(list, i), "url"));
    if (id == NULL) continue;
    printf("%s\t", terminal_clean(id, clean_id, sizeof(clean_id)));
    if (url != NULL && strncmp(url, "http", 4) == 0)
      puts(terminal_clean(url, clean_url, sizeof(clean_url)));
    else
      printf("%s/i/%s\n", put->options->delivery_url, clean_id);
  }
  fflush(stdout);
  base_json_destroy(&json);
  return EXIT_FINE;
}

// Opens a regular file and tells its size.
static enum base_result open_file(const char *file, int *fd, uint64_t *bytes, struct base_fault *fault) {
  struct stat info;
  *fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a FIFO must not hang
  if (*fd < 0) return BASE_FAIL_ERRNO(fault, "file", "cannot open the file");
  if (fstat(*fd, &info) != 0) return BASE_FAIL_ERRNO(fault, "file", "cannot examine the file");
  if (!S_ISREG(info.st_mode)) return BASE_FAIL(fault, BASE_UNSUPPORTED, "file", "it is not a regular file");
  if (info.st_size == 0) return BASE_FAIL(fault, BASE_UNSUPPORTED, "file", "the file is empty");
  *bytes = (uint64_t)info.st_size;
  return BASE_OK;
}

static int put_file(struct put *put, const char *file) {
  int fd = -1;
  int status = EXIT_FAILED;
  uint64_t bytes = 0;
  struct base_fault fault = {0};
  struct base_buffer path;
  struct client_response response = {0};
  struct progress progress;
  base_buffer_init(&path, PATH_LIMIT);
  progress_begin(&progress, file);
  enum base_result result = open_file(file, &fd, &bytes, &fault);
  if (result == BASE_OK) result = upload_path(file, &path, &fault);
  if (result == BASE_OK) result = send_file(put, (const char *)path.data, fd, bytes, &progress, &response, &fault);
  if (result != BASE_OK) {
    progress_erase(&progress);
    complain_fault(file, &fault);
    put->is_hopeless = result == BASE_FORBIDDEN;
  } else if (response.status / 100 != 2) {
    progress_erase(&progress);
    complain_response(file, &response);
    put->is_hopeless = response.status == 401 || response.status == 429;
  } else {
    progress_end(&progress);
    status = print_stored(put, file, &response);
  }
  client_response_finish(&response);
  base_buffer_finish(&path);
  base_fd_close(&fd);
  return status;
}

static int run(const struct options *options) {
  struct put put = {.options = options};
  struct base_fault fault = {0};
  int status = EXIT_FINE;
  if (remote_open_console(options, &put.remote, &fault) != BASE_OK) {
    status = complain_fault(NULL, &fault);
  } else {
    for (size_t i = 0; i < options->word_count && !put.is_hopeless; i++) {
      if (put_file(&put, options->words[i]) != EXIT_FINE) status = EXIT_FAILED;
    }
  }
  remote_close(&put.remote);
  return status;
}

const struct command command_put = {"put", "upload pictures; prints the id and URL of each", page, "FILE", 1, SIZE_MAX,
                                    run};
