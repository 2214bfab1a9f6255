#include "terminal.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

// Bytes of the UTF-8 character at `c`; 0 when it is none.
static size_t character_bytes(const unsigned char *c) {
  const size_t bytes = *c < 0x80 ? 1 : *c < 0xc2 ? 0 : *c < 0xe0 ? 2 : *c < 0xf0 ? 3 : *c < 0xf5 ? 4 : 0;
  for (size_t i = 1; i < bytes; i++) {
    if ((c[i] & 0xc0) != 0x80) return 0;  // also the end of the text
  }
  return bytes;
}

// C0, DEL and C1 controls, and those that turn the order of what follows: a name must not disguise itself.
static bool is_harmful(const unsigned char *c, size_t bytes) {
  if (bytes == 1) return *c < ' ' || *c == 0x7f;
  if (bytes == 2) return c[0] == 0xc2 && c[1] <= 0x9f;
  return bytes == 3 && c[0] == 0xe2 &&
         ((c[1] == 0x80 && c[2] >= 0xaa && c[2] <= 0xae) || (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9));
}

const char *terminal_clean(const char *text, char *out, size_t capacity) {
  size_t used = 0;
  const unsigned char *c = (const unsigned char *)text;
  while (*c != '\0') {
    const size_t bytes = character_bytes(c);
    const bool is_fine = bytes > 0 && !is_harmful(c, bytes);
    const size_t shown = is_fine ? bytes : 1;
    if (used + shown + 1 > capacity) break;
    memcpy(out + used, is_fine ? (const void *)c : "?", shown);
    used += shown;
    c += bytes > 0 ? bytes : 1;
  }
  out[used] = '\0';
  return out;
}

const char *terminal_size(uint64_t bytes, char out[TERMINAL_SIZE_CHARS]) {
  static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
  if (bytes < 1000) {
    snprintf(out, TERMINAL_SIZE_CHARS, "%" PRIu64 " B", bytes);
    return out;
  }
  double value = (double)bytes / 1000;
  size_t unit = 0;
  while (value >= 999.95 && unit + 1 < sizeof(units) / sizeof(*units)) {  // 999.95 would be printed as 1000.0
    value /= 1000;
    unit++;
  }
  snprintf(out, TERMINAL_SIZE_CHARS, "%.1f %s", value, units[unit]);
  return out;
}

const char *terminal_duration(uint64_t seconds, char out[TERMINAL_TIME_CHARS]) {
  enum { MINUTE = 60, HOUR = 60 * MINUTE, DAY = 24 * HOUR };
  if (seconds < MINUTE)
    snprintf(out, TERMINAL_TIME_CHARS, "%" PRIu64 " s", seconds);
  else if (seconds < HOUR)
    snprintf(out, TERMINAL_TIME_CHARS, "%" PRIu64 " min %" PRIu64 " s", seconds / MINUTE, seconds % MINUTE);
  else if (seconds < DAY)
    snprintf(out, TERMINAL_TIME_CHARS, "%" PRIu64 " h %" PRIu64 " min", seconds / HOUR, seconds % HOUR / MINUTE);
  else
    snprintf(out, TERMINAL_TIME_CHARS, "%" PRIu64 " d %" PRIu64 " h", seconds / DAY, seconds % DAY / HOUR);
  return out;
}

const char *terminal_time(int64_t unix_s, char out[TERMINAL_TIME_CHARS]) {
  const time_t time = (time_t)unix_s;
  struct tm parts;
  if (localtime_r(&time, &parts) == NULL || strftime(out, TERMINAL_TIME_CHARS, "%Y-%m-%d %H:%M", &parts) == 0)
    snprintf(out, TERMINAL_TIME_CHARS, "-");
  return out;
}

size_t terminal_columns(const char *text) {
  size_t count = 0;
  for (; *text != '\0'; text++) count += ((unsigned char)*text & 0xc0) != 0x80;
  return count;
}

void terminal_print_padded(const char *text, size_t columns) {
  fputs(text, stdout);
  for (size_t used = terminal_columns(text); used < columns; used++) putchar(' ');
}
