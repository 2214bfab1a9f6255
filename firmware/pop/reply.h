// The replies and fields that do not depend on a variant.
#ifndef POP_REPLY_H
#define POP_REPLY_H

#include "http/message.h"

// Fields of every successful reply: anyone may read it (CORS), nobody may guess its type.
void pop_reply_add_open_fields(struct http_reply *reply);
// The same for a reply that http_problem_reply made, which has nosniff already.
void pop_reply_add_error_fields(struct http_reply *reply);
// Answers OPTIONS: what is allowed here, also for a CORS preflight.
void pop_reply_options(struct http_sink *sink);
// Answers with the fault as a problem.
void pop_reply_fault(struct http_sink *sink, const struct base_fault *fault, const char *request_id);

#endif
