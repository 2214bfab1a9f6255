// Errors as application/problem+json (RFC 9457), and the one table from results to HTTP statuses.
#ifndef HTTP_PROBLEM_H
#define HTTP_PROBLEM_H

#include "http/message.h"

// The status for a result (BASE_BUSY -> 503, BASE_NO_SPACE -> 507 ...).
int http_status_of(enum base_result result);

// Initialises `reply` with the problem (finish a filled one first). The status is http_status_of(fault->result), but
// 414 for a request line over its limit. A fault that recorded nothing is an internal error. Members: type
// ("urn:pixpop:problem:<result-name>"), title, status, detail (the fault's text), and when known "subject" (the option,
// header or limit that is wrong) and "request_id". Headers: Content-Type, Cache-Control: no-store,
// X-Content-Type-Options: nosniff; Retry-After for 503 and 423, WWW-Authenticate for 401. Allow for 405 is the
// caller's. 5xx of our own (IO, INTERNAL, ...) never leak paths: their detail is generic.
void http_problem_reply(struct http_reply *reply, const struct base_fault *fault, const char *request_id);
// The same straight to a sink.
void http_problem_send(struct http_sink *sink, const struct base_fault *fault, const char *request_id);

#endif
