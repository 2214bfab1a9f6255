#include "complain.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "terminal.h"

enum { MAX_LINE_BYTES = 1024, FINGERPRINT_CHARS = 95 };

static void say(const char *about, const char *text) {
  char clean[MAX_LINE_BYTES], clean_about[MAX_LINE_BYTES];
  fprintf(stderr, "pixpop: %s%s%s\n", about != NULL ? terminal_clean(about, clean_about, sizeof(clean_about)) : "",
          about != NULL ? ": " : "", terminal_clean(text, clean, sizeof(clean)));
}

static void explain_certificate(const char *text) {
  const char *last = strrchr(text, ' ');
  const bool has_fingerprint = last != NULL && strlen(last + 1) == FINGERPRINT_CHARS;
  fputs(
      "pixpop: compare it with the fingerprint that pixpopd prints when it starts, an appliance on its screen.\n"
      "pixpop: If they are equal, trust it with\n",
      stderr);
  fprintf(stderr, "pixpop:   --fingerprint %s\n", has_fingerprint ? last + 1 : "AB:CD:...");
  fputs("pixpop: (or PIXPOP_FINGERPRINT). If not, this is not your box.\n", stderr);
}

static void explain_token(void) { fputs("pixpop: " COMPLAIN_TOKEN_HINT "\n", stderr); }

int complain_fault(const char *about, const struct base_fault *fault) {
  say(about, fault->text[0] != '\0' ? fault->text : base_result_name(fault->result));
  if (fault->result == BASE_FORBIDDEN && strcmp(fault->subject, "certificate") == 0) explain_certificate(fault->text);
  if (fault->result == BASE_UNAUTHORIZED && strcmp(fault->subject, "token") == 0) explain_token();
  return fault->result == BASE_BAD_INPUT ? EXIT_USAGE : EXIT_FAILED;
}

int complain_response(const char *about, const struct client_response *response) {
  char line[MAX_LINE_BYTES];
  struct base_json *json = NULL;
  const struct base_json_value *problem = NULL;
  if (base_json_parse(base_buffer_span(&response->body), &json, NULL) == BASE_OK) problem = base_json_root(json);
  const char *title = base_json_as_string(base_json_get(problem, "title"));
  const char *detail = base_json_as_string(base_json_get(problem, "detail"));
  const char *subject = base_json_as_string(base_json_get(problem, "subject"));
  if (title == NULL)
    snprintf(line, sizeof(line), "the server answered with status %d", response->status);
  else
    snprintf(line, sizeof(line), "%s%s%s%s%s%s", title, detail != NULL ? ": " : "", detail != NULL ? detail : "",
             subject != NULL ? " (" : "", subject != NULL ? subject : "", subject != NULL ? ")" : "");
  say(about, line);
  if (response->status == 401) explain_token();
  base_json_destroy(&json);
  return EXIT_FAILED;
}

enum base_result complain_problem(const struct client_response *response, const char *path, enum base_result result,
                                  const char *subject, const char *token_hint, struct base_fault *fault) {
  struct base_json *json = NULL;
  const struct base_json_value *problem = NULL;
  const char *hint = response->status == 401 ? token_hint : "";
  if (base_json_parse(base_buffer_span(&response->body), &json, NULL) == BASE_OK) problem = base_json_root(json);
  const char *title = base_json_as_string(base_json_get(problem, "title"));
  const char *detail = base_json_as_string(base_json_get(problem, "detail"));
  if (title != NULL)
    result = BASE_FAIL(fault, result, subject, "%.100s%s%.180s%s", title, detail != NULL ? ": " : "",
                       detail != NULL ? detail : "", hint);
  else
    result = BASE_FAIL(fault, result, subject, "the box answered %d for %.180s%s", response->status, path, hint);
  base_json_destroy(&json);
  return result;
}

int complain_usage(const char *command, const char *format, ...) {
  char text[MAX_LINE_BYTES];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  say(command, text);
  fprintf(stderr, "pixpop: see pixpop %s%s--help\n", command != NULL ? command : "", command != NULL ? " " : "");
  return EXIT_USAGE;
}
