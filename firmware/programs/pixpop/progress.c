#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "terminal.h"

enum {
  REDRAW_MS = 100,
  DEFAULT_COLUMNS = 80,
  MAX_BAR_CHARS = 40,
  MAX_NAME_CHARS = 24,
  MAX_LINE_BYTES = 256,
  AMOUNT_CHARS = 24
};

static uint64_t now_ms(void) { return base_clock_ms(base_clock_system()); }

static size_t terminal_width(void) {
  struct winsize size;
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return DEFAULT_COLUMNS;
  return size.ws_col;
}

static uint64_t rate_of(const struct progress *progress, uint64_t now) {
  const uint64_t elapsed_ms = now - progress->started_ms;
  const uint64_t moved = progress->done > progress->skipped ? progress->done - progress->skipped : 0;
  return elapsed_ms > 0 ? (uint64_t)((double)moved * 1000 / (double)elapsed_ms) : 0;
}

static void draw_bar(size_t chars, double part) {
  char bar[MAX_BAR_CHARS + 1];
  const size_t filled = (size_t)(part * (double)chars);
  memset(bar, ' ', chars);
  memset(bar, '=', filled);
  if (filled > 0 && filled < chars) bar[filled - 1] = '>';
  fprintf(stderr, "[%.*s] ", (int)chars, bar);
}

// An amount without its unit's name, which bytes do not need.
static const char *amount(const struct progress *progress, uint64_t number, char out[AMOUNT_CHARS]) {
  if (progress->unit == NULL) return terminal_size(number, out);
  snprintf(out, AMOUNT_CHARS, "%" PRIu64, number);
  return out;
}

static void write_numbers(const struct progress *progress, uint64_t total, uint64_t now, char out[MAX_LINE_BYTES]) {
  char done[AMOUNT_CHARS], all[AMOUNT_CHARS], speed[AMOUNT_CHARS], left[TERMINAL_TIME_CHARS];
  const uint64_t rate = rate_of(progress, now);
  amount(progress, progress->done, done);
  amount(progress, rate, speed);
  if (total == 0) {
    snprintf(out, MAX_LINE_BYTES, "%s  %s/s", done, speed);
    return;
  }
  const double percent = (double)progress->done / (double)total * 100;
  amount(progress, total, all);
  if (progress->unit != NULL)
    snprintf(out, MAX_LINE_BYTES, "%3.0f%%  %s of %s %s", percent, done, all, progress->unit);
  else if (rate == 0)
    snprintf(out, MAX_LINE_BYTES, "%3.0f%%  %s of %s", percent, done, all);
  else
    snprintf(out, MAX_LINE_BYTES, "%3.0f%%  %s of %s  %s/s  %s left", percent, done, all, speed,
             terminal_duration((total - progress->done) / rate, left));
}

// "photo.jpg [=====>    ]  52%  12.1 MB of 23.4 MB  8.0 MB/s  1 s left"
static void draw(const struct progress *progress, uint64_t total, uint64_t now) {
  char name[MAX_NAME_CHARS + 1], numbers[MAX_LINE_BYTES];
  terminal_clean(progress->name, name, sizeof(name));
  write_numbers(progress, total, now, numbers);
  const size_t width = terminal_width();
  const size_t taken = terminal_columns(name) + strlen(numbers) + strlen(" [] ") + 1;
  const size_t bar = width > taken ? width - taken : 0;
  fputs("\r\x1b[K", stderr);
  if (bar < 5 || total == 0) {
    fprintf(stderr, "%.*s", (int)width - 1, numbers);
  } else {
    fprintf(stderr, "%s ", name);
    draw_bar(bar < MAX_BAR_CHARS ? bar : MAX_BAR_CHARS, (double)progress->done / (double)total);
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
  progress->total = total;
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
  if (!progress->is_terminal) progress_sum_up(progress);
}

void progress_sum_up(const struct progress *progress) {
  char name[MAX_LINE_BYTES], done[AMOUNT_CHARS], other[AMOUNT_CHARS];
  const uint64_t now = now_ms();
  const double seconds = (double)(now - progress->started_ms) / 1000;
  terminal_clean(progress->name, name, sizeof(name));
  amount(progress, progress->done, done);
  if (progress->unit != NULL)
    fprintf(stderr, "%s: %s of %s %s in %.1f s\n", name, done, amount(progress, progress->total, other), progress->unit,
            seconds);
  else
    fprintf(stderr, "%s: %s in %.1f s (%s/s)\n", name, done, seconds, amount(progress, rate_of(progress, now), other));
}
