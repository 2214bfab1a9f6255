#include <stdio.h>

#include "command.h"
#include "complain.h"
#include "remote.h"
#include "terminal.h"

enum {
  PAGE_ORIGINALS = 100,  // whose JSON the reader takes, however long the names are
  PATH_LIMIT = 1024,
  MAX_NAME_BYTES = 256,
  MAX_ITEM_JSON = 64 * 1024,
};

static const char page[] =
    "pixpop ls - list originals, newest first\n"
    "\n"
    "Usage: pixpop [OPTIONS] ls [--json]\n"
    "\n"
    "Prints a table: id, size, width x height as stored, format, time of the upload, alerts of\n"
    "its inspection (pixpop show ID has them), name.\n"
    "With --json: one JSON object a line.\n"
    "\n"
    "Examples:\n"
    "  pixpop --token-file token ls\n"
    "  pixpop --token-file token ls --json | jq -r .id\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage\n";

static void print_heading(void) {
  terminal_print_padded("ID", 45);
  printf("%9s  %11s  %-6s  %-16s  %6s  %s\n", "SIZE", "DIMENSIONS", "FORMAT", "CREATED", "ALERTS", "NAME");
}

static void print_row(const struct base_json_value *item) {
  char id[64], size[TERMINAL_SIZE_CHARS], sides[32], format[16], time[TERMINAL_TIME_CHARS], name[MAX_NAME_BYTES],
      alerts[24] = "-";
  const int64_t alert_count = remote_integer_of(item, "alerts");
  if (alert_count > 0) snprintf(alerts, sizeof(alerts), "%lld", (long long)alert_count);
  snprintf(sides, sizeof(sides), "%lldx%lld", (long long)remote_integer_of(item, "width"),
           (long long)remote_integer_of(item, "height"));
  terminal_print_padded(terminal_clean(remote_text_of(item, "id"), id, sizeof(id)), 45);
  printf("%9s  %11s  %-6s  %-16s  %6s  %s\n", terminal_size((uint64_t)remote_integer_of(item, "bytes"), size), sides,
         terminal_clean(remote_text_of(item, "format"), format, sizeof(format)),
         terminal_time(remote_integer_of(item, "created_s"), time), alerts,
         terminal_clean(remote_text_of(base_json_get(item, "metadata"), "name"), name, sizeof(name)));
}

static enum base_result write_item(const struct base_json_value *item, struct base_buffer *out) {
  static const char *const texts[] = {"id", "format", "url"};
  static const char *const integers[] = {"bytes", "width", "height", "orientation", "created_s", "alerts"};
  const struct base_json_value *metadata = base_json_get(item, "metadata");
  const struct base_json_value *tags = base_json_get(metadata, "tags");
  struct base_json_writer json;
  base_json_begin(&json, out);
  base_json_object(&json, NULL);
  for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
    base_json_string(&json, texts[i], base_json_as_string(base_json_get(item, texts[i])));
  for (size_t i = 0; i < sizeof(integers) / sizeof(*integers); i++)
    base_json_integer(&json, integers[i], remote_integer_of(item, integers[i]));
  base_json_object(&json, "metadata");
  base_json_string(&json, "name", base_json_as_string(base_json_get(metadata, "name")));
  base_json_array(&json, "tags");
  const size_t count = base_json_length(tags);
  for (size_t i = 0; i < count; i++) base_json_string(&json, NULL, base_json_as_string(base_json_at(tags, i)));
  base_json_array_end(&json);
  base_json_object_end(&json);
  base_json_object_end(&json);
  return json.result;
}

static void print_json(const struct base_json_value *item) {
  struct base_buffer line;
  base_buffer_init(&line, MAX_ITEM_JSON);
  if (write_item(item, &line) == BASE_OK) printf("%.*s\n", (int)line.bytes, line.data);
  base_buffer_finish(&line);
}

static enum base_result page_path(const char *after, struct base_buffer *out) {
  out->bytes = 0;
  enum base_result result = base_buffer_printf(out, "/api/v1/originals?limit=%d", PAGE_ORIGINALS);
  if (result == BASE_OK && after != NULL) result = base_buffer_append_text(out, "&after=");
  if (result == BASE_OK && after != NULL) result = remote_append_encoded(out, after);
  return result == BASE_OK ? base_buffer_append(out, "", 1) : result;
}

// Prints one page. `path` becomes that of the next one, and *has_more says whether there is one.
static int list_page(struct remote *remote, const struct options *options, struct base_buffer *path, size_t *count,
                     bool *has_more) {
  struct client_response response = {0};
  struct base_json *json = NULL;
  *has_more = false;
  int status = remote_ask_json(remote, (const char *)path->data, &response, &json);
  if (status == EXIT_FINE) {
    const struct base_json_value *items = base_json_get(base_json_root(json), "items");
    const size_t items_count = base_json_length(items);
    if (!options->json && *count == 0 && items_count > 0) print_heading();
    for (size_t i = 0; i < items_count; i++) (options->json ? print_json : print_row)(base_json_at(items, i));
    *count += items_count;
    const char *next = base_json_as_string(base_json_get(base_json_root(json), "next"));
    *has_more = next != NULL && items_count > 0;
    if (*has_more && page_path(next, path) != BASE_OK) {
      fputs("pixpop: the box named a next page that can not be asked for\n", stderr);
      status = EXIT_FAILED;
    }
  }
  base_json_destroy(&json);
  client_response_finish(&response);
  return status;
}

static int run(const struct options *options) {
  struct remote remote;
  struct base_fault fault = {0};
  struct base_buffer path;
  int status = EXIT_FINE;
  base_buffer_init(&path, PATH_LIMIT);
  enum base_result result = remote_open_console(options, &remote, &fault);
  if (result == BASE_OK) result = page_path(NULL, &path);
  if (result != BASE_OK) {
    status = complain_fault(NULL, &fault);
  } else {
    size_t count = 0;
    bool has_more = true;
    while (status == EXIT_FINE && has_more) status = list_page(&remote, options, &path, &count, &has_more);
    if (status == EXIT_FINE && count == 0 && !options->json) fputs("there are no originals yet\n", stderr);
  }
  base_buffer_finish(&path);
  remote_close(&remote);
  return status;
}

const struct command command_ls = {"ls", "list originals", page, NULL, 0, 0, run};
