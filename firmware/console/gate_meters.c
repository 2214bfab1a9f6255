#include "gate_meters.h"

#include <stdio.h>

#include "gate_parts.h"

_Static_assert((int)GATE_METER_STATES == (int)GATE_STATES, "one gauge a state");

enum { LABEL_BYTES = 48 };

static const char *const refusals[GATE_REFUSALS] = {
    [GATE_REFUSED_CLIENT] = "client", [GATE_REFUSED_TOTAL] = "total", [GATE_REFUSED_QUEUE] = "queue"};
static const char *const timeouts[GATE_TIMEOUTS] = {
    [GATE_TIMEOUT_HANDSHAKE] = "handshake", [GATE_TIMEOUT_HEAD] = "head", [GATE_TIMEOUT_IDLE] = "idle",
    [GATE_TIMEOUT_BODY] = "body",           [GATE_TIMEOUT_RATE] = "rate", [GATE_TIMEOUT_REPLY] = "reply"};
static const char *const states[GATE_STATES] = {
    [GATE_HANDSHAKE] = "handshake", [GATE_HEAD] = "head",   [GATE_BODY] = "body",     [GATE_READY] = "ready",
    [GATE_ANSWER] = "answer",       [GATE_CLEAR] = "clear", [GATE_LINGER] = "linger", [GATE_PART] = "part"};

void console_gate_meters_init(struct gate_meters *meters, struct base_metrics *metrics) {
  char label[LABEL_BYTES];
  meters->accepted = base_metrics_counter(metrics, "pixpop_console_connections_total", "", "Connections accepted");
  for (int i = 0; i < GATE_REFUSALS; i++) {
    (void)snprintf(label, sizeof label, "limit=\"%s\"", refusals[i]);
    meters->refused[i] = base_metrics_counter(metrics, "pixpop_console_refused_connections_total", label,
                                              "Connections closed because of a limit: of one client, of all, or of the "
                                              "requests that wait");
  }
  for (int i = 0; i < GATE_TIMEOUTS; i++) {
    (void)snprintf(label, sizeof label, "of=\"%s\"", timeouts[i]);
    meters->timeouts[i] =
        base_metrics_counter(metrics, "pixpop_console_timeouts_total", label, "Clients that took too long");
  }
  for (int i = 0; i < GATE_STATES; i++) {
    if (!states[i]) continue;
    (void)snprintf(label, sizeof label, "state=\"%s\"", states[i]);
    meters->states[i] =
        base_metrics_gauge(metrics, "pixpop_console_connections", label, "Open connections by what they are doing");
  }
  meters->uploads = base_metrics_gauge(metrics, "pixpop_console_uploads", "", "Uploads being received");
  meters->received_bytes =
      base_metrics_counter(metrics, "pixpop_console_received_bytes_total", "", "Bytes received from clients");
  meters->sent_bytes = base_metrics_counter(metrics, "pixpop_console_sent_bytes_total", "", "Bytes sent to clients");
}
