// Options of a query that hold any text, such as a file's name.
#ifndef CONSOLE_TEXT_OPTION_H
#define CONSOLE_TEXT_OPTION_H

#include "base/span.h"

// The percent-decoded value of the one option that `query` may have; "" when it has none. BASE_BAD_INPUT for other
// options, bad escapes, NUL and values that do not fit.
enum base_result console_text_option(struct base_span query, const char *name, char *out, size_t capacity,
                                     struct base_fault *fault) BASE_CHECKED;

#endif
