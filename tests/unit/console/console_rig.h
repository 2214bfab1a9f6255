// A console on a port of its own over a real store, with a fake sandbox and a renderer that a test can hold.
#ifndef TESTS_CONSOLE_RIG_H
#define TESTS_CONSOLE_RIG_H

#include <pthread.h>

#include "base/text.h"
#include "console/console.h"
#include "temp_folder.h"

enum { RIG_MAX_FILE_BYTES = 1 << 20, RIG_CSRF_CHARS = 43 };

struct console_rig {
  struct temp_folder folder;
  char pem_path[128], token_path[128];
  struct base_metrics *metrics;
  struct store *store;
  struct sandbox *sandbox;
  struct ingest *ingest;
  struct ingest_tus *tus;
  struct pop *pop;
  struct pop_prewarm *prewarm;
  struct console *console;
  char *token;
  uint16_t port;
  pthread_mutex_t lock;
  pthread_cond_t released;
  bool holds_renders;  // renders wait until this is false
  bool holds_midway;   // the same, behind the first product of an order, unless it is cancelled
  bool is_busy;        // orders are refused
  unsigned held, cancelled;
};

// What a test may choose; zero is the rig's default.
struct console_rig_config {
  bool has_tls;
  unsigned threads;
  unsigned gate_threads;
  uint32_t max_connections, max_connections_per_client, handshake_timeout_ms, request_timeout_ms, body_min_rate;
};

void console_rig_open(struct console_rig *rig, const struct console_rig_config *config);
// A test's tear-down, whose state is the rig.
int console_rig_tear_down(void **state);
void console_rig_hold_renders(struct console_rig *rig, bool holds);
// Changes a switch of the renderer and wakes everyone.
void console_rig_set(struct console_rig *rig, bool *flag, bool value);

// A connected socket with a time-out of 20 s.
int console_rig_connect(const struct console_rig *rig);

struct console_answer {
  int status;             // 0: the connection ended without a reply
  char text[256 * 1024];  // the whole reply, terminated
  char *body;             // in text
};

void console_rig_send(int fd, const void *bytes, size_t count);
// Reads until the connection ends; closes it.
void console_rig_receive(int fd, struct console_answer *out);
// Sends "METHOD target HTTP/1.1" with Host, "Connection: close", the given fields (each ended by CRLF) and, when `body`
// is not NULL, a body with its Content-Length. Over plain TCP.
void console_rig_ask(const struct console_rig *rig, const char *method, const char *target, const char *fields,
                     const char *body, struct console_answer *out);
// The same with the token.
void console_rig_ask_as_owner(const struct console_rig *rig, const char *method, const char *target, const char *fields,
                              const char *body, struct console_answer *out);
// The value of a field in the reply, or "" (one static buffer).
const char *console_answer_field(const struct console_answer *answer, const char *name);
// Uploads `body` as an original with the token, and copies the id that the box gave it ("" when it gave none).
void console_rig_upload(const struct console_rig *rig, const char *body, struct console_answer *out,
                        char id[BASE_DIGEST_BASE64URL_CHARS + 1]);
// The text member of that name in a JSON body, or "" (one static buffer).
const char *console_answer_member(const struct console_answer *answer, const char *name);

#endif
