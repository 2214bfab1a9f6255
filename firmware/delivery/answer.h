// Sends a connection's reply: builds the head, writes what the socket takes, and ends the exchange.
#ifndef DELIVERY_ANSWER_H
#define DELIVERY_ANSWER_H

#include "connection.h"

enum answer {
  ANSWER_SENT,     // all of it; the connection is ready for the next request
  ANSWER_BLOCKED,  // the connection waits in DELIVERY_WRITE
  ANSWER_CLOSED,   // the connection is closing or gone: do not touch it
};

// Begins to send connection->exchange->reply.
enum answer delivery_answer_start(struct connection *connection) BASE_CHECKED;
// Goes on with it when the socket takes bytes again.
enum answer delivery_answer_continue(struct connection *connection) BASE_CHECKED;
// The write time-out ran out: aborts, unless the client keeps the pace; then the time begins again.
void delivery_answer_timeout(struct connection *connection);
// Logs and counts an exchange whose reply has been sent.
void delivery_answer_record(const struct exchange *exchange);
// Fills connection->exchange's reply with the problem and sends it; makes an exchange when there is none.
enum answer delivery_answer_problem(struct connection *connection, const struct base_fault *fault);

#endif
