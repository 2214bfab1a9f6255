// What the box consists of; shared by the files that build it and reload it.
#ifndef PIXPOPD_BOX_PARTS_H
#define PIXPOPD_BOX_PARTS_H

#include "console/console.h"
#include "delivery/delivery.h"
#include "ingest/ingest.h"
#include "pop/pop.h"
#include "render/render.h"
#include "resample/resample.h"
#include "sandbox/sandbox.h"
#include "settings/settings.h"
#include "store/store.h"

enum { BOX_MAX_PATH = 512, BOX_MAX_ROUTES = 3 };

struct box {
  struct settings settings;  // as running
  char delivery_url[SETTINGS_MAX_TEXT];
  char store_path[BOX_MAX_PATH], pem_path[BOX_MAX_PATH], certificate_path[BOX_MAX_PATH], token_path[BOX_MAX_PATH],
      cache_path[BOX_MAX_PATH];
  char decoder_path[BOX_MAX_PATH];
  char device_text[600];
  struct http_route routes[BOX_MAX_ROUTES];

  // In the order they are built.
  struct base_log *log;
  struct base_metrics *metrics;
  struct store *store;
  struct sandbox *sandbox;
  struct resampler *resampler;
  struct render *render;
  struct pop *pop;
  struct ingest *ingest;
  struct ingest_tus *tus;
  struct delivery *delivery;
  struct console *console;
  char *new_token;  // printed once, then wiped
};

// The tenants of the settings as pop wants them; `out` has room for SETTINGS_MAX_TENANTS.
void box_fill_tenants(const struct settings *settings, struct pop_tenant *out);

// The rules of the settings as ingest wants them.
struct image_rules box_rules_of(const struct settings *settings);

#endif
