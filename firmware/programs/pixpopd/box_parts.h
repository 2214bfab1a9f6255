// What the box consists of; shared by the files that build it and reload it.
#ifndef PIXPOPD_BOX_PARTS_H
#define PIXPOPD_BOX_PARTS_H

#include <pthread.h>

#include "console/console.h"
#include "delivery/delivery.h"
#include "ingest/ingest.h"
#include "pop/ledger.h"
#include "pop/pop.h"
#include "render/render.h"
#include "resample/resample.h"
#include "sandbox/sandbox.h"
#include "settings/settings.h"
#include "store/scrub.h"
#include "store/store.h"

enum { BOX_MAX_PATH = 512, BOX_MAX_ROUTES = 6 };

struct box {
  pthread_mutex_t settings_lock;             // of what SIGHUP changes in the settings while others read; for its file
  struct settings settings;                  // as running
  const char *config_path;                   // of the configuration file; NULL: there is none
  const char *starting_path;                 // told of a long start; NULL: there is none
  const struct delivery_handover *handover;  // borrowed during the start; NULL: none
  struct box_url *urls;                      // all that were public in this run, the latest first; NULL: none
  const char *public_url;                    // one of them or NULL
  char delivery_url[SETTINGS_MAX_TEXT];      // what serves for it as long as it is NULL
  char delivery_tls_url[SETTINGS_MAX_TEXT];  // empty without TLS
  char store_path[BOX_MAX_PATH], pem_path[BOX_MAX_PATH], certificate_path[BOX_MAX_PATH], token_path[BOX_MAX_PATH],
      cache_path[BOX_MAX_PATH], delivery_pem_path[BOX_MAX_PATH];
  char decoder_path[BOX_MAX_PATH];
  pthread_mutex_t certificate_change_lock;  // held while its file is written and shown; taken before certificate_lock
  pthread_mutex_t certificate_lock;         // of these; never held while a disk is waited for
  struct tls_about certificate;             // that new connections see
  int64_t certificate_told_day;             // when its end was last warned of, in days since 1970
  struct base_metric *certificate_end;
  struct base_fault failure;  // of a part that came late; under settings_lock
  struct http_route routes[BOX_MAX_ROUTES];

  // In the order they are built.
  struct base_log *log;
  struct base_metrics *metrics;
  struct store *store;
  struct sandbox *sandbox;
  struct resampler *resampler;
  struct render *render;
  struct pop *pop;
  struct pop_prewarm *prewarm;
  struct ingest *ingest;
  struct ingest_tus *tus;
  struct delivery *delivery;
  struct store_scrub *scrub;  // NULL: it is off
  struct console *console;
  struct console_settings console_settings;
  struct console_certificate console_certificate;
  struct pop_ledger_guard ledger_guard;
  char *new_token;  // printed once, then wiped
};

// The tenants of the settings as pop wants them, "default" among them; `out` has room for BOX_MAX_TENANTS. Returns how
// many. The keys in it are secret: wipe it after use.
enum { BOX_MAX_TENANTS = SETTINGS_MAX_TENANTS + 1 };
size_t box_fill_tenants(const struct settings *settings, struct pop_tenant *out);
enum cache_policy box_cache_policy_of(const struct settings *settings);

// Where visitors find pictures, without '/' at its end: public_url of the settings with its names filled in, to be
// public from now on. NULL: they name none. Rooms borrow it: it lives as long as the box. BASE_NO_MEMORY.
enum base_result box_make_public_url(struct box *box, const struct settings *settings, const char **out,
                                     struct base_fault *fault) BASE_CHECKED;
// The public URL or, without one, the address that is listened on.
const char *box_delivery_url(const struct box *box);
// With the box, after all its rooms.
void box_free_urls(struct box *box);

// The public side with its certificate; sets the URLs.
enum base_result box_build_delivery(struct box *box, struct base_fault *fault) BASE_CHECKED;
// The certificate of delivery over TLS, before delivery starts: makes one where there is none or a damaged one.
enum base_result box_ensure_certificate(struct box *box, struct base_fault *fault) BASE_CHECKED;
// After it has started: notes what it shows, and warns when that ends soon.
void box_note_certificate(struct box *box);
// SIGHUP: its file is read again. After a failure the old one stays. Nothing without TLS.
enum base_result box_reload_certificate(struct box *box, struct base_fault *fault) BASE_CHECKED;
// What the console may know of it, and change.
void box_set_console_certificate(struct box *box);
// A number of threads, 0 meaning one a core.
unsigned box_or_cores(uint64_t configured);

struct store_ledger_config box_ledger_config(const struct settings *settings);
// Enters the settings, as running, in the ledger; what keeps it from that is logged.
void box_note_settings(struct box *box);
// Prints the verifier key, or what is wrong.
void box_announce_ledger(const struct box *box);
enum base_result box_build_scrub(struct box *box, struct base_fault *fault) BASE_CHECKED;
// Lets the delivery side ask the console about tokens.
enum base_result box_guard_ledger(struct box *box, struct base_fault *fault) BASE_CHECKED;

// What the console may know of the settings, and replace.
void box_set_console_settings(struct box *box);

// The rules of the settings as ingest wants them.
struct image_rules box_rules_of(const struct settings *settings);

#endif
