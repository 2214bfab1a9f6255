#include "remote.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "complain.h"

enum { FIRST_PAUSE_MS = 500 };

static enum base_result read_token(const struct options *options, struct remote *remote, struct base_fault *fault) {
  if (options->token != NULL) {
    remote->token = options->token;
    return BASE_OK;
  }
  if (options->token_file == NULL)
    return BASE_FAIL(fault, BASE_BAD_INPUT, "token",
                     "no token: pass --token-file FILE or set PIXPOP_TOKEN; pixpopd printed it at its first start");
  enum base_result result = base_file_read(options->token_file, REMOTE_TOKEN_LIMIT, &remote->storage, fault);
  if (result != BASE_OK) return result;
  struct base_buffer *text = &remote->storage;
  while (text->bytes > 0 && strchr("\r\n\t ", text->data[text->bytes - 1]) != NULL) text->bytes--;
  if (text->bytes == 0 || memchr(text->data, '\0', text->bytes) != NULL)
    return BASE_FAIL(fault, BASE_BAD_INPUT, "token", "the file '%.200s' holds no token", options->token_file);
  if (base_buffer_append(text, "", 1) != BASE_OK)
    return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for the token");
  remote->token = (const char *)text->data;
  return BASE_OK;
}

static enum base_result create_client(const struct options *options, uint32_t io_timeout_ms, struct remote *out,
                                      struct base_fault *fault) {
  const struct client_config config = {.base_url = options->console_url,
                                       .ca_file = options->ca_file,
                                       .fingerprint = options->fingerprint,
                                       .io_timeout_ms = io_timeout_ms};
  return client_create(&config, &out->client, fault);
}

enum base_result remote_open_patient(const struct options *options, uint32_t io_timeout_ms, struct remote *out,
                                     struct base_fault *fault) {
  *out = (struct remote){0};
  base_buffer_init(&out->storage, REMOTE_TOKEN_LIMIT + 1);
  const enum base_result result = read_token(options, out, fault);
  return result == BASE_OK ? create_client(options, io_timeout_ms, out, fault) : result;
}

enum base_result remote_open_console(const struct options *options, struct remote *out, struct base_fault *fault) {
  return remote_open_patient(options, 0, out, fault);
}

enum base_result remote_open_beside(const struct options *options, const struct remote *first, struct remote *out,
                                    struct base_fault *fault) {
  *out = (struct remote){.token = first->token};
  base_buffer_init(&out->storage, REMOTE_TOKEN_LIMIT + 1);
  return create_client(options, 0, out, fault);
}

enum base_result remote_open_delivery(const struct options *options, struct remote *out, struct base_fault *fault) {
  *out = (struct remote){0};
  base_buffer_init(&out->storage, REMOTE_TOKEN_LIMIT + 1);
  const struct client_config config = {.base_url = options->delivery_url, .ca_file = options->ca_file};
  return client_create(&config, &out->client, fault);
}

void remote_close(struct remote *remote) {
  client_destroy(&remote->client);
  base_buffer_finish(&remote->storage);
}

static int ask(struct remote *remote, const struct client_request *request, const char *about,
               struct client_response *response) {
  struct base_fault fault = {0};
  if (client_send(remote->client, request, response, &fault) != BASE_OK)
    return complain_fault(about, &fault), EXIT_FAILED;
  return response->status / 100 == 2 ? EXIT_FINE : complain_response(about, response);
}

int remote_ask(struct remote *remote, const char *method, const char *path, const char *about,
               struct client_response *response) {
  const struct client_request request = {.method = method, .path = path, .bearer = remote->token, .body_fd = -1};
  return ask(remote, &request, about, response);
}

int remote_tell(struct remote *remote, const char *method, const char *path, struct base_span json, const char *about,
                struct client_response *response) {
  const struct client_request request = {.method = method,
                                         .path = path,
                                         .bearer = remote->token,
                                         .content_type = "application/json",
                                         .body = json,
                                         .body_fd = -1};
  return ask(remote, &request, about, response);
}

int remote_parse(const struct client_response *response, struct base_json **out) {
  struct base_fault fault = {0};
  if (base_json_parse(base_buffer_span(&response->body), out, &fault) == BASE_OK) return EXIT_FINE;
  return complain_fault("the server's answer", &fault), EXIT_FAILED;
}

int remote_ask_json(struct remote *remote, const char *path, struct client_response *response,
                    struct base_json **json) {
  const int status = remote_ask(remote, "GET", path, NULL, response);
  return status == EXIT_FINE ? remote_parse(response, json) : status;
}

int64_t remote_integer_of(const struct base_json_value *object, const char *key) {
  int64_t value = 0;
  return base_json_as_integer(base_json_get(object, key), &value) ? value : 0;
}

const char *remote_text_of(const struct base_json_value *object, const char *key) {
  const char *text = base_json_as_string(base_json_get(object, key));
  return text != NULL ? text : "-";
}

int remote_show_answer(const struct options *options, const struct client_request *request,
                       void (*print)(const struct base_json_value *root)) {
  struct remote remote;
  struct base_fault fault = {0};
  if (remote_open_console(options, &remote, &fault) != BASE_OK) {
    remote_close(&remote);
    return complain_fault(NULL, &fault);
  }
  struct client_response response = {0};
  struct base_json *json = NULL;
  struct client_request authorized = *request;
  authorized.bearer = remote.token;
  int status = ask(&remote, &authorized, NULL, &response);
  if (status == EXIT_FINE) status = remote_parse(&response, &json);
  if (status == EXIT_FINE && options->json) {
    printf("%.*s\n", (int)response.body.bytes, response.body.data);
  } else if (status == EXIT_FINE) {
    print(base_json_root(json));
  }
  base_json_destroy(&json);
  client_response_finish(&response);
  remote_close(&remote);
  return status;
}

int remote_show(const struct options *options, const char *path, void (*print)(const struct base_json_value *root)) {
  const struct client_request request = {.method = "GET", .path = path, .body_fd = -1};
  return remote_show_answer(options, &request, print);
}

void remote_pause_before(int retry) {
  const long pause_ms = (long)FIRST_PAUSE_MS << retry;
  const struct timespec pause = {.tv_sec = pause_ms / 1000, .tv_nsec = pause_ms % 1000 * 1000000};
  nanosleep(&pause, NULL);
}

enum base_result remote_append_encoded(struct base_buffer *out, const char *text) {
  static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  enum base_result result = BASE_OK;
  for (; *text != '\0' && result == BASE_OK; text++) {
    if (strchr(plain, *text) != NULL)
      result = base_buffer_append(out, text, 1);
    else
      result = base_buffer_printf(out, "%%%02X", (unsigned)(unsigned char)*text);
  }
  return result;
}
