// The server under the console, as the rest of the room sees it. Its implementation is the one file that knows
// CivetWeb.
#ifndef CONSOLE_SERVER_H
#define CONSOLE_SERVER_H

#include "exchange.h"

struct console_server;

// Listens and serves with console_answer. The console outlives the server.
enum base_result console_server_start(struct console *console, struct console_server **out,
                                      struct base_fault *fault) BASE_CHECKED;
uint16_t console_server_port(const struct console_server *server);
// New requests get 503; those that run may end, for at most `drain_ms`; then everything is closed and joined.
void console_server_stop(struct console_server **server, uint32_t drain_ms);

#endif
