// The console: uploads, the administration API and the web page, served by CivetWeb behind a gate of our own that takes
// slow clients by the ten thousand. The only room that sees CivetWeb.
//
// The program starts one. Everything but /healthz, the log-in and the page itself needs the token or a session.
#ifndef CONSOLE_CONSOLE_H
#define CONSOLE_CONSOLE_H

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "http/message.h"
#include "ingest/ingest.h"
#include "ingest/tus.h"
#include "pop/pop.h"
#include "pop/prewarm.h"
#include "sandbox/isolation.h"
#include "store/scrub.h"
#include "store/store.h"
#include "tls/certificate.h"

// One embedded file of the web page.
struct console_asset {
  const char *path;  // "/index.html"
  const char *media_type;
  const uint8_t *data;
  size_t bytes;
};

// What the program knows of its settings, for backups and support bundles. From any thread.
struct console_settings {
  // Appends the configuration as it lies in its file, secrets and all. BASE_NOT_FOUND: there is no file. NULL: never.
  enum base_result (*read)(void *self, struct base_buffer *out, struct base_fault *fault);
  // Makes `text` the configuration from the next start on, durably, when it is one that this box would run with.
  // BASE_NOT_FOUND: no settings are restored here; BASE_BAD_INPUT: they are wrong; BASE_CONFLICT: they are of another
  // machine. NULL: never.
  enum base_result (*replace)(void *self, struct base_span text, struct base_fault *fault);
  // Appends what `replace` would replace: its text or, as long as there is none, the configuration in use, secrets and
  // all. BASE_NOT_FOUND: no settings are replaced here. NULL: never.
  enum base_result (*read_next)(void *self, struct base_buffer *out, struct base_fault *fault);
  // Appends every value as text, but of secrets only that they are there. NULL: none.
  enum base_result (*describe)(void *self, struct base_buffer *out, struct base_fault *fault);
  // The names of all tenants, "default" among them; how many, at most `capacity`.
  size_t (*tenants)(void *self, char (*out)[STORE_MAX_TENANT + 1], size_t capacity);
  void *self;
};
enum { CONSOLE_MAX_SETTINGS_BYTES = 256 * 1024, CONSOLE_MAX_TENANTS = 64, CONSOLE_DEVICE_LINE_BYTES = 600 };

// The certificate that the delivery side shows, which the program looks after. From any thread.
enum console_certificate_source {
  CONSOLE_CERTIFICATE_MADE,   // by the box
  CONSOLE_CERTIFICATE_GIVEN,  // by `replace`
  CONSOLE_CERTIFICATE_NAMED   // a file that the settings name: neither replaced nor removed here
};
enum { CONSOLE_MAX_WARNINGS = 2, CONSOLE_WARNING_BYTES = 400 };
struct console_certificate_state {
  struct tls_about about;
  enum console_certificate_source source;
  size_t warning_count;
  char warnings[CONSOLE_MAX_WARNINGS][CONSOLE_WARNING_BYTES];  // each half a sentence: it ends soon, ...
  char advice[CONSOLE_WARNING_BYTES];  // the same, said once to whoever brings the certificate; may be empty
};
struct console_certificate {
  // What new connections see. False when delivery has no TLS.
  bool (*get)(void *self, struct console_certificate_state *out);
  // Shows this one from now on, and after every start: PEM as for tls_identity_check, whose faults it gives.
  // BASE_CONFLICT: not on this box, with what to set. After a failure everything is as it was.
  enum base_result (*replace)(void *self, struct base_span pem, struct base_fault *fault);
  // Back to one that the box makes itself. Faults as above.
  enum base_result (*remove)(void *self, struct base_fault *fault);
  void *self;
};

// Zero or NULL means the default where one is given. Strings, assets and rooms are borrowed until console_stop.
struct console_config {
  const char *address;          // default "127.0.0.1"
  uint16_t port;                // 0: the kernel chooses (tests)
  const char *pem_path;         // key and certificate: TLS; NULL: plain HTTP, only allowed on a loopback address
  const char *token_hash_path;  // where the hash of the bearer token is kept
  const char *claim_path;       // hash of the one-time code that the first token is issued for; NULL: none
  unsigned threads;             // CivetWeb workers: requests being answered at once; default 64
  unsigned gate_threads;        // that move bytes of clients, 2..64, 1 counts as 2; default: by the number of cores
  uint32_t max_connections;     // default 12,000; fewer, with a warning, when RLIMIT_NOFILE has no room for them
  uint32_t max_connections_per_client;  // default 64
  uint32_t other_descriptors;           // that others in the process may need, to be left alone
  uint32_t handshake_timeout_ms;        // default 3,000
  uint32_t request_timeout_ms;          // silence within a request; default 30,000
  uint32_t body_min_rate;    // bytes a second an upload must bring, on average over request_timeout_ms; 0: any
  const char *delivery_url;  // base URL shown by the page for public links, e.g. "http://127.0.0.1:8080"
  const struct console_asset *assets;
  size_t asset_count;
  struct ingest *ingest;
  struct ingest_tus *tus;
  struct store *store;
  struct pop *pop;
  struct pop_prewarm *prewarm;  // told of new originals; NULL: nothing is prewarmed
  struct store_scrub *scrub;    // NULL: there is none
  // For /api/v1/status: one line on what pictures are resampled with, in CONSOLE_DEVICE_LINE_BYTES. From any thread, as
  // the next.
  void (*write_device_line)(void *self, char *out, size_t capacity);
  // For /api/v1/device: appends one JSON object on the same. NULL: 404.
  enum base_result (*describe_device)(void *self, struct base_buffer *json, struct base_fault *fault);
  // For /healthz, which says "starting" in place of "ok" (with 200: what there is is served). NULL: never.
  bool (*is_starting)(void *self);
  void *device_self;
  struct sandbox_isolation decoder_isolation;     // for /api/v1/status
  const struct console_settings *settings;        // NULL: they are in no backup
  const struct console_certificate *certificate;  // of delivery; NULL: it has none
  const char *system_socket;                      // of the system program (update/agent.h); NULL: this is no appliance
  const char *log_folder;  // of the services of an appliance: the ends of its */current go into support bundles; NULL
  const struct base_clock *clock;
  struct base_log *log;
  struct base_metrics *metrics;
};

struct console;

// Starts the server. Makes the token when `token_hash_path` is missing: then *new_token is a string the caller prints
// once and frees; else NULL. One console in a process (the hatch to CivetWeb is the process's).
// BASE_BAD_INPUT: the address is not numeric, or plain HTTP beyond loopback; BASE_CONFLICT: the port is in use;
// BASE_CORRUPT: the token file is damaged. SIGPIPE is ignored in the whole process from here on.
enum base_result console_start(const struct console_config *config, struct console **out, char **new_token,
                               struct base_fault *fault) BASE_CHECKED;
// False while the box waits for its first token to be claimed.
bool console_is_claimed(const struct console *console);
// The port that is listened on.
uint16_t console_port(const struct console *console);
// Judges a request that came elsewhere (to delivery) by its Authorization: BASE_UNAUTHORIZED for none or a wrong one,
// BASE_RATE for a client that guesses too often. Thread-safe; does not block. `console` is a struct console: a
// callback's argument.
enum base_result console_check_token(void *console, const struct http_request *request,
                                     struct base_fault *fault) BASE_CHECKED;
// Reads pem_path again, for connections from now on; after a failure the old certificate stays. Nothing without TLS.
enum base_result console_reload_certificate(struct console *console, struct base_fault *fault) BASE_CHECKED;
// Takes the place of the configuration's delivery_url, for replies from now on; both are borrowed until console_stop.
void console_set_delivery_url(struct console *console, const char *url);
// New requests get 503; those that run may end, for at most 10 s; then everything is closed, joined and freed.
void console_stop(struct console **console);

#endif
