#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "terminal.h"

enum { REDRAW_MS = 100, DEFAULT_COLUMNS = 80, MAX_BAR_CHARS = 40, MAX_NAME_CHARS = 24, MAX_LINE_BYTES = 256 };

static uint64_t now_ms(void) { return base_clock_ms(base_clock_system()); }

static size_t terminal_width(void) {
  struct winsize size;
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return DEFAULT_COLUMNS;
  return size.ws_col;
}

static uint64_t rate_of(const struct progress *progress, uint64_t now) {
  const uint64_t elapsed_ms = now - progress->started_ms;
  return elapsed_ms > 0 ? (uint64_t)((double)progress->done * 1000 / (double)elapsed_ms) : 0;
}

static void draw_bar(size_t chars, double part) {
  char bar[MAX_BAR_CHARS + 1];
  const size_t filled = (size_t)(part * (double)chars);
  memset(bar, ' ', chars);
  memset(bar, '=', filled);
  if (filled > 0 && filled < chars) bar[filled - 1] = '>';
  fprintf(stderr, "[%.*s] ", (int)chars, bar);
}

// "photo.jpg [=====>    ]  52%  12.1 MB of 23.4 MB  8.0 MB/s  1 s left"
static void draw(const struct progress *progress, uint64_t total, uint64_t now) {
  char name[MAX_NAME_CHARS + 1], done_text[TERMINAL_SIZE_CHARS], total_text[TERMINAL_SIZE_CHARS];
  char rate_text[TERMINAL_SIZE_CHARS], left_text[TERMINAL_TIME_CHARS], numbers[MAX_LINE_BYTES];
  const uint64_t rate = rate_of(progress, now);
  const double part = total > 0 ? (double)progress->done / (double)total : 0;
  terminal_clean(progress->name, name, sizeof(name));
  terminal_size(progress->done, done_text);
  terminal_size(rate, rate_text);
  if (total == 0) {
    snprintf(numbers, sizeof(numbers), "%s  %s/s", done_text, rate_text);
  } else if (rate == 0) {
    snprintf(numbers, sizeof(numbers), "%3.0f%%  %s of %s", part * 100, done_text, terminal_size(total, total_text));
  } else {
    snprintf(numbers, sizeof(numbers), "%3.0f%%  %s of %s  %s/s  %s left", part * 100, done_text,
             terminal_size(total, total_text), rate_text,
             terminal_duration((total - progress->done) / rate, left_text));
  }
  const size_t width = terminal_width();
  const size_t taken = terminal_columns(name) + strlen(numbers) + strlen(" [] ") + 1;
  const size_t bar = width > taken ? width - taken : 0;
  fputs("\r\x1b[K", stderr);
  if (bar < 5 || total == 0) {
    fprintf(stderr, "%.*s", (int)width - 1, numbers);
  } else {
    fprintf(stderr, "%s ", name);
    draw_bar(bar < MAX_BAR_CHARS ? bar : MAX_BAR_CHARS, part);
    fputs(numbers, stderr);
  }
  fflush(stderr);
}

void progress_begin(struct progress *progress, const char *name) {
  *progress = (struct progress){.name = name, .is_terminal = isatty(STDERR_FILENO) == 1, .started_ms = now_ms()};
}

void progress_show(void *self, uint64_t done, uint64_t total) {
  struct progress *progress = self;
  progress->done = done;
  if (!progress->is_terminal) return;
  const uint64_t now = now_ms();
  if (progress->is_shown && now - progress->shown_ms < REDRAW_MS && done != total) return;
  progress->is_shown = true;
  progress->shown_ms = now;
  draw(progress, total, now);
}

void progress_erase(struct progress *progress) {
  if (progress->is_shown) fputs("\r\x1b[K", stderr);
  progress->is_shown = false;
}

void progress_end(struct progress *progress) {
  progress_erase(progress);
  if (progress->is_terminal) return;
  char name[MAX_LINE_BYTES], size[TERMINAL_SIZE_CHARS], rate[TERMINAL_SIZE_CHARS];
  const uint64_t now = now_ms();
  fprintf(stderr, "%s: %s in %.1f s (%s/s)\n", terminal_clean(progress->name, name, sizeof(name)),
          terminal_size(progress->done, size), (double)(now - progress->started_ms) / 1000,
          terminal_size(rate_of(progress, now), rate));
}
