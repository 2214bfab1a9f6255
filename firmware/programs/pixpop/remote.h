// The console and the delivery side of a box, as the options name them.
#ifndef PIXPOP_REMOTE_H
#define PIXPOP_REMOTE_H

#include "base/json.h"
#include "client/client.h"
#include "options.h"

enum { REMOTE_TOKEN_LIMIT = 4096 };

struct remote {
  struct client *client;
  const char *token;           // NULL on the delivery side
  struct base_buffer storage;  // of a token that came from a file
};

// BASE_BAD_INPUT when there is no token or the URL is none.
enum base_result remote_open_console(const struct options *options, struct remote *out,
                                     struct base_fault *fault) BASE_CHECKED;
// The same, where an answer may take `io_timeout_ms` to come (0: as long as any other).
enum base_result remote_open_patient(const struct options *options, uint32_t io_timeout_ms, struct remote *out,
                                     struct base_fault *fault) BASE_CHECKED;
enum base_result remote_open_delivery(const struct options *options, struct remote *out,
                                      struct base_fault *fault) BASE_CHECKED;
// Another connection to the console of `first`, which must live longer.
enum base_result remote_open_beside(const struct options *options, const struct remote *first, struct remote *out,
                                    struct base_fault *fault) BASE_CHECKED;
void remote_close(struct remote *remote);  // also after a failed open

// A request without a body. EXIT_FINE with a 2xx response, else what complain_* returned. Finish the response always.
int remote_ask(struct remote *remote, const char *method, const char *path, const char *about,
               struct client_response *response);
// The same with a JSON body.
int remote_tell(struct remote *remote, const char *method, const char *path, struct base_span json, const char *about,
                struct client_response *response);
// A response's document. *out is to be destroyed after EXIT_FINE.
int remote_parse(const struct client_response *response, struct base_json **out);
// remote_ask with GET, parsed; *json is to be destroyed after EXIT_FINE.
int remote_ask_json(struct remote *remote, const char *path, struct client_response *response, struct base_json **json);
// A member of an answer for people to read: 0 and "-" when it is not there.
int64_t remote_integer_of(const struct base_json_value *object, const char *key);
const char *remote_text_of(const struct base_json_value *object, const char *key);
// A whole command: asks the console for a document and prints it, for people or, with --json, as it came.
int remote_show(const struct options *options, const char *path, void (*print)(const struct base_json_value *root));
// The same with any request whose answer is a document; the token is added to it.
int remote_show_answer(const struct options *options, const struct client_request *request,
                       void (*print)(const struct base_json_value *root));
// Waits before another try at what a busy box refused; longer with each.
void remote_pause_before(int retry);
// Appends with everything but letters, digits and "-._~" percent-encoded (RFC 3986 2.3).
enum base_result remote_append_encoded(struct base_buffer *out, const char *text) BASE_CHECKED;

#endif
