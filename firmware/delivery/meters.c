#include "meters.h"

static const char *const state_labels[DELIVERY_STATES] = {
    [DELIVERY_HANDSHAKE] = "state=\"handshake\"", [DELIVERY_QUEUE] = "state=\"queue\"",
    [DELIVERY_IDLE] = "state=\"idle\"",           [DELIVERY_HEAD] = "state=\"head\"",
    [DELIVERY_REPLY] = "state=\"reply\"",         [DELIVERY_WRITE] = "state=\"write\"",
    [DELIVERY_LINGER] = "state=\"linger\"",       [DELIVERY_LAST_CALL] = "state=\"last-call\"",
    [DELIVERY_DRAIN] = "state=\"drain\"",
};

static const char *const class_labels[DELIVERY_STATUS_CLASSES] = {
    NULL, NULL, "class=\"2xx\"", "class=\"3xx\"", "class=\"4xx\"", "class=\"5xx\"",
};

static const char *const refusal_labels[DELIVERY_REFUSALS] = {
    [DELIVERY_REFUSED_TOTAL] = "limit=\"total\"",
    [DELIVERY_REFUSED_CLIENT] = "limit=\"client\"",
    [DELIVERY_REFUSED_HANDSHAKE] = "limit=\"handshake\"",
};

static const char *const flood_labels[DELIVERY_FLOODS] = {
    [DELIVERY_FLOOD_RESETS] = "of=\"resets\"",
    [DELIVERY_FLOOD_FRAMES] = "of=\"frames\"",
};

void delivery_meters_init(struct meters *meters, struct base_metrics *metrics) {
  *meters = (struct meters){
      .connections_open = base_metrics_gauge(metrics, "pixpop_delivery_connections_open", "", "Open connections."),
      .connections = base_metrics_counter(metrics, "pixpop_delivery_connections_total", "", "Connections accepted."),
      .sent_bytes = base_metrics_counter(metrics, "pixpop_delivery_sent_bytes_total", "", "Bytes given to sockets."),
  };
  for (int i = 0; i < DELIVERY_REFUSALS; i++) {
    meters->refused[i] = base_metrics_counter(metrics, "pixpop_delivery_connections_refused_total", refusal_labels[i],
                                              "Connections refused by a limit.");
  }
  for (int i = 0; i < DELIVERY_FLOODS; i++) {
    meters->floods[i] = base_metrics_counter(metrics, "pixpop_delivery_http2_floods_total", flood_labels[i],
                                             "HTTP/2 connections ended because of too many resets or empty frames.");
  }
  for (int i = 2; i < DELIVERY_STATUS_CLASSES; i++) {
    meters->replies[i] =
        base_metrics_counter(metrics, "pixpop_delivery_replies_total", class_labels[i], "Replies by status class.");
  }
  for (int i = 0; i < DELIVERY_STATES; i++) {
    meters->timeouts[i] =
        base_metrics_counter(metrics, "pixpop_delivery_timeouts_total", state_labels[i], "Time-outs by state.");
  }
}

void delivery_meters_flush(const struct meters *meters, struct counts *counts) {
  for (int i = 0; i < DELIVERY_STATUS_CLASSES; i++) {
    if (counts->replies[i] > 0) base_metric_add(meters->replies[i], counts->replies[i]);
  }
  for (int i = 0; i < DELIVERY_STATES; i++) {
    if (counts->timeouts[i] > 0) base_metric_add(meters->timeouts[i], counts->timeouts[i]);
  }
  if (counts->sent_bytes > 0) base_metric_add(meters->sent_bytes, (int64_t)counts->sent_bytes);
  *counts = (struct counts){0};
}
