// The native URL grammar: /i/{id}?{options} -> a recipe. Strict: unknown, repeated and out-of-range options are
// refused.
#ifndef POP_NATIVE_H
#define POP_NATIVE_H

#include "base/span.h"
#include "integrity/digest.h"
#include "pop/address.h"
#include "recipe/recipe.h"

// `path` begins with "/i/". BASE_NOT_FOUND when the id is not 43 characters of canonical base64url; BASE_BAD_INPUT with
// the option's name as subject and a text that says what is allowed. Of sig only the syntax is checked here.
enum base_result pop_native_parse(struct base_span path, struct base_span query, struct pop_address *out,
                                  struct base_fault *fault) BASE_CHECKED;
// The options alone, for recipes that come without a path: exp and sig are refused.
enum base_result pop_native_parse_options(struct base_span query, struct recipe *out,
                                          struct base_fault *fault) BASE_CHECKED;

#endif
