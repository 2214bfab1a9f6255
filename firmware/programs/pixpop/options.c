#include "options.h"

#include <stdlib.h>
#include <string.h>

#include "base/span.h"

struct option {
  const char *name, *letter;
  size_t offset;  // of its field in struct options
  bool is_switch;
  const char *commands;  // the only ones that take it, with spaces between; NULL: all
};

#define FIELD(field) offsetof(struct options, field)

static const struct option known[] = {
    {"--console", NULL, FIELD(console_url), false, NULL},
    {"--delivery", NULL, FIELD(delivery_url), false, NULL},
    {"--token", NULL, FIELD(token), false, NULL},
    {"--token-file", NULL, FIELD(token_file), false, NULL},
    {"--ca", NULL, FIELD(ca_file), false, NULL},
    {"--fingerprint", NULL, FIELD(fingerprint), false, NULL},
    {"--output", "-o", FIELD(output), false, "get claim"},
    {"--data", "-d", FIELD(data_folder), false, "reindex"},
    {"--widths", NULL, FIELD(widths), false, "make"},
    {"--fm", NULL, FIELD(format), false, "make"},
    {"--q", NULL, FIELD(quality), false, "make"},
    {"--chunk", NULL, FIELD(chunk), false, "put"},
    {"--parallel", NULL, FIELD(parallel), false, "put"},
    {"--recipe", NULL, FIELD(recipe), false, "purge"},
    {"--tag", NULL, FIELD(tag), false, "purge prewarm"},
    {"--no-resume", NULL, FIELD(no_resume), true, "put"},
    {"--multipart", NULL, FIELD(multipart), true, "put"},
    {"--quiet", NULL, FIELD(quiet), true, "put sync backup restore support"},
    {"--rm", NULL, FIELD(remove), true, "uploads"},
    {"--remove", NULL, FIELD(remove), true, "certificate"},
    {"--delete", NULL, FIELD(remove), true, "sync"},
    {"--dry-run", NULL, FIELD(dry_run), true, "sync"},
    {"--json", NULL, FIELD(json), true,
     "put uploads show ls status device make prewarm sync bundle slots restore certificate"},
    {"--sign", NULL, FIELD(sign), true, "url"},
    {"--expires", NULL, FIELD(expires), false, "url"},
    {"--key", NULL, FIELD(key), false, "url"},
    {"--salt", NULL, FIELD(salt), false, "url"},
    {"--iiif", NULL, FIELD(iiif), true, "url"},
    {"--imgproxy", NULL, FIELD(imgproxy), true, "url"},
    {"--offline", NULL, FIELD(offline), false, "verify"},
    {"--vkey", NULL, FIELD(vkey), false, "verify sync"},
    {"--no-ledger", NULL, FIELD(no_ledger), true, "sync"},
    {"--state", NULL, FIELD(state), false, "verify"},
    {"--socket", NULL, FIELD(socket), false, "update slots"},
    {"--keep-settings", NULL, FIELD(keep_settings), true, "restore"},
    {"--network", NULL, FIELD(network), true, "restore"},
    {"--set", NULL, FIELD(set_file), false, "settings certificate"},
    {"--older", NULL, FIELD(older), true, "update"},
    {"--reboot", NULL, FIELD(reboot), true, "update"},
    {"--help", "-h", FIELD(wants_help), true, NULL},
    {"--version", "-V", FIELD(wants_version), true, NULL},
};
enum { KNOWN_COUNT = sizeof(known) / sizeof(*known), ID_CHARS = 43 };

static const struct option *find(struct base_span name) {
  for (size_t i = 0; i < KNOWN_COUNT; i++) {
    if (base_span_is(name, known[i].name) || (known[i].letter != NULL && base_span_is(name, known[i].letter)))
      return &known[i];
  }
  return NULL;
}

// Takes the option at argv[*at] with its value and moves *at to the last word used.
static enum base_result take(int argc, char **argv, int *at, struct options *out, bool seen[KNOWN_COUNT],
                             struct base_fault *fault) {
  const char *word = argv[*at];
  const char *equals = strncmp(word, "--", 2) == 0 ? strchr(word, '=') : NULL;
  const struct option *option = find(base_span_of(word, equals != NULL ? (size_t)(equals - word) : strlen(word)));
  if (option == NULL) return BASE_FAIL(fault, BASE_BAD_INPUT, "usage", "'%s' is not an option", word);
  void *field = (char *)out + option->offset;
  seen[option - known] = true;
  if (option->is_switch) {
    if (equals != NULL) return BASE_FAIL(fault, BASE_BAD_INPUT, "usage", "%s takes no value", option->name);
    *(bool *)field = true;
    return BASE_OK;
  }
  if (equals == NULL && *at + 1 == argc)
    return BASE_FAIL(fault, BASE_BAD_INPUT, "usage", "%s wants a value", option->name);
  *(const char **)field = equals != NULL ? equals + 1 : argv[++*at];
  return BASE_OK;
}

static bool takes(const char *commands, const char *command) {
  struct base_span rest = base_span_text(commands);
  while (rest.data != NULL) {
    if (base_span_is(base_span_cut(&rest, ' '), command)) return true;
  }
  return false;
}

static enum base_result check_use(const struct options *options, const bool seen[KNOWN_COUNT],
                                  struct base_fault *fault) {
  for (size_t i = 0; i < KNOWN_COUNT; i++) {
    const struct option *option = &known[i];
    if (!seen[i] || option->commands == NULL || options->command == NULL) continue;
    if (takes(option->commands, options->command)) continue;
    return BASE_FAIL(fault, BASE_BAD_INPUT, "usage", "'%s' takes no %s", options->command, option->name);
  }
  return BASE_OK;
}

static void read_environment(struct options *out) {
  static const struct {
    const char *name;
    size_t offset;
  } variables[] = {{"PIXPOP_CONSOLE", FIELD(console_url)},
                   {"PIXPOP_DELIVERY", FIELD(delivery_url)},
                   {"PIXPOP_TOKEN", FIELD(token)},
                   {"PIXPOP_FINGERPRINT", FIELD(fingerprint)}};
  for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++) {
    const char *value = getenv(variables[i].name);
    if (value != NULL && value[0] != '\0') *(const char **)((char *)out + variables[i].offset) = value;
  }
}

// One in 64 ids of originals and uploads begins with a '-': 43 characters of base64url, as no option has them.
static bool is_id(const char *word) {
  static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return strlen(word) == ID_CHARS && strspn(word, plain) == ID_CHARS;
}

enum base_result options_parse(int argc, char **argv, struct options *out, struct base_fault *fault) {
  static const char default_console[] = "https://127.0.0.1:8443";
  *out = (struct options){.console_url = default_console, .delivery_url = "http://127.0.0.1:8080"};
  read_environment(out);
  const char *environment_token = out->token;
  bool seen[KNOWN_COUNT] = {false};
  bool are_options_over = false;
  int words = 1;  // where the next word that is no option goes; never ahead of what has been read
  for (int i = 1; i < argc; i++) {
    const char *word = argv[i];
    if (!are_options_over && strcmp(word, "--") == 0) {
      are_options_over = true;
    } else if (!are_options_over && word[0] == '-' && word[1] != '\0' && !is_id(word)) {
      const enum base_result result = take(argc, argv, &i, out, seen, fault);
      if (result != BASE_OK) return result;
    } else {
      argv[words++] = argv[i];
    }
  }
  if (words > 1) {
    out->command = argv[1];
    out->words = argv + 2;
    out->word_count = (size_t)(words - 2);
  }
  if (out->token_file != NULL && out->token == environment_token) out->token = NULL;  // what was typed goes first
  out->is_console_named = out->console_url != default_console;
  return check_use(out, seen, fault);
}
