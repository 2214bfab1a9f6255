#include <string.h>

#include "client/client.h"
#include "probe.h"
#include "tls/tls.h"

enum { CONNECT_TIMEOUT_MS = 3000, IO_TIMEOUT_MS = 6000, STATUS_OK = 200 };

// The path of a URL; "/" when it has none. The client takes the origin alone: what it is given goes before each path.
static enum base_result split(const char *url, char origin[CLIENT_MAX_URL_BYTES], const char **path,
                              struct base_fault *fault) {
  const char *scheme = strstr(url, "://");
  if (scheme == NULL) return BASE_FAIL(fault, BASE_BAD_INPUT, "url", "'%.100s' is no URL", url);
  *path = strchr(scheme + 3, '/');
  const size_t bytes = *path != NULL ? (size_t)(*path - url) : strlen(url);
  if (*path == NULL) *path = "/";
  if (base_span_copy(base_span_of(url, bytes), origin, CLIENT_MAX_URL_BYTES)) return BASE_OK;
  return BASE_FAIL(fault, BASE_BAD_INPUT, "url", "the URL is too long");
}

static enum base_result ask(const struct client_config *config, const char *url, const char *path, bool *is_starting,
                            struct base_fault *fault) {
  struct client *client = NULL;
  enum base_result result = client_create(config, &client, fault);
  if (result != BASE_OK) return result;
  const struct client_request request = {.method = "GET", .path = path, .body_fd = -1};
  struct client_response response;
  result = client_send(client, &request, &response, fault);
  const int status = response.status;
  *is_starting =
      result == BASE_OK && status == STATUS_OK && base_span_is(base_buffer_span(&response.body), "starting\n");
  client_response_finish(&response);
  client_destroy(&client);
  if (result != BASE_OK || status == STATUS_OK) return result;
  return BASE_FAIL(fault, BASE_IO, "health", "%.100s answers %d", url, status);
}

enum base_result probe_answer(const char *url, const char *ca, bool *is_starting, struct base_fault *fault) {
  char origin[CLIENT_MAX_URL_BYTES], fingerprint[TLS_FINGERPRINT_CHARS + 1];
  const char *path = NULL;
  *is_starting = false;
  enum base_result result = split(url, origin, &path, fault);
  if (result != BASE_OK) return result;
  struct client_config config = {
      .base_url = origin, .connect_timeout_ms = CONNECT_TIMEOUT_MS, .io_timeout_ms = IO_TIMEOUT_MS};
  if (ca == NULL || !base_span_starts_with(base_span_text(url), "https:"))
    return ask(&config, url, path, is_starting, fault);
  // The file is as a rule the console's own, with its key: that certificate is right whatever name it was made for and
  // whatever time the box believes it is.
  if (tls_identity_fingerprint(ca, fingerprint, NULL) == BASE_OK) {
    config.fingerprint = fingerprint;
    result = ask(&config, url, path, is_starting, fault);
    if (result != BASE_FORBIDDEN) return result;
  }
  config.fingerprint = NULL;
  config.ca_file = ca;
  base_fault_clear(fault);
  return ask(&config, url, path, is_starting, fault);
}
