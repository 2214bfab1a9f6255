#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "command.h"
#include "complain.h"
#include "remote.h"

enum { MAX_URL_BYTES = 512, MAX_CODE_BYTES = 64, MAX_BODY_BYTES = 512, TOKEN_MODE = 0600 };

static const char page[] =
    "pixpop claim - get the first token of a new box\n"
    "\n"
    "Usage: pixpop [OPTIONS] claim URL [CODE] [-o FILE]\n"
    "\n"
    "A new appliance shows a one-time code, such as K7QX-2M9P-4TRW, on its screen or serial console. Whoever sends it\n"
    "gets the one token with which the box is administrated; then the code is worth nothing. Without CODE it is asked for,\n"
    "so that it gets into no list of commands. URL is the box's console; https:// and port 8443 may be left out.\n"
    "\n"
    "The token is printed, or written to FILE, which only its owner may read. The box keeps no more than its hash: who\n"
    "loses the token resets the box.\n"
    "\n"
    "Options:\n"
    "  -o, --output FILE        where the token goes; a file that is there already is not replaced\n"
    "      --fingerprint AB:..  trust exactly the certificate with this SHA-256, which the box shows beside the code\n"
    "\n"
    "Examples:\n"
    "  pixpop claim pixpop-1a2b.local -o token --fingerprint AB:CD:...\n"
    "  export PIXPOP_CONSOLE=https://pixpop-1a2b.local:8443 PIXPOP_FINGERPRINT=AB:CD:...\n"
    "  pixpop --token-file token put photo.jpg\n"
    "\n"
    "Exit status: 0 the token is yours, 1 failed, 2 wrong usage\n";

// "box.local" -> "https://box.local:8443"; what has a scheme stays as it is.
static bool complete_url(const char *word, char out[MAX_URL_BYTES]) {
  const bool has_scheme = strstr(word, "://") != NULL;
  const char *bracket = strrchr(word, ']');
  const bool has_port = strchr(bracket != NULL ? bracket : word, ':') != NULL;
  return snprintf(out, MAX_URL_BYTES, "%s%s%s", has_scheme ? "" : "https://", word,
                  has_scheme || has_port ? "" : ":8443") < MAX_URL_BYTES;
}

static bool ask_for_code(char out[MAX_CODE_BYTES]) {
  if (isatty(STDIN_FILENO)) fputs("The code that the box shows: ", stderr);
  if (fgets(out, MAX_CODE_BYTES, stdin) == NULL) return false;
  out[strcspn(out, "\r\n")] = '\0';
  return out[0] != '\0';
}

static enum base_result write_body(const char *code, struct base_buffer *out, struct base_fault *fault) {
  struct base_json_writer json;
  base_json_begin(&json, out);
  base_json_object(&json, NULL);
  base_json_string(&json, "code", code);
  base_json_object_end(&json);
  return json.result == BASE_OK ? BASE_OK : BASE_FAIL(fault, BASE_BAD_INPUT, "code", "this is no code");
}

// Before anything is asked for: a token that can not be kept would be lost.
static enum base_result open_output(const char *path, int *out_fd, struct base_fault *fault) {
  *out_fd = path == NULL || strcmp(path, "-") == 0 ? STDOUT_FILENO
                                                   : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, TOKEN_MODE);
  return *out_fd >= 0 ? BASE_OK : BASE_FAIL_ERRNO(fault, "output", "cannot make the file '%.200s'", path);
}

static int print_token(const struct client_response *response, int fd) {
  struct base_fault fault = {0};
  struct base_json *json = NULL;
  int status = remote_parse(response, &json);
  const char *token = base_json_as_string(base_json_get(base_json_root(json), "token"));
  if (status == EXIT_FINE && token == NULL) {
    fputs("pixpop: the box answered without a token\n", stderr);
    status = EXIT_FAILED;
  } else if (status == EXIT_FINE) {
    enum base_result result = base_fd_write_all(fd, base_span_text(token), &fault);
    if (result == BASE_OK) result = base_fd_write_all(fd, base_span_text("\n"), &fault);
    if (result == BASE_OK && fd != STDOUT_FILENO && fsync(fd) != 0) result = BASE_FAIL_ERRNO(&fault, "", "cannot sync");
    if (result != BASE_OK) {  // it is the only one there will be
      status = (complain_fault("output", &fault), EXIT_FAILED);
      fprintf(stderr, "pixpop: the token is %s\n", token);
    }
  }
  base_json_destroy(&json);
  return status;
}

static int claim(struct client *client, const char *code, int fd) {
  struct base_fault fault = {0};
  struct client_response response = {0};
  struct base_buffer body;
  base_buffer_init(&body, MAX_BODY_BYTES);
  enum base_result result = write_body(code, &body, &fault);
  if (result == BASE_OK) {
    const struct client_request request = {.method = "POST",
                                           .path = "/api/v1/claim",
                                           .content_type = "application/json",
                                           .body = base_buffer_span(&body),
                                           .body_fd = -1,
                                           .is_once = true};
    result = client_send(client, &request, &response, &fault);
  }
  int status;
  if (result != BASE_OK)
    status = complain_fault(NULL, &fault);
  else if (response.status != 201)
    status = complain_response(NULL, &response);
  else
    status = print_token(&response, fd);
  client_response_finish(&response);
  base_buffer_finish(&body);
  return status;
}

static int run(const struct options *options) {
  char url[MAX_URL_BYTES], typed[MAX_CODE_BYTES];
  const char *code = options->word_count > 1 ? options->words[1] : typed;
  struct client *client = NULL;
  struct base_fault fault = {0};
  int fd = -1;
  if (!complete_url(options->words[0], url)) return complain_usage("claim", "the URL is too long");
  const struct client_config config = {
      .base_url = url, .ca_file = options->ca_file, .fingerprint = options->fingerprint};
  if (client_create(&config, &client, &fault) != BASE_OK) return complain_usage("claim", "%s", fault.text);
  int status;
  if (code == typed && !ask_for_code(typed)) {
    status = complain_usage("claim", "the CODE is missing");
  } else if (open_output(options->output, &fd, &fault) != BASE_OK) {
    status = (complain_fault(NULL, &fault), EXIT_FAILED);
  } else {
    status = claim(client, code, fd);
  }
  const bool has_made_file = fd > STDERR_FILENO;
  if (has_made_file) base_fd_close(&fd);
  if (has_made_file && status != EXIT_FINE) (void)unlink(options->output);
  client_destroy(&client);
  return status;
}

const struct command command_claim = {"claim", "get the first token of a new box", page, "URL", 1, 2, run};
