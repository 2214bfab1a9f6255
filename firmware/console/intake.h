// Uploads as they come: what the gate feeds with body bytes, long before a thread of CivetWeb answers the request.
//
// A request to a route with an intake waits in the gate for its bytes, which costs no thread. Each call below is made
// by one of the gate's threads, never two at once for one intake; they may wait for the disk and, one at a time, for
// decoders, never for the client.
// When the body has come whole, or open or write have failed, the request goes to CivetWeb and the route's handler
// answers it with exchange->intake (NULL when open failed; then the console answers with open's fault, before any
// handler).
//
// An intake keeps little: it waits by the ten thousand, at most 64 KiB of heap each with its connection.
#ifndef CONSOLE_INTAKE_H
#define CONSOLE_INTAKE_H

#include "exchange.h"

struct console_intake_kind;

// The beginning of what open makes.
struct console_intake {
  const struct console_intake_kind *kind;
};

struct console_intake_kind {
  // The head has come and access is granted. exchange->request, tenant, client and console are set; the request's spans
  // live as long as the intake. A fault refuses the request before its body is read.
  enum base_result (*open)(struct console_exchange *exchange, struct console_intake **out, struct base_fault *fault);
  // Body bytes, decoded from chunks, in pieces of any size. After a failure no more come; the handler finds out from
  // the intake itself what failed.
  enum base_result (*write)(struct console_intake *intake, struct base_span bytes, struct base_fault *fault);
  // The client has left, was too slow or broke the rules of HTTP: nobody will be answered. Keeps what may be resumed.
  // Called at most once, before destroy; after a body that came whole it is not called.
  void (*give_up)(struct console_intake *intake);
  // Frees, after the reply was made or given up.
  void (*destroy)(struct console_intake **intake);
};

// The kinds there are: POST /api/v1/originals; POST /api/v1/restore; POST /api/v1/uploads and PATCH
// /api/v1/uploads/{id} (tus); POST /api/v1/system/update.
extern const struct console_intake_kind console_upload_intake;
extern const struct console_intake_kind console_restore_intake;
extern const struct console_intake_kind console_tus_create_intake;
extern const struct console_intake_kind console_tus_patch_intake;
extern const struct console_intake_kind console_system_update_intake;

#endif
