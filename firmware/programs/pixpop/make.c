#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "complain.h"
#include "progress.h"
#include "remote.h"
#include "terminal.h"
#include "variant_path.h"

enum {
  MAX_RETRIES = 3,
  PATH_BYTES = 128,
  ABOUT_BYTES = 320,
  MAX_BODY_BYTES = 64 * 1024,  // the server's limit
  MAX_LINE_BYTES = 16 * 1024,
  MAX_URL_BYTES = 2048,
};

static const char page[] =
    "pixpop make - make variants before anybody asks for them\n"
    "\n"
    "Usage: pixpop [OPTIONS] make ID... RECIPE...\n"
    "       pixpop [OPTIONS] make ID... --widths W,W... [--fm FORMAT] [--q QUALITY]\n"
    "\n"
    "Makes all variants of an original in one go, from one decode, and prints a line for each as soon as it is there:\n"
    "size, bytes, where it came from (ram, disk, made), milliseconds since the start, URL. ID can be - for ids on stdin,\n"
    "one a line. Without fm the format is WebP.\n"
    "\n"
    "A RECIPE is one word, written as in a URL: w=400 or 'w=800&h=600&fit=cover&fm=jpeg'. w=400 fm=jpeg would be two:\n"
    "one 400 wide and one of full size. pixpop get --help lists the names.\n"
    "\n"
    "Options:\n"
    "      --widths W,W...      one variant for each width, at most 64\n"
    "      --fm FORMAT          webp, avif, jpeg or png, for all widths\n"
    "      --q QUALITY          1 to 100 or lossless, for all widths\n"
    "      --json               print what the box sends: one JSON object a line\n"
    "\n"
    "Examples:\n"
    "  pixpop make 47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU --widths 320,640,960,1280,1920\n"
    "  pixpop put *.jpg | pixpop make - --widths 400,800 --q 75\n"
    "\n"
    "Exit status: 0 all are there, 1 at least one is not, 2 wrong usage\n";

struct make {
  struct remote remote;
  const struct options *options;
  struct base_buffer body;  // the same for every original
  size_t wanted;
  bool is_hopeless;  // the other originals would fail in the same way
  // Of the original being worked on.
  const char *id;
  struct progress progress;
  struct base_buffer line;  // what has come of the next line
  uint64_t made, failed;
  bool has_summary;
};

// --- what is asked for ---

static bool is_recipe(const char *word) { return strchr(word, '=') != NULL; }

static enum base_result write_widths(struct make *make, struct base_json_writer *json, struct base_fault *fault) {
  const struct options *options = make->options;
  char recipe[ABOUT_BYTES];
  struct base_span rest = base_span_text(options->widths);
  base_json_array(json, "widths");
  while (rest.data != NULL) {
    uint64_t width;
    if (!base_span_to_u64(base_span_cut(&rest, ','), &width) || width > INT32_MAX)
      return BASE_FAIL(fault, BASE_BAD_INPUT, "widths", "--widths wants whole numbers, such as 320,640,960");
    base_json_integer(json, NULL, (int64_t)width);
    make->wanted++;
  }
  base_json_array_end(json);
  const int length = snprintf(recipe, sizeof(recipe), "%s%s%s%s%s", options->format != NULL ? "fm=" : "",
                              options->format != NULL ? options->format : "",
                              options->format != NULL && options->quality != NULL ? "&" : "",
                              options->quality != NULL ? "q=" : "", options->quality != NULL ? options->quality : "");
  if ((size_t)length >= sizeof(recipe)) return BASE_FAIL(fault, BASE_BAD_INPUT, "fm", "--fm and --q are too long");
  if (length > 0) base_json_string(json, "recipe", recipe);
  return BASE_OK;
}

static void write_recipes(struct make *make, struct base_json_writer *json) {
  base_json_array(json, "recipes");
  for (size_t i = 0; i < make->options->word_count; i++) {
    if (!is_recipe(make->options->words[i])) continue;
    base_json_string(json, NULL, make->options->words[i]);
    make->wanted++;
  }
  base_json_array_end(json);
}

// The recipes, or the widths with what all of them share; not both.
static enum base_result write_body(struct make *make, struct base_fault *fault) {
  const struct options *options = make->options;
  bool has_recipes = false;
  for (size_t i = 0; i < options->word_count; i++) has_recipes |= is_recipe(options->words[i]);
  if (has_recipes && (options->widths != NULL || options->format != NULL || options->quality != NULL))
    return BASE_FAIL(fault, BASE_BAD_INPUT, "usage", "--widths, --fm and --q do not go with recipes");
  if (!has_recipes && options->widths == NULL)
    return BASE_FAIL(fault, BASE_BAD_INPUT, "usage", "there is no recipe, such as w=400, and no --widths");
  struct base_json_writer json;
  base_json_begin(&json, &make->body);
  base_json_object(&json, NULL);
  if (has_recipes) {
    write_recipes(make, &json);
  } else {
    const enum base_result result = write_widths(make, &json, fault);
    if (result != BASE_OK) return result;
  }
  base_json_object_end(&json);
  return json.result == BASE_OK ? BASE_OK : BASE_FAIL(fault, json.result, "usage", "these are too many recipes");
}

// --- what comes back ---

static void complain_of(const struct make *make, const struct base_json_value *item) {
  char about[ABOUT_BYTES];
  struct base_fault fault = {0};
  const struct base_json_value *error = base_json_get(item, "error");
  snprintf(about, sizeof(about), "%s: %s", make->id, remote_text_of(item, "recipe"));
  (void)BASE_FAIL(&fault, BASE_IO, "", "%s: %.200s", remote_text_of(error, "title"), remote_text_of(error, "detail"));
  complain_fault(about, &fault);
}

static void print_variant(const struct base_json_value *item) {
  char sides[32], size[TERMINAL_SIZE_CHARS], source[16], url[MAX_URL_BYTES];
  snprintf(sides, sizeof(sides), "%" PRId64 "x%" PRId64, remote_integer_of(item, "width"),
           remote_integer_of(item, "height"));
  printf("%11s  %9s  %-4s  %6" PRId64 " ms  %s\n", sides,
         terminal_size((uint64_t)remote_integer_of(item, "bytes"), size),
         terminal_clean(remote_text_of(item, "source"), source, sizeof(source)), remote_integer_of(item, "ms"),
         terminal_clean(remote_text_of(item, "url"), url, sizeof(url)));
}

static enum base_result take_line(struct make *make, struct base_span line, struct base_fault *fault) {
  struct base_json *json = NULL;
  const enum base_result result = base_json_parse(line, &json, fault);
  if (result != BASE_OK) return result;
  const struct base_json_value *item = base_json_root(json);
  progress_erase(&make->progress);
  if (make->options->json) printf("%.*s\n", (int)line.bytes, line.data);
  if (base_json_get(item, "done") != NULL) {
    make->has_summary = true;
  } else if (base_json_get(item, "error") != NULL) {
    make->failed++;
    complain_of(make, item);
  } else {
    make->made++;
    if (!make->options->json) print_variant(item);
  }
  fflush(stdout);
  if (!make->has_summary) progress_show(&make->progress, make->made + make->failed, make->wanted);
  base_json_destroy(&json);
  return BASE_OK;
}

static enum base_result receive(void *self, struct base_span bytes, struct base_fault *fault) {
  struct make *make = self;
  enum base_result result = BASE_OK;
  while (bytes.bytes > 0 && result == BASE_OK) {
    const bool is_whole = memchr(bytes.data, '\n', bytes.bytes) != NULL;
    const struct base_span part = base_span_cut(&bytes, '\n');
    result = base_buffer_append(&make->line, part.data, part.bytes);
    if (result != BASE_OK) return BASE_FAIL(fault, result, "", "the box sent a line that is too long");
    if (!is_whole) break;
    result = take_line(make, base_buffer_span(&make->line), fault);
    base_buffer_consume(&make->line, make->line.bytes);
  }
  return result;
}

// --- one original ---

// Sends until there is an answer that trying again would not change. `response` is finished by the caller.
static enum base_result ask(struct make *make, struct client_response *response, struct base_fault *fault) {
  char path[PATH_BYTES];
  snprintf(path, sizeof(path), "/api/v1/originals/%s/variants", make->id);
  const struct client_request request = {.method = "POST",
                                         .path = path,
                                         .bearer = make->remote.token,
                                         .content_type = "application/json",
                                         .body = base_buffer_span(&make->body),
                                         .body_fd = -1,
                                         .receive = receive,
                                         .self = make};
  for (int retry = 0;; retry++) {
    const enum base_result result = client_send(make->remote.client, &request, response, fault);
    if (result != BASE_OK || response->status != 503 || retry == MAX_RETRIES) return result;
    progress_erase(&make->progress);
    fprintf(stderr, "pixpop: %s: the box is busy; trying again (%d of %d)\n", make->id, retry + 1, MAX_RETRIES);
    client_response_finish(response);
    remote_pause_before(retry);
  }
}

static int make_original(struct make *make, const char *id) {
  struct base_fault fault = {0};
  struct client_response response = {0};
  make->id = id;
  make->made = make->failed = 0;
  make->has_summary = false;
  base_buffer_init(&make->line, MAX_LINE_BYTES);
  progress_begin(&make->progress, id);
  make->progress.unit = "variants";
  progress_show(&make->progress, 0, make->wanted);
  enum base_result result = ask(make, &response, &fault);
  if (result == BASE_OK && response.status / 100 == 2 && !make->has_summary)
    result = BASE_FAIL(&fault, BASE_IO, "", "the answer ends too early");
  int status = EXIT_FAILED;
  if (result != BASE_OK) {
    progress_erase(&make->progress);
    complain_fault(id, &fault);
    make->is_hopeless = result == BASE_FORBIDDEN;
  } else if (response.status / 100 != 2) {
    progress_erase(&make->progress);
    complain_response(id, &response);
    make->is_hopeless = response.status == 400 || response.status == 401 || response.status == 429;
  } else {
    make->progress.done = make->made;
    progress_end(&make->progress);
    status = make->failed > 0 ? EXIT_FAILED : EXIT_FINE;
  }
  client_response_finish(&response);
  base_buffer_finish(&make->line);
  return status;
}

// The ids on stdin, each the first word of its line, so that the output of put and ls will do.
static int make_from_stdin(struct make *make) {
  char *line = NULL;
  size_t capacity = 0;
  int status = EXIT_FINE;
  while (!make->is_hopeless && getline(&line, &capacity, stdin) >= 0) {
    line[strcspn(line, " \t\r\n")] = '\0';
    if (line[0] == '\0') continue;
    if (!variant_path_is_id(line)) {
      char clean[ABOUT_BYTES];
      fprintf(stderr, "pixpop: stdin: '%s' is not an id\n", terminal_clean(line, clean, sizeof(clean)));
      status = EXIT_FAILED;
    } else if (make_original(make, line) != EXIT_FINE) {
      status = EXIT_FAILED;
    }
  }
  free(line);
  return status;
}

static int make_all(struct make *make) {
  int status = EXIT_FINE;
  for (size_t i = 0; i < make->options->word_count && !make->is_hopeless; i++) {
    const char *word = make->options->words[i];
    if (is_recipe(word)) continue;
    const int outcome = strcmp(word, "-") == 0 ? make_from_stdin(make) : make_original(make, word);
    if (outcome != EXIT_FINE) status = EXIT_FAILED;
  }
  return status;
}

static int run(const struct options *options) {
  size_t ids = 0;
  for (size_t i = 0; i < options->word_count; i++) {
    const char *word = options->words[i];
    if (is_recipe(word)) continue;
    if (strcmp(word, "-") != 0 && !variant_path_is_id(word)) return complain_usage("make", "'%s' is not an id", word);
    ids++;
  }
  if (ids == 0) return complain_usage("make", "ID is missing");
  struct make make = {.options = options};
  struct base_fault fault = {0};
  int status;
  base_buffer_init(&make.body, MAX_BODY_BYTES);
  if (write_body(&make, &fault) != BASE_OK) {
    status = complain_usage("make", "%s", fault.text);
  } else if (remote_open_console(options, &make.remote, &fault) != BASE_OK) {
    status = complain_fault(NULL, &fault);
  } else {
    status = make_all(&make);
  }
  remote_close(&make.remote);
  base_buffer_finish(&make.body);
  return status;
}

const struct command command_make = {"make", "make variants before anybody asks for them", page, "ID", 1, SIZE_MAX,
                                     run};
