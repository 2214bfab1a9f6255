// The journey of one GET or HEAD through RAM, disk and renderer.
#ifndef POP_JOURNEY_H
#define POP_JOURNEY_H

#include "state.h"

// Answers at once from RAM, or later from the I/O pool or a render worker. The sink is completed exactly once.
// `is_trusted`: no signature is asked for, and no limit of a client holds.
void pop_journey_begin(struct pop *pop, const struct http_request *request, struct http_sink *sink, bool is_trusted);
// Answers with a fault and counts it.
void pop_journey_refuse(struct pop *pop, struct http_sink *sink, const struct base_fault *fault,
                        const char *request_id);

#endif
