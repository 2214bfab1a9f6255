#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "command.h"
#include "complain.h"
#include "progress.h"
#include "remote.h"
#include "terminal.h"

enum { MAX_BODY_BYTES = 64 * 1024, MAX_RECIPE_BYTES = 256, LOOK_AGAIN_MS = 250 };

static const char path[] = "/api/v1/prewarm", run_path[] = "/api/v1/prewarm/run";

static const char page[] =
    "pixpop prewarm - what is made of every new original before anybody asks\n"
    "\n"
    "Usage: pixpop [OPTIONS] prewarm [list] [--json]\n"
    "       pixpop [OPTIONS] prewarm add RECIPE...\n"
    "       pixpop [OPTIONS] prewarm rm RECIPE...\n"
    "       pixpop [OPTIONS] prewarm set FILE\n"
    "       pixpop [OPTIONS] prewarm run [--tag TAG]\n"
    "\n"
    "The box has a list of at most 64 recipes. After each upload it makes them in the background, when it has nothing\n"
    "else to do; they live in its cache like all variants.\n"
    "\n"
    "  list                     print the list, one recipe a line (set reads that), and what is under way\n"
    "  add, rm                  change it; originals that are there already stay as they are\n"
    "  set FILE                 replace it by the lines of FILE (-: stdin); empty lines and those with # are skipped\n"
    "  run                      make the list for all originals now, and show how far that is; an interrupt ends the\n"
    "                           watching, not the run\n"
    "\n"
    "A RECIPE is one word, written as in a URL: w=400 or 'w=800&h=600&fit=cover&fm=jpeg'. Without fm it is WebP.\n"
    "\n"
    "Options:\n"
    "      --tag TAG            run: only for originals that carry this tag\n"
    "      --json               list: print what the box sends\n"
    "\n"
    "Examples:\n"
    "  pixpop prewarm add 'w=320&fm=webp' 'w=640&fm=webp'\n"
    "  pixpop prewarm run --tag summer\n"
    "\n"
    "Exit status: 0 done, 1 failed or some could not be made, 2 wrong usage\n";

// --- list ---

static void print_list(const struct base_json_value *root) {
  const struct base_json_value *recipes = base_json_get(root, "recipes"), *run = base_json_get(root, "run");
  const size_t count = base_json_length(recipes);
  char recipe[MAX_RECIPE_BYTES];
  for (size_t i = 0; i < count; i++) {
    const char *text = base_json_as_string(base_json_at(recipes, i));
    puts(terminal_clean(text != NULL ? text : "-", recipe, sizeof(recipe)));
  }
  if (count == 0) fputs("the list is empty: nothing is prewarmed\n", stderr);
  const int64_t queued = remote_integer_of(root, "queued");
  if (queued > 0) fprintf(stderr, "%" PRId64 " new originals wait\n", queued);
  if (base_json_is_true(base_json_get(run, "is_running"))) {
    fprintf(stderr, "a run is under way: %" PRId64 " of %" PRId64 " originals\n", remote_integer_of(run, "done"),
            remote_integer_of(run, "originals"));
  }
}

// --- changes ---

struct change {
  struct base_buffer body;
  struct base_json_writer json;
};

static void change_begin(struct change *change) {
  base_buffer_init(&change->body, MAX_BODY_BYTES);
  base_json_begin(&change->json, &change->body);
  base_json_object(&change->json, NULL);
  base_json_array(&change->json, "recipes");
}

static int change_send(struct remote *remote, struct change *change) {
  struct client_response response = {0};
  struct base_json *json = NULL;
  base_json_array_end(&change->json);
  base_json_object_end(&change->json);
  if (change->json.result != BASE_OK) return complain_usage("prewarm", "these are too many recipes");
  int status = remote_tell(remote, "PUT", path, base_buffer_span(&change->body), NULL, &response);
  if (status == EXIT_FINE) status = remote_parse(&response, &json);
  if (status == EXIT_FINE) print_list(base_json_root(json));
  base_json_destroy(&json);
  client_response_finish(&response);
  return status;
}

static bool is_among(const char *text, const struct options *options) {
  for (size_t i = 1; i < options->word_count; i++) {
    if (strcmp(options->words[i], text) == 0) return true;
  }
  return false;
}

static bool is_in_list(const struct base_json_value *recipes, const char *text) {
  for (size_t i = 0; i < base_json_length(recipes); i++) {
    const char *listed = base_json_as_string(base_json_at(recipes, i));
    if (listed != NULL && strcmp(listed, text) == 0) return true;
  }
  return false;
}

// The list as it is, with the words of the command added or without them.
static int edit(struct remote *remote, const struct options *options, bool is_added) {
  struct client_response response = {0};
  struct base_json *json = NULL;
  struct change change;
  int status = remote_ask_json(remote, path, &response, &json);
  const struct base_json_value *recipes = base_json_get(base_json_root(json), "recipes");
  change_begin(&change);
  for (size_t i = 0; i < base_json_length(recipes); i++) {
    const char *text = base_json_as_string(base_json_at(recipes, i));
    if (text != NULL && (is_added || !is_among(text, options))) base_json_string(&change.json, NULL, text);
  }
  for (size_t i = 1; i < options->word_count && status == EXIT_FINE; i++) {
    const bool is_known = is_in_list(recipes, options->words[i]);
    if (is_added && !is_known) base_json_string(&change.json, NULL, options->words[i]);
    if (!is_added && !is_known) {
      char clean[MAX_RECIPE_BYTES];
      fprintf(stderr, "pixpop: '%s' is not in the list\n", terminal_clean(options->words[i], clean, sizeof(clean)));
      status = EXIT_FAILED;
    }
  }
  if (status == EXIT_FINE) status = change_send(remote, &change);
  base_buffer_finish(&change.body);
  base_json_destroy(&json);
  client_response_finish(&response);
  return status;
}

static enum base_result read_stdin(struct base_buffer *out, struct base_fault *fault) {
  char chunk[4096];
  size_t got;
  base_buffer_init(out, MAX_BODY_BYTES);
  while ((got = fread(chunk, 1, sizeof(chunk), stdin)) > 0) {
    const enum base_result result = base_buffer_append(out, chunk, got);
    if (result != BASE_OK) return BASE_FAIL(fault, result, "", "the list is too long");
  }
  return ferror(stdin) ? BASE_FAIL(fault, BASE_IO, "", "it can not be read") : BASE_OK;
}

static int replace(struct remote *remote, const char *file) {
  struct base_fault fault = {0};
  struct base_buffer text;
  struct change change;
  const bool is_stdin = strcmp(file, "-") == 0;
  if ((is_stdin ? read_stdin(&text, &fault) : base_file_read(file, MAX_BODY_BYTES, &text, &fault)) != BASE_OK) {
    base_buffer_finish(&text);
    return complain_fault(is_stdin ? "stdin" : file, &fault);
  }
  struct base_span rest = base_buffer_span(&text);
  change_begin(&change);
  while (rest.bytes > 0) {
    struct base_span line = base_span_cut(&rest, '\n');
    if (line.bytes > 0 && line.data[line.bytes - 1] == '\r') line.bytes--;
    line = base_span_trim(line);
    if (line.bytes > 0 && line.data[0] != '#') base_json_text(&change.json, NULL, line);
  }
  const int status = change_send(remote, &change);
  base_buffer_finish(&change.body);
  base_buffer_finish(&text);
  return status;
}

// --- run ---

static void look_again_later(void) {
  const struct timespec pause = {.tv_nsec = LOOK_AGAIN_MS * 1000000L};
  nanosleep(&pause, NULL);
}

static int sum_up(const struct base_json_value *run) {
  const int64_t failed = remote_integer_of(run, "failed");
  printf("%" PRId64 " originals: %" PRId64 " variants made, %" PRId64 " were there", remote_integer_of(run, "done"),
         remote_integer_of(run, "made"), remote_integer_of(run, "present"));
  if (failed > 0) printf(", %" PRId64 " could not be made", failed);
  putchar('\n');
  return failed > 0 ? EXIT_FAILED : EXIT_FINE;
}

// Until the run that was begun has ended.
static int watch(struct remote *remote) {
  struct progress progress;
  int status = EXIT_FINE;
  progress_begin(&progress, "prewarm");
  progress.unit = "originals";
  for (bool is_running = true; is_running && status == EXIT_FINE;) {
    struct client_response response = {0};
    struct base_json *json = NULL;
    status = remote_ask_json(remote, path, &response, &json);
    if (status == EXIT_FINE) {
      const struct base_json_value *run = base_json_get(base_json_root(json), "run");
      is_running = base_json_is_true(base_json_get(run, "is_running"));
      progress_show(&progress, (uint64_t)remote_integer_of(run, "done"), (uint64_t)remote_integer_of(run, "originals"));
      if (!is_running) {
        progress_erase(&progress);
        status = sum_up(run);
      }
    }
    base_json_destroy(&json);
    client_response_finish(&response);
    if (is_running && status == EXIT_FINE) look_again_later();
  }
  progress_erase(&progress);
  return status;
}

static int begin_run(struct remote *remote, const struct options *options) {
  struct client_response response = {0};
  struct base_buffer body;
  struct base_json_writer json;
  base_buffer_init(&body, MAX_BODY_BYTES);
  base_json_begin(&json, &body);
  base_json_object(&json, NULL);
  if (options->tag != NULL) base_json_string(&json, "tag", options->tag);
  base_json_object_end(&json);
  int status = json.result == BASE_OK ? EXIT_FINE : complain_usage("prewarm", "the tag is too long");
  if (status == EXIT_FINE) status = remote_tell(remote, "POST", run_path, base_buffer_span(&body), NULL, &response);
  base_buffer_finish(&body);
  client_response_finish(&response);
  return status == EXIT_FINE ? watch(remote) : status;
}

// --- the command ---

enum action { LIST, ADD, REMOVE, SET, RUN, ACTION_COUNT };

static enum action find_action(const char *word) {
  static const char *const words[] = {[LIST] = "list", [ADD] = "add", [REMOVE] = "rm", [SET] = "set", [RUN] = "run"};
  enum action action = LIST;
  while (action < ACTION_COUNT && strcmp(words[action], word) != 0) action++;
  return action;
}

static int check_words(const struct options *options, enum action action) {
  const size_t operands = options->word_count > 0 ? options->word_count - 1 : 0;
  if (action == ACTION_COUNT) return complain_usage("prewarm", "there is no '%s' here", options->words[0]);
  if ((action == ADD || action == REMOVE) && operands == 0) return complain_usage("prewarm", "RECIPE is missing");
  if (action == SET && operands == 0) return complain_usage("prewarm", "FILE is missing");
  if ((action == SET && operands > 1) || ((action == LIST || action == RUN) && operands > 0))
    return complain_usage("prewarm", "'%s' is one word too many", options->words[action == SET ? 2 : 1]);
  if (options->tag != NULL && action != RUN) return complain_usage("prewarm", "only run takes --tag");
  if (options->json && action != LIST) return complain_usage("prewarm", "only list takes --json");
  return EXIT_FINE;
}

static int act(struct remote *remote, const struct options *options, enum action action) {
  switch (action) {
    case ADD:
      return edit(remote, options, true);
    case REMOVE:
      return edit(remote, options, false);
    case SET:
      return replace(remote, options->words[1]);
    default:
      return begin_run(remote, options);
  }
}

static int run(const struct options *options) {
  const enum action action = options->word_count > 0 ? find_action(options->words[0]) : LIST;
  int status = check_words(options, action);
  if (status != EXIT_FINE) return status;
  if (action == LIST) return remote_show(options, path, print_list);
  struct remote remote;
  struct base_fault fault = {0};
  if (remote_open_console(options, &remote, &fault) == BASE_OK) {
    status = act(&remote, options, action);
  } else {
    status = complain_fault(NULL, &fault);
  }
  remote_close(&remote);
  return status;
}

const struct command command_prewarm = {
    "prewarm", "what is made of every new original before anybody asks", page, NULL, 0, SIZE_MAX, run};
