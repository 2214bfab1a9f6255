#include "origin.h"

#include <stdio.h>
#include <string.h>

static enum base_result refuse(const char *url, const char *why, struct base_fault *fault) {
  return BASE_FAIL(fault, BASE_BAD_INPUT, "url", "'%.200s' is not a base URL: %s", url, why);
}

static bool is_host_character(uint8_t c, bool is_ipv6) {
  if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.') return true;
  return is_ipv6 ? c == ':' : c == '-' || c == '_';
}

static bool is_host(struct base_span host, bool is_ipv6) {
  if (host.bytes == 0) return false;
  for (size_t i = 0; i < host.bytes; i++) {
    if (!is_host_character(host.data[i], is_ipv6)) return false;
  }
  return true;
}

// Visible ASCII that may stand in a path.
static bool is_path(struct base_span path) {
  for (size_t i = 0; i < path.bytes; i++) {
    const uint8_t c = path.data[i];
    if (c <= ' ' || c >= 0x7f || c == '?' || c == '#') return false;
  }
  return true;
}

static enum base_result parse_port(struct base_span text, const char *url, struct client_origin *out,
                                   struct base_fault *fault) {
  uint64_t port = out->is_tls ? 443 : 80;
  if (text.data != NULL && (!base_span_to_u64(text, &port) || port == 0 || port > 65535))
    return refuse(url, "the port is not a number from 1 to 65535", fault);
  snprintf(out->port, sizeof(out->port), "%u", (unsigned)port);
  return BASE_OK;
}

// "host", "host:port", "[v6]" or "[v6]:port".
static enum base_result parse_authority(struct base_span authority, const char *url, struct client_origin *out,
                                        struct base_fault *fault) {
  struct base_span port = authority;
  struct base_span host;
  const bool is_ipv6 = base_span_starts_with(authority, "[");
  if (is_ipv6) {
    port = base_span_slice(authority, 1, authority.bytes);
    host = base_span_cut(&port, ']');
    if (port.data == NULL) return refuse(url, "a ']' is missing", fault);
    if (port.bytes > 0 && port.data[0] != ':') return refuse(url, "after ']' comes a port or nothing", fault);
    port = port.bytes > 0 ? base_span_slice(port, 1, port.bytes) : base_span_of(NULL, 0);
  } else {
    host = base_span_cut(&port, ':');
  }
  if (!is_host(host, is_ipv6) || !base_span_copy(host, out->host, sizeof(out->host)))
    return refuse(url, "the host is empty or has characters that no host has", fault);
  const enum base_result result = parse_port(port, url, out, fault);
  if (result != BASE_OK) return result;

  const bool is_default_port = strcmp(out->port, out->is_tls ? "443" : "80") == 0;
  snprintf(out->authority, sizeof(out->authority), is_ipv6 ? "[%s]%s%s" : "%s%s%s", out->host,
           is_default_port ? "" : ":", is_default_port ? "" : out->port);
  return BASE_OK;
}

enum base_result client_origin_parse(const char *url, struct client_origin *out, struct base_fault *fault) {
  memset(out, 0, sizeof(*out));
  struct base_span rest = base_span_text(url);
  if (rest.bytes >= CLIENT_MAX_URL_BYTES) return refuse(url, "it is too long", fault);
  out->is_tls = base_span_starts_with(rest, "https://");
  if (!out->is_tls && !base_span_starts_with(rest, "http://"))
    return refuse(url, "it does not begin with http:// or https://", fault);
  rest = base_span_slice(rest, strlen(out->is_tls ? "https://" : "http://"), rest.bytes);

  const uint8_t *slash = memchr(rest.data, '/', rest.bytes);
  const size_t authority_bytes = slash != NULL ? (size_t)(slash - rest.data) : rest.bytes;
  struct base_span path = base_span_slice(rest, authority_bytes, rest.bytes);
  while (path.bytes > 0 && path.data[path.bytes - 1] == '/') path.bytes--;
  if (!is_path(path) || !base_span_copy(path, out->prefix, sizeof(out->prefix)))
    return refuse(url, "its path has a query, a fragment or characters that want percent-encoding", fault);
  return parse_authority(base_span_slice(rest, 0, authority_bytes), url, out, fault);
}
