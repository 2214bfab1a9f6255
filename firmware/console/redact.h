// Logs for others to read: without lines that may tell a secret.
#ifndef CONSOLE_REDACT_H
#define CONSOLE_REDACT_H

#include "base/span.h"

// Appends `lines`, but "(a line with a secret was left out)" for each that looks as if it told one: a token, a
// password, a key, a claim code, a signed URL's sig. A harmless line too many may go.
enum base_result console_redact(struct base_span lines, struct base_buffer *out) BASE_CHECKED;

#endif
