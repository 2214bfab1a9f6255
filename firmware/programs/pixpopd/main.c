// pixpopd: the daemon of the box.

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "arguments.h"
#include "base/file.h"
#include "box.h"
#include "gpu/gpu.h"
#include "restart.h"

enum { WATCH_S = 60 * 60 };
enum { EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_DEVICE = 3, EXIT_IN_USE = 4 };

static int exit_status_of(enum base_result result) {
  switch (result) {
    case BASE_OK:
      return 0;
    case BASE_BAD_INPUT:
      return EXIT_USAGE;
    case BASE_DEVICE:
      return EXIT_DEVICE;
    case BASE_CONFLICT:
      return EXIT_IN_USE;
    default:
      return EXIT_FAILED;
  }
}

static int complain(const struct base_fault *fault) {
  fprintf(stderr, "pixpopd: %s%s%s\n", fault->subject, fault->subject[0] ? ": " : "", fault->text);
  return exit_status_of(fault->result);
}

// Prints a buffer filled by `result`'s producer.
static int print_buffer(enum base_result result, struct base_buffer *text, const struct base_fault *fault) {
  if (result == BASE_OK) result = base_fd_write_all(STDOUT_FILENO, base_buffer_span(text), NULL);
  base_buffer_finish(text);
  return result == BASE_OK ? 0 : fault->text[0] ? complain(fault) : EXIT_FAILED;
}

// Blocked before any thread starts, so that only sigwaitinfo sees them.
static void block_signals(sigset_t *signals) {
  sigemptyset(signals);
  sigaddset(signals, SIGTERM);
  sigaddset(signals, SIGINT);
  sigaddset(signals, SIGHUP);
  sigaddset(signals, SIGUSR2);
  sigaddset(signals, BOX_FAILED);
  pthread_sigmask(SIG_BLOCK, signals, NULL);
  signal(SIGPIPE, SIG_IGN);
}

// The settings may have changed since the start, and SIGHUP has brought some of that into the box that was stopped. The
// old ones stay where the new ones can not be read.
static void load_settings_again(const struct arguments *arguments, struct settings *settings) {
  struct base_fault fault = {0};
  struct settings *now = malloc(sizeof *now);
  if (now == NULL) return;
  if (arguments_load_settings(arguments, now, &fault) == BASE_OK) {
    *settings = *now;
  } else {
    (void)complain(&fault);
  }
  free(now);
}

// SIGUSR2. Returns when the restart did not come to pass; the box runs then, unless even that failed (*box is NULL).
static enum base_result restart(const struct restart *restart, const struct arguments *arguments,
                                struct settings *settings, struct box **box, struct base_fault *fault) {
  static struct delivery_handover handover;
  struct base_fault why = {0};
  enum base_result result = restart_rehearse(restart, &why);
  if (result == BASE_OK) result = box_hand_over(*box, &handover, &why);
  if (result != BASE_OK) {
    (void)complain(&why);
    return BASE_OK;
  }
  box_stop(box);
  restart_exec(restart, &handover, &why);
  (void)complain(&why);
  load_settings_again(arguments, settings);
  return box_start(settings, arguments, &handover, box, fault);
}

static int run(const struct arguments *arguments, char **argv) {
  static struct settings settings;
  static struct delivery_handover handover;
  static struct restart again;
  struct base_fault fault = {0};
  enum base_result result = arguments_load_settings(arguments, &settings, &fault);
  if (result != BASE_OK) {
    (void)complain(&fault);
    return EXIT_USAGE;
  }
  if (arguments->action == ARGUMENTS_CHECK_CONFIG) {
    puts("the configuration is right");
    return 0;
  }
  if (arguments->action == ARGUMENTS_NEW_LEDGER) {
    return box_renew_ledger(&settings, &fault) == BASE_OK ? 0 : complain(&fault);
  }
  sigset_t signals;
  block_signals(&signals);
  struct box *box = NULL;
  const bool has_handover = restart_take_handover(&handover);
  result = restart_init(&again, argv, &fault);
  if (result == BASE_OK) result = box_start(&settings, arguments, has_handover ? &handover : NULL, &box, &fault);
  while (result == BASE_OK) {
    int number = sigtimedwait(&signals, NULL, &(struct timespec){.tv_sec = WATCH_S});
    if (number < 0) box_watch(box);
    if (number == SIGHUP) box_reload(box, arguments);
    if (number == BOX_FAILED) result = box_check(box, &fault);  // it may come from a box before this one
    if (number == SIGUSR2) result = restart(&again, arguments, &settings, &box, &fault);
    if (number == SIGTERM || number == SIGINT) break;
  }
  box_stop(&box);
  return result == BASE_OK ? 0 : complain(&fault);
}

int main(int argc, char **argv) {
  static struct arguments arguments;
  struct base_fault fault = {0};
  struct base_buffer text;
  if (arguments_parse(argc, argv, &arguments, &fault) != BASE_OK) return complain(&fault);
  base_buffer_init(&text, 1 << 20);
  switch (arguments.action) {
    case ARGUMENTS_HELP:
      arguments_print_help();
      return 0;
    case ARGUMENTS_VERSION:
      puts("pixpopd " PIXPOP_VERSION);
      return 0;
    case ARGUMENTS_PRINT_CONFIG:
      return print_buffer(settings_print_reference(&text), &text, &fault);
    case ARGUMENTS_LIST_DEVICES:
      return print_buffer(gpu_list_devices(&text, &fault), &text, &fault);
    case ARGUMENTS_CHECK_CONFIG:
    case ARGUMENTS_NEW_LEDGER:
    case ARGUMENTS_RUN:
      break;
  }
  return run(&arguments, argv);
}
