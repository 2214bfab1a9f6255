// What the console asks of the system program (update/agent.h), for whoever may administrate the box.
#ifndef CONSOLE_SYSTEM_H
#define CONSOLE_SYSTEM_H

#include "exchange.h"
#include "update/agent.h"

enum { CONSOLE_SYSTEM_STATUS_MS = 5000, CONSOLE_SYSTEM_CHANGE_MS = 30000 };

// Connects and sends the line. BASE_NOT_FOUND: this box is no appliance.
enum base_result console_system_call(const struct console_exchange *exchange, const char *line,
                                     struct update_call **out, struct base_fault *fault) BASE_CHECKED;
// Reads to the last line, whose text goes to `out` (NULL: to nobody). BASE_TIMEOUT after `silence_ms` without a line,
// BASE_BUSY when the system program broke off or talks nonsense, BASE_CANCELLED when the client is gone (with
// `outlives_client` only once the console is being taken down too); else what the last line says.
enum base_result console_system_hear(const struct console_exchange *exchange, struct update_call *call,
                                     unsigned silence_ms, bool outlives_client, struct base_buffer *out,
                                     struct base_fault *fault) BASE_CHECKED;
// Both of them in one, for what the client waits for.
enum base_result console_system_ask(const struct console_exchange *exchange, const char *line, unsigned silence_ms,
                                    struct base_buffer *out, struct base_fault *fault) BASE_CHECKED;
// The line that sets the network's settings, terminated.
enum base_result console_system_network_line(const char *text, struct base_buffer *out,
                                             struct base_fault *fault) BASE_CHECKED;
// The fault of a conversation that failed by itself, as the client is to see it.
enum base_result console_system_blame(enum base_result result, const struct base_fault *what,
                                      struct base_fault *fault) BASE_CHECKED;

#endif
