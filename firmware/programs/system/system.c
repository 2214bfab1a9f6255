#include "system.h"

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/file.h"
#include "run.h"
#include "running.h"

enum { POWER_TIMEOUT_MS = 30000, PASSWD_BYTES = 4096 };

static enum base_result load(void *self, struct slots_state *out, struct base_fault *fault) {
  struct system *system = self;
  pthread_mutex_lock(&system->slots_lock);
  const enum base_result result = system->bare.load(system->bare.self, out, fault);
  pthread_mutex_unlock(&system->slots_lock);
  return result;
}

static enum base_result store(void *self, const struct slots_state *state, struct base_fault *fault) {
  struct system *system = self;
  pthread_mutex_lock(&system->slots_lock);
  const enum base_result result = system->bare.store(system->bare.self, state, fault);
  pthread_mutex_unlock(&system->slots_lock);
  return result;
}

// Root needs one: what meets networks and drivers runs as that user.
static enum base_result find_user(struct system *system, struct base_fault *fault) {
  struct passwd entry, *user = NULL;
  char text[PASSWD_BYTES];
  const char *name = system->arguments->user;
  system->user = geteuid();
  system->group = getegid();
  system->has_user = getpwnam_r(name, &entry, text, sizeof(text), &user) == 0 && user != NULL;
  if (system->has_user) {
    system->user = user->pw_uid;
    system->group = user->pw_gid;
  } else if (geteuid() == 0) {
    return BASE_FAIL(fault, BASE_NOT_FOUND, "user", "there is no user %.100s", name);
  }
  return BASE_OK;
}

static void read_boot(struct system *system) {
  int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  const ssize_t bytes = fd >= 0 ? read(fd, system->boot, sizeof(system->boot) - 1) : 0;
  system->boot[bytes > 0 ? bytes : 0] = '\0';
  system->boot[strcspn(system->boot, "\n")] = '\0';
  base_fd_close(&fd);
}

// pixpop-probe lies beside this program.
static enum base_result find_probe(struct system *system, struct base_fault *fault) {
  static const char name[] = "pixpop-probe";
  const char *given = system->arguments->probe;
  if (given != NULL) {
    if (strlen(given) < sizeof(system->probe)) return strcpy(system->probe, given), BASE_OK;
    return BASE_FAIL(fault, BASE_BAD_INPUT, "usage", "--probe is too long");
  }
  const ssize_t bytes = readlink("/proc/self/exe", system->probe, sizeof(system->probe) - sizeof(name));
  if (bytes <= 0) return BASE_FAIL_ERRNO(fault, "probe", "cannot find where this program lies");
  system->probe[bytes] = '\0';
  char *slash = strrchr(system->probe, '/');
  strcpy(slash != NULL ? slash + 1 : system->probe, name);
  return BASE_OK;
}

enum base_result system_init(struct system *system, const struct arguments *arguments, struct base_log *log,
                             struct base_fault *fault) {
  struct slots_state state;
  *system = (struct system){.arguments = arguments, .log = log, .grub = {.fd = -1}};
  system->started_ms = base_clock_ms(base_clock_system());
  system->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  pthread_mutex_init(&system->slots_lock, NULL);
  pthread_mutex_init(&system->lock, NULL);
  strcpy(system->health_text, "not looked at yet");
  enum base_result result = slots_board_read(arguments->board_file, &system->board, fault);
  if (result == BASE_OK) result = running_find(arguments->slot, &system->running, fault);
  if (result == BASE_OK) result = find_user(system, fault);
  if (result == BASE_OK) result = find_probe(system, fault);
  if (result != BASE_OK) return result;
  read_boot(system);
  system->grub.fd = open(arguments->bootenv, O_RDWR | O_CLOEXEC | O_NOCTTY);
  if (system->grub.fd < 0) return BASE_FAIL_ERRNO(fault, "bootenv", "cannot open %.200s", arguments->bootenv);
  system->bare = slots_grub_loader(&system->grub);
  system->loader = (struct slots_loader){.load = load, .store = store, .self = system};
  system->is_trial =
      system->loader.load(system, &state, NULL) == BASE_OK && state.slots[system->running].mark == SLOTS_UNTRIED;
  return BASE_OK;
}

void system_stop(struct system *system) {
  const uint64_t one = 1;
  atomic_store(&system->is_stopping, true);
  // It only ever counts up to one: there is room for that.
  (void)!write(system->stop_fd, &one, sizeof(one));
}

void system_wait(const struct system *system, unsigned timeout_ms) {
  struct pollfd polled = {.fd = system->stop_fd, .events = POLLIN};
  poll(&polled, 1, (int)timeout_ms);
}

void system_finish(struct system *system) {
  base_fd_close(&system->stop_fd);
  base_fd_close(&system->grub.fd);
  pthread_mutex_destroy(&system->lock);
  pthread_mutex_destroy(&system->slots_lock);
}

// Others change the slots too: pixpop-rescue beside this system, and pixpop-slots.
static enum base_result hold(struct system *system, struct base_fault *fault) {
  const enum base_result result = slots_grub_lock(&system->grub);
  if (result == BASE_OK) return BASE_OK;
  if (result != BASE_LOCKED) return BASE_FAIL_ERRNO(fault, "bootenv", "cannot lock the slots");
  return BASE_FAIL(fault, BASE_LOCKED, "system", "another program changes the slots: try again when that is done");
}

enum base_result system_begin_change(struct system *system, struct base_fault *fault) {
  pthread_mutex_lock(&system->lock);
  const bool is_free = !system->is_changing, is_going_down = system->is_going_down;
  const bool is_update =
      system->has_update && system->progress.phase != UPDATE_DONE && system->progress.phase != UPDATE_FAILED;
  if (is_free && !is_going_down) system->is_changing = true;
  pthread_mutex_unlock(&system->lock);
  if (is_going_down) return BASE_FAIL(fault, BASE_LOCKED, "system", "the box is going down");
  if (is_free) {
    const enum base_result result = hold(system, fault);
    if (result != BASE_OK) system_end_change(system);
    return result;
  }
  return BASE_FAIL(fault, BASE_LOCKED, "system", "%s: try again when that is done",
                   is_update ? "an update is being installed" : "another change is being made");
}

void system_end_change(struct system *system) {
  slots_grub_unlock(&system->grub);
  pthread_mutex_lock(&system->lock);
  system->is_changing = false;
  pthread_mutex_unlock(&system->lock);
}

const char *system_health_name(enum system_health health) {
  static const char *const names[] = {
      [SYSTEM_WAITING] = "waiting", [SYSTEM_GOOD] = "good", [SYSTEM_FAILING] = "failing", [SYSTEM_FAILED] = "failed"};
  return names[health];
}

void system_set_health(struct system *system, enum system_health health, const char *text) {
  pthread_mutex_lock(&system->lock);
  const bool is_new = system->health != health || strcmp(system->health_text, text) != 0;
  system->health = health;
  snprintf(system->health_text, sizeof(system->health_text), "%s", text);
  pthread_mutex_unlock(&system->lock);
  if (is_new)
    base_log_write(
        system->log,
        (health == SYSTEM_GOOD && text[0] == '\0') || health == SYSTEM_WAITING ? BASE_LOG_INFO : BASE_LOG_WARN,
        "health", NULL, "%s%s%s", system_health_name(health), text[0] != '\0' ? ": " : "", text);
}

void system_say_good(struct system *system) {
  char text[BASE_FAULT_TEXT_BYTES];
  snprintf(text, sizeof(text), "%s%s%.*s", system->is_data_full ? "the data partition is full" : "",
           system->is_data_full && system->odd[0] != '\0' ? "; " : "", (int)sizeof(text) - 40, system->odd);
  system_set_health(system, SYSTEM_GOOD, text);
}

void system_prepare_to_go_down(struct system *system, bool is_restart) {
  pthread_mutex_lock(&system->lock);
  system->is_going_down = true;
  system->is_restarting = is_restart;
  pthread_mutex_unlock(&system->lock);
}

void system_go_down(struct system *system, bool is_restart) {
  const char *program = is_restart ? system->arguments->reboot_program : system->arguments->poweroff_program;
  struct base_fault fault = {0};
  const char *const words[] = {program, NULL};
  const struct run run = {.words = words, .timeout_ms = POWER_TIMEOUT_MS};
  system_prepare_to_go_down(system, is_restart);
  base_log_write(system->log, BASE_LOG_WARN, "system", NULL, "%s is called", program);
  sync();
  if (run_program(&run, NULL, &fault) == BASE_OK) return;
  base_log_fault(system->log, BASE_LOG_ERROR, "system", NULL, &fault);
  pthread_mutex_lock(&system->lock);
  system->is_going_down = false;
  system->is_restarting = false;
  pthread_mutex_unlock(&system->lock);
}
