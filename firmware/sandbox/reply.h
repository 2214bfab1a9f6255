// Judging what a decoder says: it has parsed a hostile file, so its words are as hostile as the file.
#ifndef SANDBOX_REPLY_H
#define SANDBOX_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "sandbox/protocol.h"

// How long an answer to `operation` is; it begins with a struct sandbox_reply.
size_t sandbox_reply_bytes(enum sandbox_operation operation);
// True when `bytes` received bytes are a reply to `operation` whose every field may be read and means something.
// Texts are terminated and made printable on the way.
bool sandbox_reply_is_sound(struct sandbox_reply *reply, size_t bytes, enum sandbox_operation operation);

#endif
