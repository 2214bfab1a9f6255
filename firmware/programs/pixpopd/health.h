// GET /healthz on the delivery side, for load balancers: answered on the event loop, whatever the queues hold.
#ifndef PIXPOPD_HEALTH_H
#define PIXPOPD_HEALTH_H

#include "http/message.h"

struct http_handler health_handler(void);

#endif
