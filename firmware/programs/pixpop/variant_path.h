// The path of a variant from the words of `get` and `url`: ID name=value ...
#ifndef PIXPOP_VARIANT_PATH_H
#define PIXPOP_VARIANT_PATH_H

#include "base/span.h"

enum { VARIANT_PATH_LIMIT = 4096 };

// True for 43 characters of base64url.
bool variant_path_is_id(const char *id);
// BASE_BAD_INPUT for anything else, with a text that shows it.
enum base_result variant_path_check_id(const char *id, struct base_fault *fault) BASE_CHECKED;
// Appends "/i/ID?name=value&...". Only the syntax is checked; what the options mean is the box's business.
enum base_result variant_path_write(char *const *words, size_t count, struct base_buffer *out,
                                    struct base_fault *fault) BASE_CHECKED;

#endif
