// CivetWeb, as the rest of the room sees it: threads that answer what the gate offers at the hatch. Its implementation
// is the one file that knows CivetWeb.
#ifndef CONSOLE_SERVER_H
#define CONSOLE_SERVER_H

#include "exchange.h"

struct console_server;

// Serves with console_answer. The console outlives the server.
enum base_result console_server_start(struct console *console, struct console_server **out,
                                      struct base_fault *fault) BASE_CHECKED;
// Waits for the handlers that run. What is offered from now on is not answered.
void console_server_stop(struct console_server **server);

#endif
