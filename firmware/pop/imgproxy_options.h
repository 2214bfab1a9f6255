// The options of imgproxy's grammar, one by one.
#ifndef POP_IMGPROXY_OPTIONS_H
#define POP_IMGPROXY_OPTIONS_H

#include "pop/address.h"

// Takes "name:argument:argument" into the wish, with has_plainer. BASE_BAD_INPUT names the option. *given has bits of
// what options said before, 0 to begin with.
enum base_result pop_imgproxy_read_option(struct base_span option, uint32_t *given, struct pop_address *out,
                                          struct base_fault *fault) BASE_CHECKED;
// "webp", "jpg", ...; `name` is who asks, for the fault.
enum base_result pop_imgproxy_read_format(struct base_span text, enum recipe_format *out, const char *name,
                                          struct base_fault *fault) BASE_CHECKED;

#endif
