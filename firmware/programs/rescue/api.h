// What the rescue page asks and changes: from a request to a reply. Knows no connections. One thread.
//
//   GET  /, /rescue.css, /rescue.js    the page
//   GET  /healthz                      "rescue"
//   POST /api/v1/session               body: the code on the console -> 201 {"token"}; DELETE ends it
// and with "Authorization: Bearer TOKEN":
//   GET  /api/v1/status                slots, the last or running install, addresses, time
//   GET  /api/v1/log                   the kernel's log and this program's, text
//   GET  /api/v1/support               a tar archive of all that helps others to see what is wrong
//   POST /api/v1/choose?slot=A         the slot that boots next
//   PUT  /api/v1/slots/A[?older=1]     body: a bundle (Content-Length), installed as it comes
//   POST /api/v1/factory-reset         -> 200 {"confirm"}; again with ?confirm=... within a minute: it is done
//   POST /api/v1/network/forget        removes the system's network settings; 409 without a data partition to write to
//   POST /api/v1/reboot                ends the program with the exit status that asks for a restart
#ifndef RESCUE_API_H
#define RESCUE_API_H

#include "access.h"
#include "arguments.h"
#include "base/watchdog.h"
#include "install.h"
#include "network.h"

enum { API_CONFIRM_BYTES = 16, API_CONFIRM_S = 60, API_MAX_BODY = 256 };

struct api {
  const struct arguments *arguments;
  const struct base_clock *clock;
  struct base_log *log;
  struct network *network;
  struct access access;
  struct state state;
  struct install *install;
  struct base_watchdog watchdog;
  uint64_t started_ms;
  uint64_t used_ms;                         // by somebody with a session
  uint64_t rearmed_ms;                      // 0: not yet
  char confirm[2 * API_CONFIRM_BYTES + 1];  // of a factory reset; empty: none is asked for
  uint64_t confirm_ms;
  bool is_reset_done;
  bool wants_reboot;
};

// True for a request whose body is a bundle: api_begin_upload wants it before the body comes.
bool api_is_upload(const struct http_request *request);
// BASE_OK: the body goes to api->install, and then comes api_upload_reply.
enum base_result api_begin_upload(struct api *api, const struct http_request *request,
                                  struct base_fault *fault) BASE_CHECKED;
void api_upload_reply(struct api *api, struct http_reply *reply);
// Every other request; `reply` is initialised here.
void api_answer(struct api *api, const struct http_request *request, struct base_span body, struct http_reply *reply);
// For the status and the support archive.
enum base_result api_write_status(struct api *api, struct base_buffer *out) BASE_CHECKED;
// Now and then: gives the slots their tries back after a long silence, and asks for a restart when this system runs
// because no other one started.
void api_look(struct api *api);

#endif
