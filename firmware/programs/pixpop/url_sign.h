// The paths that `url` prints, in each grammar, and signing them with a key that is at hand.
#ifndef PIXPOP_URL_SIGN_H
#define PIXPOP_URL_SIGN_H

#include "options.h"
#include "recipe/signature.h"

// The key of --key and --salt, or of PIXPOP_SIGN_KEY (with --imgproxy PIXPOP_IMGPROXY_KEY). Faults never quote it.
enum base_result url_read_key(const struct options *options, struct recipe_sign_key *out, bool *has_key,
                              struct base_fault *fault) BASE_CHECKED;
// Appends the path of the grammar that the options choose; signed unless the key is NULL. expires_s is 0 for never.
enum base_result url_write_path(const struct options *options, const struct recipe_sign_key *key, int64_t expires_s,
                                struct base_buffer *out, struct base_fault *fault) BASE_CHECKED;
// Appends the console's path that is asked for a signed URL, with a terminator.
enum base_result url_write_question(const struct options *options, int64_t expires_in_s, struct base_buffer *out,
                                    struct base_fault *fault) BASE_CHECKED;

#endif
