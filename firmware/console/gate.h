// The gate: the console's real connections, before CivetWeb.
//
// A few threads over one epoll accept, do TLS, read heads with the strict parser, take bodies as slowly as they come
// and feed uploads to their intakes. Only whole requests are handed to a thread of CivetWeb, each over a socket pair of
// its own (hatch.h), and its replies go back through the gate, as slowly as the client reads. So a waiting client costs
// no thread and little memory, however many there are.
#ifndef CONSOLE_GATE_H
#define CONSOLE_GATE_H

#include "exchange.h"

struct console_gate_stats {
  unsigned connections;  // open
  unsigned uploads;      // whose bodies are being received
  unsigned waiting;      // requests that wait for a thread of CivetWeb
};

// Listens. The console outlives the gate. Faults as console_start.
enum base_result console_gate_open(struct console *console, struct console_gate **out,
                                   struct base_fault *fault) BASE_CHECKED;
// Starts the threads, once CivetWeb has started.
enum base_result console_gate_start(struct console_gate *gate, struct base_fault *fault) BASE_CHECKED;
uint16_t console_gate_port(const struct console_gate *gate);
// Reads the certificate again, for connections from now on. Nothing without TLS.
enum base_result console_gate_reload_certificate(struct console_gate *gate, struct base_fault *fault) BASE_CHECKED;
// New requests get 503; those that run may end, for at most `drain_ms`; then all are cut off.
void console_gate_drain(struct console_gate *gate, uint32_t drain_ms);
// True once the console is being taken down. From any thread.
bool console_gate_is_stopping(const struct console_gate *gate);
// Closes everything and joins the threads. CivetWeb has stopped.
void console_gate_stop(struct console_gate **gate);
// From any thread.
void console_gate_get_stats(const struct console_gate *gate, struct console_gate_stats *out);

#endif
