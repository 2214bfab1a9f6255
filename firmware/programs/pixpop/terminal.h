// Text for people: foreign text made harmless, sizes, times, columns.
#ifndef PIXPOP_TERMINAL_H
#define PIXPOP_TERMINAL_H

#include <stddef.h>
#include <stdint.h>

enum { TERMINAL_SIZE_CHARS = 16, TERMINAL_TIME_CHARS = 32 };

// Copies with control characters (which could steer the terminal) as '?', cut at `capacity`. Returns `out`.
const char *terminal_clean(const char *text, char *out, size_t capacity);
// "532 B", "1.4 MB": decimal units.
const char *terminal_size(uint64_t bytes, char out[TERMINAL_SIZE_CHARS]);
// "3 d 4 h", "2 min 5 s": the two largest units.
const char *terminal_duration(uint64_t seconds, char out[TERMINAL_TIME_CHARS]);
// "2026-11-22 15:42" in local time.
const char *terminal_time(int64_t unix_s, char out[TERMINAL_TIME_CHARS]);
// Characters (not bytes) of UTF-8 text: as many columns, for the scripts where one character takes one.
size_t terminal_columns(const char *text);
// Prints `text` and spaces up to `columns`.
void terminal_print_padded(const char *text, size_t columns);

#endif
