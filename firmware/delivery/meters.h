// What the server counts. Loops count in plain integers of their own and add them to the shared metrics once a turn, so
// that threads do not fight over cache lines for every request.
#ifndef DELIVERY_METERS_H
#define DELIVERY_METERS_H

#include "base/metrics.h"
#include "timers.h"

enum { DELIVERY_STATUS_CLASSES = 6 };  // index: status / 100

enum delivery_refusal {
  DELIVERY_REFUSED_TOTAL,
  DELIVERY_REFUSED_CLIENT,
  DELIVERY_REFUSED_HANDSHAKE,  // our part of the handshake could not begin in time
  DELIVERY_REFUSALS
};

// Why an HTTP/2 client was cut off.
enum delivery_flood { DELIVERY_FLOOD_RESETS, DELIVERY_FLOOD_FRAMES, DELIVERY_FLOODS };

// Registered series, shared by all loops.
struct meters {
  struct base_metric *connections_open;
  struct base_metric *connections;
  struct base_metric *refused[DELIVERY_REFUSALS];
  struct base_metric *replies[DELIVERY_STATUS_CLASSES];
  struct base_metric *timeouts[DELIVERY_STATES];
  struct base_metric *sent_bytes;
  struct base_metric *floods[DELIVERY_FLOODS];
};

// One loop's counts since the last flush.
struct counts {
  uint32_t replies[DELIVERY_STATUS_CLASSES];
  uint32_t timeouts[DELIVERY_STATES];
  uint64_t sent_bytes;
};

void delivery_meters_init(struct meters *meters, struct base_metrics *metrics);
// Adds the counts to the metrics and zeroes them.
void delivery_meters_flush(const struct meters *meters, struct counts *counts);

#endif
