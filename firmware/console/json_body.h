// Bodies of requests that are small JSON objects.
#ifndef CONSOLE_JSON_BODY_H
#define CONSOLE_JSON_BODY_H

#include "base/json.h"
#include "exchange.h"

// Reads the body, which is an object with no members but `names`, none of them twice. An empty body is an empty object.
// BASE_UNSUPPORTED for another Content-Type, BASE_TOO_LARGE, BASE_BAD_INPUT with the member as subject. *out is the
// caller's to destroy after BASE_OK.
enum base_result console_json_body_read(struct console_exchange *exchange, size_t limit_bytes, const char *const *names,
                                        size_t name_count, struct base_json **out,
                                        struct base_fault *fault) BASE_CHECKED;
// A member that is text, if it is there (else NULL). BASE_BAD_INPUT for one of another type.
enum base_result console_json_body_text(const struct base_json *body, const char *name, const char **out,
                                        struct base_fault *fault) BASE_CHECKED;

#endif
