#include "starting.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"

enum { SAY_EVERY_MS = 30000, LINE_BYTES = 128, CONSOLE_BYTES = 32 };

// With the lock. Sizes, not times: the clock may be set meanwhile, and a pixpopd that dies and is started again and
// again at the same place does not get beyond it.
static void look(struct system *system, uint64_t now_ms) {
  const char *path = system->arguments->starting_file;
  struct stat info;
  if (path == NULL || path[0] == '\0' || !system->has_user || lstat(path, &info) != 0) return;
  if (!S_ISREG(info.st_mode) || info.st_uid != system->user || info.st_size < 0) return;
  if ((uint64_t)info.st_size <= system->starting_bytes) return;
  system->starting_bytes = (uint64_t)info.st_size;
  system->progressed_ms = now_ms;
}

static void say_on(const char *console, const char *line) {
  char path[LINE_BYTES];
  snprintf(path, sizeof(path), "/dev/%s", console);
  const int fd = open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return;
  (void)!dprintf(fd, "pixpop: %s\r\n", line);
  close(fd);
}

// As console.sh does: on every console that the kernel has, and on the screen.
static void say_everywhere(const char *line) {
  char name[CONSOLE_BYTES];
  bool has_screen = false;
  FILE *active = fopen("/sys/class/tty/console/active", "re");
  while (active != NULL && fscanf(active, "%31s", name) == 1) {
    has_screen = has_screen || (strncmp(name, "tty", 3) == 0 && isdigit((unsigned char)name[3]));
    say_on(name, line);
  }
  if (active != NULL) fclose(active);
  if (!has_screen) say_on("tty0", line);
}

// Where somebody stands before the box and wonders.
static void say(const struct system *system, uint64_t waited_ms) {
  char line[LINE_BYTES];
  snprintf(line, sizeof(line), "pixpopd reads its store before it answers: %" PRIu64 " s so far", waited_ms / 1000);
  base_log_write(system->log, BASE_LOG_INFO, "starting", NULL, "%s", line);
  say_everywhere(line);
}

uint64_t starting_since(struct system *system, uint64_t now_ms) {
  pthread_mutex_lock(&system->lock);
  const uint64_t started_ms = system->started_ms;
  const bool is_starting = system->answered_ms == 0 && now_ms < started_ms + STARTING_MAX_MS;
  if (is_starting) look(system, now_ms);
  const uint64_t since_ms = base_max_u64(started_ms, system->progressed_ms);
  const bool is_told =
      is_starting && since_ms == now_ms && now_ms >= base_max_u64(started_ms, system->starting_said_ms) + SAY_EVERY_MS;
  if (is_told) system->starting_said_ms = now_ms;
  pthread_mutex_unlock(&system->lock);
  if (is_told) say(system, now_ms - started_ms);
  return since_ms;
}
