#include "starting.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

enum { MODE = 0644, NOTE_EVERY_MS = 1000, SAY_EVERY_MS = 10000 };

static void complain(struct starting *starting, const char *path) {
  base_log_write(starting->log, BASE_LOG_WARN, "pixpopd", NULL, "cannot tell in %s how the start goes on: %s", path,
                 strerror(errno));
}

void starting_begin(struct starting *starting, const char *path, const struct base_clock *clock, struct base_log *log) {
  *starting = (struct starting){.log = log, .clock = clock, .fd = -1};
  starting->begun_ms = starting->said_ms = base_clock_ms(clock);
  if (!path) return;
  (void)unlink(path);
  starting->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, MODE);
  if (starting->fd < 0) complain(starting, path);
}

void starting_note(void *self, uint64_t done) {
  struct starting *starting = self;
  const uint64_t now_ms = base_clock_ms(starting->clock);
  starting->steps++;
  if (starting->steps == 1 || now_ms >= starting->noted_ms + NOTE_EVERY_MS) {
    starting->noted_ms = now_ms;
    if (starting->fd >= 0 && ftruncate(starting->fd, (off_t)starting->steps) != 0) {
      complain(starting, "the file");
      base_fd_close(&starting->fd);
    }
  }
  if (now_ms < starting->said_ms + SAY_EVERY_MS) return;
  starting->said_ms = now_ms;
  base_log_write(starting->log, BASE_LOG_INFO, "pixpopd", NULL,
                 "starting: the store was not closed, and is being read: %" PRIu64 " records in %" PRIu64 " s", done,
                 (now_ms - starting->begun_ms) / 1000);
}

void starting_end(struct starting *starting) { base_fd_close(&starting->fd); }
