// A server on loopback that follows a script, on a thread of its own.
#ifndef TESTS_SCRIPTED_SERVER_H
#define TESTS_SCRIPTED_SERVER_H

#include <pthread.h>

#include "base/span.h"

enum scripted_kind {
  SCRIPTED_ACCEPT,         // the next connection
  SCRIPTED_REQUEST,        // reads a head and a body of Content-Length into `received`
  SCRIPTED_READ,           // reads `bytes` bytes
  SCRIPTED_SEND,           // `text`
  SCRIPTED_SEND_BYTEWISE,  // `text`, every byte on its own
  SCRIPTED_CLOSE,          // in order; with unread bytes the kernel resets instead
  SCRIPTED_HOLD,           // reads nothing for half a second, then waits until the peer closes
};

struct scripted_step {
  enum scripted_kind kind;
  const char *text;
  size_t bytes;
};

struct scripted_server {
  int listener;
  int connection;
  char url[64];
  const struct scripted_step *steps;
  size_t count;
  size_t done;                  // steps that went well
  struct base_buffer received;  // of all SCRIPTED_REQUEST; read it after the stop
  pthread_t thread;
};

// Starts; `steps` must live on. Aborts when the machine gives no socket.
void scripted_server_start(struct scripted_server *server, const struct scripted_step *steps, size_t count);
// Waits for the script's end. True when every step went well. `received` stays until scripted_server_finish.
bool scripted_server_stop(struct scripted_server *server);
void scripted_server_finish(struct scripted_server *server);

#endif
