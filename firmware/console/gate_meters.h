// What the gate counts.
#ifndef CONSOLE_GATE_METERS_H
#define CONSOLE_GATE_METERS_H

#include "base/metrics.h"

enum gate_refusal { GATE_REFUSED_CLIENT, GATE_REFUSED_TOTAL, GATE_REFUSED_QUEUE, GATE_REFUSALS };
enum gate_timeout {
  GATE_TIMEOUT_HANDSHAKE,
  GATE_TIMEOUT_HEAD,
  GATE_TIMEOUT_IDLE,
  GATE_TIMEOUT_BODY,
  GATE_TIMEOUT_RATE,
  GATE_TIMEOUT_REPLY,
  GATE_TIMEOUTS
};
enum { GATE_METER_STATES = 9 };  // enum gate_state

struct gate_meters {
  struct base_metric *accepted;
  struct base_metric *refused[GATE_REFUSALS];
  struct base_metric *timeouts[GATE_TIMEOUTS];
  struct base_metric *states[GATE_METER_STATES];  // gauges; NULL for what is no state of a client
  struct base_metric *uploads;                    // gauge
  struct base_metric *received_bytes, *sent_bytes;
};

void console_gate_meters_init(struct gate_meters *meters, struct base_metrics *metrics);

#endif
