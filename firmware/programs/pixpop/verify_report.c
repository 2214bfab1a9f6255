#include "verify_report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "terminal.h"

enum { MAX_LINE_BYTES = 1024, LABEL_COLUMNS = 12 };

void verify_report_init(struct verify_report *report) {
  *report = (struct verify_report){0};
  BASE_ASSERT(pthread_mutex_init(&report->lock, NULL) == 0);
  progress_begin(&report->progress, "verify");
}

void verify_report_finish(struct verify_report *report) { pthread_mutex_destroy(&report->lock); }

// Called with the lock. Foreign text may be in it.
static void print_line(struct verify_report *report, const char *label, const char *about, const char *text) {
  char clean[MAX_LINE_BYTES];
  progress_erase(&report->progress);
  printf("%-*s ", LABEL_COLUMNS, label);
  if (about) printf("%s: ", terminal_clean(about, clean, sizeof(clean)));
  puts(terminal_clean(text, clean, sizeof(clean)));
  fflush(stdout);
}

static void BASE_PRINTF(5, 0) print_with_lock(struct verify_report *report, const char *label, const char *about,
                                              uint64_t *count, const char *format, va_list arguments) {
  char text[MAX_LINE_BYTES];
  vsnprintf(text, sizeof(text), format, arguments);
  pthread_mutex_lock(&report->lock);
  if (count) (*count)++;
  print_line(report, label, about, text);
  pthread_mutex_unlock(&report->lock);
}

void verify_report_say(struct verify_report *report, const char *label, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  print_with_lock(report, label, NULL, NULL, format, arguments);
  va_end(arguments);
}

void verify_report_wrong(struct verify_report *report, const char *about, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  print_with_lock(report, "WRONG", about, &report->wrong, format, arguments);
  va_end(arguments);
}

void verify_report_unchecked(struct verify_report *report, const char *about, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  print_with_lock(report, "NOT CHECKED", about, &report->unchecked, format, arguments);
  va_end(arguments);
}

void verify_report_fault(struct verify_report *report, const char *about, const struct base_fault *fault) {
  const char *text = fault->text[0] != '\0' ? fault->text : base_result_name(fault->result);
  if (fault->result == BASE_CORRUPT)
    verify_report_wrong(report, about, "%s", text);
  else
    verify_report_unchecked(report, about, "%s", text);
}

void verify_report_expect(struct verify_report *report, uint64_t total_bytes) {
  pthread_mutex_lock(&report->lock);
  report->total_bytes = total_bytes;
  pthread_mutex_unlock(&report->lock);
}

void verify_report_move(struct verify_report *report, uint64_t bytes) {
  pthread_mutex_lock(&report->lock);
  report->done_bytes += bytes;
  // What came meanwhile is more than was expected.
  if (report->total_bytes < report->done_bytes) report->total_bytes = report->done_bytes;
  progress_show(&report->progress, report->done_bytes, report->total_bytes);
  pthread_mutex_unlock(&report->lock);
}

void verify_report_prove(struct verify_report *report, enum verify_kind kind, uint64_t bytes) {
  pthread_mutex_lock(&report->lock);
  report->proven[kind].count++;
  report->proven[kind].bytes += bytes;
  pthread_mutex_unlock(&report->lock);
}

static void print_kind(const struct verify_report *report, enum verify_kind kind, const char *label,
                       const char *verdict) {
  char size[TERMINAL_SIZE_CHARS];
  printf("%-*s %" PRIu64 " %s, %s\n", LABEL_COLUMNS, label, report->proven[kind].count, verdict,
         terminal_size(report->proven[kind].bytes, size));
}

int verify_report_end(struct verify_report *report) {
  progress_erase(&report->progress);
  if (report->wrong == 0 && report->unchecked > 0 && report->done_bytes == 0) {
    printf("%-*s nothing could be checked\n", LABEL_COLUMNS, "result");
    return VERIFY_UNCHECKED;
  }
  print_kind(report, VERIFY_ORIGINALS, "originals", "proven");
  print_kind(report, VERIFY_VARIANTS, "variants", "proven");
  if (report->proven[VERIFY_LEVELS].count > 0)
    print_kind(report, VERIFY_LEVELS, "levels", "whole (the ledger does not speak of them)");
  if (report->done_bytes > 0 && !report->progress.is_terminal) progress_sum_up(&report->progress);
  if (report->wrong > 0) {
    printf("%-*s %" PRIu64 " wrong", LABEL_COLUMNS, "result", report->wrong);
    if (report->unchecked > 0) printf(", %" PRIu64 " could not be checked", report->unchecked);
    putchar('\n');
    return VERIFY_WRONG;
  }
  if (report->unchecked > 0) {
    printf("%-*s nothing wrong was found, but %" PRIu64 " could not be checked\n", LABEL_COLUMNS, "result",
           report->unchecked);
    return VERIFY_UNCHECKED;
  }
  printf("%-*s everything is proven\n", LABEL_COLUMNS, "result");
  return VERIFY_PROVEN;
}
