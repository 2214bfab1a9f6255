#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "box_parts.h"

// Replies that are being written may still have an older one.
struct box_url {
  struct box_url *older;
  char text[];
};

// The settings see to it that a URL fits, whatever the host name is.
enum {
  HOST_NAME_BYTES = HOST_NAME_MAX + 1,
  MAX_URL_BYTES = SETTINGS_MAX_TEXT + SETTINGS_MAX_HOST_NAMES * HOST_NAME_MAX
};

static enum base_result expand(const char *pattern, struct base_buffer *out) {
  static const char place[] = SETTINGS_HOST_NAME;
  char host[HOST_NAME_BYTES] = "";
  if (gethostname(host, sizeof(host)) != 0) host[0] = '\0';
  enum base_result result = BASE_OK;
  for (const char *found; result == BASE_OK && (found = strstr(pattern, place)); pattern = found + strlen(place)) {
    result = base_buffer_append(out, pattern, (size_t)(found - pattern));
    if (result == BASE_OK) result = base_buffer_append_text(out, host);
  }
  if (result == BASE_OK) result = base_buffer_append_text(out, pattern);
  while (out->bytes > 0 && out->data[out->bytes - 1] == '/') out->bytes--;
  return result;
}

static struct box_url *keep(struct box *box, struct base_span text) {
  struct box_url *url = malloc(sizeof(*url) + text.bytes + 1);
  if (url == NULL) return NULL;
  url->older = box->urls;
  memcpy(url->text, text.data, text.bytes);
  url->text[text.bytes] = '\0';
  return box->urls = url;
}

enum base_result box_make_public_url(struct box *box, const struct settings *settings, const char **out,
                                     struct base_fault *fault) {
  struct base_buffer text;
  *out = NULL;
  if (settings->delivery_public_url[0] == '\0') return BASE_OK;
  base_buffer_init(&text, MAX_URL_BYTES);
  enum base_result result = expand(settings->delivery_public_url, &text);
  if (result != BASE_OK) {
    result = BASE_FAIL(fault, result, "", "memory is short");
  } else if (box->urls != NULL && base_span_is(base_buffer_span(&text), box->urls->text)) {
    *out = box->urls->text;
  } else if (text.bytes > 0) {
    const struct box_url *url = keep(box, base_buffer_span(&text));
    if (url == NULL) result = BASE_FAIL(fault, BASE_NO_MEMORY, "", "memory is short");
    if (url != NULL) *out = url->text;
  }
  base_buffer_finish(&text);
  return result;
}

const char *box_delivery_url(const struct box *box) { return box->public_url ? box->public_url : box->delivery_url; }

void box_free_urls(struct box *box) {
  while (box->urls != NULL) {
    struct box_url *url = box->urls;
    box->urls = url->older;
    free(url);
  }
}
