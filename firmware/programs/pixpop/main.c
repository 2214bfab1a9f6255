// pixpop: the command line of the box.

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "complain.h"

static const struct command *const commands[] = {
    &command_put,     &command_uploads, &command_show,    &command_ls,       &command_rm,          &command_purge,
    &command_make,    &command_prewarm, &command_get,     &command_url,      &command_status,      &command_device,
    &command_reindex, &command_sync,    &command_verify,  &command_bundle,   &command_update,      &command_slots,
    &command_claim,   &command_backup,  &command_restore, &command_settings, &command_certificate, &command_support};
enum { COMMAND_COUNT = sizeof(commands) / sizeof(*commands) };

static const char usage[] =
    "pixpop - uploads pictures to a pixpop box, fetches variants of them, and looks after the box\n"
    "\n"
    "Usage: pixpop [OPTIONS] COMMAND [WORDS]\n"
    "       pixpop COMMAND --help\n"
    "\n"
    "Commands:\n";

static const char general[] =
    "\n"
    "Options:\n"
    "      --console URL        where the box takes uploads (PIXPOP_CONSOLE; https://127.0.0.1:8443)\n"
    "      --delivery URL       where it delivers pictures (PIXPOP_DELIVERY; http://127.0.0.1:8080)\n"
    "      --token-file FILE    the file holds the token that pixpopd printed at its first start\n"
    "      --token TOKEN        the token itself (PIXPOP_TOKEN); other users of this machine can see it\n"
    "      --fingerprint AB:..  trust exactly the console certificate with this SHA-256 (PIXPOP_FINGERPRINT)\n"
    "      --ca FILE            trust the certificates in this PEM file instead of the system's\n"
    "  -V, --version            print the version and exit\n"
    "  -h, --help               print this, or a command's page, and exit\n"
    "\n"
    "Exit status:\n"
    "  0  done    1  failed    2  wrong usage    (verify has its own: see its page)\n"
    "\n"
    "A first walk:\n"
    "  pixpop --token-file token --fingerprint AB:CD:... put photo.jpg\n"
    "  pixpop get ID w=400 fm=webp -o small.webp\n";

static void print_usage(FILE *out) {
  fputs(usage, out);
  for (size_t i = 0; i < COMMAND_COUNT; i++) fprintf(out, "  %-11s %s\n", commands[i]->name, commands[i]->summary);
  fputs(general, out);
}

static const struct command *find(const char *name) {
  for (size_t i = 0; i < COMMAND_COUNT; i++) {
    if (strcmp(commands[i]->name, name) == 0) return commands[i];
  }
  return NULL;
}

// The 2 of verify says that something is wrong with what is stored.
static int usage_exit(const struct command *command) { return command == &command_verify ? EXIT_FAILED : EXIT_USAGE; }

static int run(const struct options *options) {
  if (options->wants_version) return puts("pixpop " PIXPOP_VERSION), EXIT_FINE;
  if (options->command == NULL) {
    print_usage(options->wants_help ? stdout : stderr);
    return options->wants_help ? EXIT_FINE : EXIT_USAGE;
  }
  const struct command *command = find(options->command);
  if (command == NULL) return complain_usage(NULL, "there is no command '%s'", options->command);
  if (options->wants_help) return fputs(command->page, stdout), EXIT_FINE;
  if (options->word_count < command->min_words)
    return complain_usage(command->name, "%s is missing", command->operand), usage_exit(command);
  if (options->word_count > command->max_words)
    return complain_usage(command->name, "'%s' is too much", options->words[command->max_words]), usage_exit(command);
  return command->run(options);
}

// Of a line that could not be read to its end: the first word that names a command.
static const struct command *guess(int argc, char **argv) {
  const struct command *command = NULL;
  for (int i = 1; i < argc && command == NULL; i++) command = find(argv[i]);
  return command;
}

int main(int argc, char **argv) {
  struct options options;
  struct base_fault fault = {0};
  signal(SIGPIPE, SIG_IGN);
  if (options_parse(argc, argv, &options, &fault) != BASE_OK)
    return complain_usage(NULL, "%s", fault.text), usage_exit(guess(argc, argv));
  int status = run(&options);
  // A full disk or a closed pipe behind stdout must not look like success.
  if ((fflush(stdout) != 0 || ferror(stdout)) && status == EXIT_FINE) {
    fputs("pixpop: the output could not be written\n", stderr);
    status = EXIT_FAILED;
  }
  return status;
}
