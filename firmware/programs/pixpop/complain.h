// Everything that goes wrong, as one readable line on stderr.
#ifndef PIXPOP_COMPLAIN_H
#define PIXPOP_COMPLAIN_H

#include "client/client.h"
#include "options.h"

#define COMPLAIN_TOKEN_HINT \
  "pass the token with --token-file FILE or PIXPOP_TOKEN; pixpopd printed it at its first start"

// "pixpop: about: text"; `about` may be NULL. For a certificate that is not trusted also what to do, and for a token
// that is refused (BASE_UNAUTHORIZED about "token"). Returns the exit status that belongs to the fault.
int complain_fault(const char *about, const struct base_fault *fault);
// A response that is no success: title, detail and subject of its problem+json, else the status. EXIT_FAILED.
int complain_response(const char *about, const struct client_response *response);
// The same as a fault with that result and subject; without a problem it names `path`. For 401 with `token_hint` (may
// be
// "") at its end. Returns `result`.
enum base_result complain_problem(const struct client_response *response, const char *path, enum base_result result,
                                  const char *subject, const char *token_hint, struct base_fault *fault);
// Wrong usage, with a hint at the page of `command` (NULL: the general one). EXIT_USAGE.
int complain_usage(const char *command, const char *format, ...) BASE_PRINTF(2, 3);

#endif
