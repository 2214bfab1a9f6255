// pixpop-probe: looks at a running box for pixpop-system, which is root's and keeps away from networks and drivers.
#include <stdio.h>
#include <string.h>

#include "probe.h"

enum { STATUS_FINE, STATUS_FAILED, STATUS_USAGE, STATUS_NOT_YET };

static const char help[] =
    "pixpop-probe - one look at whether this box does its work\n"
    "\n"
    "Usage: pixpop-probe variant           make a small picture from a larger one and check its pixels\n"
    "       pixpop-probe answer URL [CA]   URL has to answer 200, and not that it is still starting; CA: for\n"
    "                                      https, the server's own certificate (PEM) or one that signed it\n"
    "\n"
    "pixpop-system starts it every few seconds. Prints one line. Exit status: 0 all is well, 1 it is not,\n"
    "2 wrong usage, 3 it answers that it is still starting\n";

static int tell(enum base_result result, const char *line, const struct base_fault *fault) {
  puts(result == BASE_OK ? line : fault->text);
  return result == BASE_OK ? STATUS_FINE : STATUS_FAILED;
}

static int answer(const char *url, const char *ca) {
  struct base_fault fault = {0};
  bool is_starting;
  const enum base_result result = probe_answer(url, ca, &is_starting, &fault);
  if (!is_starting) return tell(result, "answered", &fault);
  printf("%.100s is still starting\n", url);
  return STATUS_NOT_YET;
}

int main(int argc, char **argv) {
  struct base_fault fault = {0};
  char line[PROBE_LINE_BYTES] = "";
  const char *word = argc > 1 ? argv[1] : "";
  if (strcmp(word, "variant") == 0 && argc == 2) {
    const enum base_result result = probe_variant(line, &fault);
    return tell(result, line, &fault);
  }
  if (strcmp(word, "answer") == 0 && (argc == 3 || argc == 4)) return answer(argv[2], argc == 4 ? argv[3] : NULL);
  if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) return fputs(help, stdout), STATUS_FINE;
  if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
    return puts("pixpop-probe " PIXPOP_VERSION), STATUS_FINE;
  fputs("pixpop-probe: this is not understood; see pixpop-probe --help\n", stderr);
  return STATUS_USAGE;
}
