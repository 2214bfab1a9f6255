// What clients are answered: lines of JSON (update/agent.h).
#ifndef SYSTEM_REPLY_H
#define SYSTEM_REPLY_H

#include "base/json.h"

enum { REPLY_MAX_BYTES = 65536 };

// A line is begun, written into and ended; failures stick in the writer.
struct reply {
  struct base_buffer bytes;
  struct base_json_writer json;
};
void reply_begin(struct reply *reply);
// With "result" (and for a failure "text" and "subject"): the last line.
void reply_end_last(struct reply *reply, enum base_result result, const struct base_fault *fault);
void reply_end(struct reply *reply);
void reply_finish(struct reply *reply);

// Sends a line that was ended. `patience_ms` 0: what the socket does not take at once is lost, with the client.
// False: the client is of no more use.
bool reply_send(const struct reply *reply, int fd, unsigned patience_ms);
// One that says no more than the result, without waiting.
void reply_result(int fd, enum base_result result, const struct base_fault *fault);

#endif
