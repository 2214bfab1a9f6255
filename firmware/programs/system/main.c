// pixpop-system: the one program of an appliance that may change its system (update/agent.h).
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "actions.h"
#include "agent.h"
#include "base/file.h"
#include "health.h"

enum { STATUS_FINE, STATUS_FAILED, STATUS_USAGE };

// The threads' masks come from here: signals are read from a descriptor, by one of them.
static int block_signals(void) {
  sigset_t ends;
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, NULL);
  return signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
}

static enum base_result serve(struct system *system, int signal_fd, struct base_fault *fault) {
  pthread_t health;
  int listener;
  const enum base_result result = agent_listen(system, &listener, fault);
  if (result != BASE_OK) return result;
  if (pthread_create(&health, NULL, health_run, system) != 0) {
    base_fd_close(&listener);
    return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no thread to look after the health");
  }
  base_log_write(system->log, BASE_LOG_INFO, "agent", NULL, "%s %s runs from slot %s%s; listening at %s",
                 system->board.name, system->board.version, slots_name(system->running),
                 system->is_trial ? ", on trial" : "", system->arguments->socket);
  agent_run(system, listener, signal_fd);
  base_fd_close(&listener);
  unlink(system->arguments->socket);
  actions_wait(system);
  pthread_join(health, NULL);
  base_log_write(system->log, BASE_LOG_INFO, "agent", NULL, "stopped");
  return BASE_OK;
}

static int run(const struct arguments *arguments) {
  static struct system system;
  struct base_fault fault = {0};
  int signal_fd = block_signals();
  struct base_log *log = base_log_create(NULL);
  if (log == NULL || signal_fd < 0) return perror("pixpop-system"), STATUS_FAILED;
  enum base_result result = system_init(&system, arguments, log, &fault);
  if (result == BASE_OK) result = serve(&system, signal_fd, &fault);
  system_finish(&system);
  base_log_destroy(&log);
  base_fd_close(&signal_fd);
  if (result == BASE_OK) return STATUS_FINE;
  // The subject of some is the file.
  const bool is_of_file = fault.subject[0] == '/';
  fprintf(stderr, "pixpop-system: %s%s%s\n", is_of_file ? fault.subject : "", is_of_file ? ": " : "", fault.text);
  return STATUS_FAILED;
}

int main(int argc, char **argv) {
  struct arguments arguments;
  struct base_fault fault = {0};
  if (arguments_parse(argc, argv, &arguments, &fault) != BASE_OK)
    return fprintf(stderr, "pixpop-system: %s\n", fault.text), STATUS_USAGE;
  if (arguments.wants_help) return arguments_print_help(), STATUS_FINE;
  if (arguments.wants_version) return puts("pixpop-system " PIXPOP_VERSION), STATUS_FINE;
  return run(&arguments);
}
