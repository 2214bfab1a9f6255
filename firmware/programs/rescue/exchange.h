// One client's requests and replies, apart from the connection that they come and go by.
#ifndef RESCUE_EXCHANGE_H
#define RESCUE_EXCHANGE_H

#include "http/message.h"

enum { EXCHANGE_REPLY_BYTES = 2 << 20 };

// Appends status line, headers and body; finishes `reply`. `says_close`: no other request is answered.
enum base_result exchange_write_reply(struct http_reply *reply, bool says_close, struct base_buffer *out) BASE_CHECKED;
// What a request without TLS gets: the same address with TLS (308); `reply` is initialised here.
void exchange_redirect(const struct http_request *request, struct http_reply *reply);

#endif
