#include "box.h"

#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/file.h"
#include "box_parts.h"
#include "device.h"
#include "starting.h"
#include "tls/tls.h"
#include "web_assets.h"

enum {
  TUS_SWEEP_S = 60,
  KEPT_LOG_BYTES = 256 * 1024,  // of the latest lines, for support bundles
  LOG_BURST = 50,
  LEAST_FREE_BYTES = 1 << 20,  // for index, ledger and records, whatever cache.min_free says
};

static unsigned cores(void) {
  long count = sysconf(_SC_NPROCESSORS_ONLN);
  return count < 1 ? 1 : count > 256 ? 256 : (unsigned)count;
}

unsigned box_or_cores(uint64_t configured) { return configured != 0 ? (unsigned)configured : cores(); }

static struct image_limits limits_of(const struct settings *settings) {
  return (struct image_limits){.max_file_bytes = settings->limits_file_bytes,
                               .max_pixels = settings->limits_pixels,
                               .max_side = (uint32_t)settings->limits_side};
}

static enum base_result set_path(char out[BOX_MAX_PATH], const char *folder, const char *name,
                                 struct base_fault *fault) {
  if (snprintf(out, BOX_MAX_PATH, "%s/%s", folder, name) >= BOX_MAX_PATH)
    return BASE_FAIL(fault, BASE_BAD_INPUT, "pixpop.data", "the path of the data folder is too long");
  return BASE_OK;
}

// The decoder lies beside this program unless the settings say otherwise.
static enum base_result find_decoder(struct box *box, struct base_fault *fault) {
  if (box->settings.decoder_path[0] != '\0') {
    memcpy(box->decoder_path, box->settings.decoder_path, sizeof(box->settings.decoder_path));
    return BASE_OK;
  }
  char self[PATH_MAX];
  ssize_t bytes = readlink("/proc/self/exe", self, sizeof(self) - 1);
  if (bytes < 0) return BASE_FAIL_ERRNO(fault, "decoder.path", "the place of this program is unknown");
  self[bytes] = '\0';
  return set_path(box->decoder_path, dirname(self), "decoder", fault);
}

static enum base_result prepare_folders(struct box *box, struct base_fault *fault) {
  const struct settings *settings = &box->settings;
  const char *data = settings->data_folder;
  enum base_result result = set_path(box->store_path, data, "store", fault);
  if (result == BASE_OK) result = set_path(box->pem_path, data, "console.pem", fault);
  if (result == BASE_OK) result = set_path(box->certificate_path, data, "console.crt", fault);
  if (result == BASE_OK && settings->delivery_tls_certificate[0] == '\0')
    result = set_path(box->delivery_pem_path, data, "delivery.pem", fault);
  else
    memcpy(box->delivery_pem_path, settings->delivery_tls_certificate, sizeof(settings->delivery_tls_certificate));
  if (result == BASE_OK) result = set_path(box->token_path, data, "token.sha256", fault);
  if (result == BASE_OK) result = set_path(box->cache_path, data, "gpu-cache", fault);
  if (result == BASE_OK) result = find_decoder(box, fault);
  if (result == BASE_OK) result = base_folder_make(data, fault);
  if (result == BASE_OK) result = base_folder_make(box->cache_path, fault);
  // Software Vulkan keeps its compiled shaders with Mesa, not in the pipeline cache.
  if (result == BASE_OK) setenv("MESA_SHADER_CACHE_DIR", box->cache_path, 0);
  return result;
}

static enum base_result build_log(struct box *box, struct base_fault *fault) {
  struct base_log_config config = {.fd = STDERR_FILENO,
                                   .json = strcmp(box->settings.log_format, "json") == 0,
                                   .kept_bytes = KEPT_LOG_BYTES,
                                   .burst = LOG_BURST};
  if (!base_log_level_parse(box->settings.log_level, &config.level))
    return BASE_FAIL(fault, BASE_BAD_INPUT, "log.level", "unknown log level");
  box->log = base_log_create(&config);
  box->metrics = base_metrics_create();
  if (box->log == NULL || box->metrics == NULL) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "memory is short");
  return BASE_OK;
}

// Empty when the kernel does not say.
static void read_boot_id(char out[STORE_MAX_BOOT_ID + 1]) {
  struct base_buffer text;
  out[0] = '\0';
  if (base_file_read("/proc/sys/kernel/random/boot_id", STORE_MAX_BOOT_ID, &text, NULL) != BASE_OK) return;
  struct base_span rest = base_buffer_span(&text);
  if (!base_span_copy(base_span_cut(&rest, '\n'), out, STORE_MAX_BOOT_ID + 1)) out[0] = '\0';
  base_buffer_finish(&text);
}

static enum base_result build_store(struct box *box, struct base_fault *fault) {
  char boot_id[STORE_MAX_BOOT_ID + 1];
  struct starting starting;
  read_boot_id(boot_id);
  starting_begin(&starting, box->starting_path, base_clock_system(), box->log);
  struct store_config config = {.root = box->store_path,
                                .variant_budget_bytes = box->settings.cache_disk_bytes,
                                .min_free_bytes = base_max_u64(box->settings.cache_min_free_bytes, LEAST_FREE_BYTES),
                                .boot_id = boot_id,
                                .progress = starting_note,
                                .progress_self = &starting,
                                .ledger = box_ledger_config(&box->settings),
                                .clock = base_clock_system(),
                                .log = box->log,
                                .metrics = box->metrics};
  const enum base_result result = store_open(&config, &box->store, fault);
  starting_end(&starting);
  if (result == BASE_OK) box_note_settings(box);
  return result;
}

static enum base_result build_sandbox(struct box *box, struct base_fault *fault) {
  struct sandbox_config config = {.decoder_path = box->decoder_path,
                                  .workers = (unsigned)box->settings.decoder_workers,
                                  .timeout_ms = (uint32_t)box->settings.decoder_timeout_ms,
                                  .wait_ms = 30000,
                                  .memory_bytes = box->settings.decoder_memory_bytes,
                                  .uid = (uint32_t)box->settings.decoder_uid,
                                  .require_isolation = box->settings.decoder_require_isolation,
                                  .limits = limits_of(&box->settings),
                                  .log = box->log,
                                  .metrics = box->metrics};
  return sandbox_create(&config, &box->sandbox, fault);
}

static enum resample_mode resample_mode_of(const struct settings *settings) {
  if (strcmp(settings->render_resampler, "vulkan") == 0) return RESAMPLE_MODE_VULKAN;
  return strcmp(settings->render_resampler, "cpu") == 0 ? RESAMPLE_MODE_CPU : RESAMPLE_MODE_AUTO;
}

// From the resampler's thread.
static void note_failure(void *self, const struct base_fault *fault) {
  struct box *box = self;
  pthread_mutex_lock(&box->settings_lock);
  box->failure = *fault;
  pthread_mutex_unlock(&box->settings_lock);
  (void)kill(getpid(), BOX_FAILED);
}

// A driver takes seconds to load; what is there already is served meanwhile.
static enum base_result build_resampler(struct box *box, struct base_fault *fault) {
  const struct settings *settings = &box->settings;
  const struct resample_config config = {.mode = resample_mode_of(settings),
                                         .gpu = {.device = settings->render_device[0] ? settings->render_device : NULL,
                                                 .validation = settings->render_validation,
                                                 .cache_folder = box->cache_path,
                                                 .timeout_ms = (uint32_t)settings->render_gpu_timeout_ms,
                                                 .lose_after = (uint32_t)settings->render_lose_device_after,
                                                 .log = box->log,
                                                 .metrics = box->metrics},
                                         .budget_bytes = settings->render_gpu_memory_bytes,
                                         .calibration_folder = box->cache_path,
                                         .is_cold = !settings->render_warm_up,
                                         .is_background = true,
                                         .failed = note_failure,
                                         .failed_self = box,
                                         .clock = base_clock_system(),
                                         .log = box->log,
                                         .metrics = box->metrics};
  return resample_create(&config, &box->resampler, fault);
}

// Last of all, so that it takes no time from what comes before the doors are open.
static enum base_result open_device(struct box *box, struct base_fault *fault) {
  return resample_open(box->resampler, fault);
}

static enum base_result build_render(struct box *box, struct base_fault *fault) {
  const struct settings *settings = &box->settings;
  struct render_config config = {.threads = box_or_cores(settings->render_threads),
                                 .queue_limit = settings->render_queue,
                                 .webp_effort = (int)settings->render_webp_effort,
                                 .avif_speed = (int)settings->render_avif_speed,
                                 .sharp_yuv = settings->render_sharp_yuv,
                                 .resident_bytes = settings->render_resident_bytes,
                                 .linear_light = settings->render_linear_light,
                                 .store = box->store,
                                 .sandbox = box->sandbox,
                                 .resampler = box->resampler,
                                 .clock = base_clock_system(),
                                 .log = box->log,
                                 .metrics = box->metrics};
  return render_create(&config, &box->render, fault);
}

static enum base_result build_pop(struct box *box, struct base_fault *fault) {
  const struct settings *settings = &box->settings;
  enum base_result result = box_make_public_url(box, settings, &box->public_url, fault);
  if (result != BASE_OK) return result;
  struct pop_tenant *tenants = calloc(BOX_MAX_TENANTS, sizeof(*tenants));
  if (tenants == NULL) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "memory is short");
  struct pop_config config = {.tenants = tenants,
                              .tenant_count = box_fill_tenants(settings, tenants),
                              .ram_budget_bytes = settings->cache_ram_bytes,
                              .ram_policy = box_cache_policy_of(settings),
                              .renders_per_client = (unsigned)settings->render_per_client,
                              .makes_avif = settings->delivery_avif,
                              .io_threads = (unsigned)settings->cache_io_threads,
                              .io_queue_limit = settings->cache_io_queue,
                              .public_url = box->public_url,
                              .store = box->store,
                              .renderer = render_renderer(box->render),
                              .clock = base_clock_system(),
                              .log = box->log,
                              .metrics = box->metrics};
  result = pop_create(&config, &box->pop, fault);
  explicit_bzero(tenants, BOX_MAX_TENANTS * sizeof(*tenants));  // they have keys
  free(tenants);
  return result;
}

static enum base_result build_prewarm(struct box *box, struct base_fault *fault) {
  char path[BOX_MAX_PATH];
  const enum base_result result = set_path(path, box->settings.data_folder, "prewarm.json", fault);
  if (result != BASE_OK) return result;
  const struct pop_prewarm_config config = {.pop = box->pop,
                                            .store = box->store,
                                            .path = path,
                                            .clock = base_clock_system(),
                                            .log = box->log,
                                            .metrics = box->metrics};
  return pop_prewarm_create(&config, &box->prewarm, fault);
}

static void keep_levels(void *self, const struct integrity_digest *original, struct image *picture) {
  render_keep_levels(self, original, picture);
}

_Static_assert((int)SETTINGS_RULES == (int)IMAGE_RULE_COUNT, "the settings have a key for every rule");

struct image_rules box_rules_of(const struct settings *settings) {
  struct image_rules rules;
  for (int i = 0; i < IMAGE_RULE_COUNT; i++) {
    rules.verdicts[i] = image_verdict_parse(settings->rules[i]);
    BASE_ASSERT(rules.verdicts[i] != IMAGE_VERDICT_COUNT);  // the settings allow nothing else
  }
  return rules;
}

static enum base_result build_ingest(struct box *box, struct base_fault *fault) {
  struct ingest_config config = {.store = box->store,
                                 .sandbox = box->sandbox,
                                 .limits = limits_of(&box->settings),
                                 .rules = box_rules_of(&box->settings),
                                 .decoded = keep_levels,
                                 .decoded_self = box->render,
                                 .log = box->log,
                                 .metrics = box->metrics};
  return ingest_create(&config, &box->ingest, fault);
}

// It may have been asked for before it came, and what is asked of every picture is made before anybody asks.
static void note_newcomer(void *self, const char *tenant, const struct integrity_digest *original) {
  struct box *box = self;
  pop_forget(box->pop, tenant, original);
  pop_prewarm_add(box->prewarm, tenant, original);
}

static enum base_result build_tus(struct box *box, struct base_fault *fault) {
  const struct settings *settings = &box->settings;
  struct ingest_tus_config config = {
      .ingest = box->ingest,
      .store = box->store,
      .max_file_bytes = settings->limits_file_bytes,
      .expire_s = (uint32_t)settings->uploads_expire_s,
      .max_sessions = (uint32_t)settings->uploads_sessions,
      .max_sessions_per_tenant = (uint32_t)settings->uploads_sessions_per_tenant,
      .sweep_s = settings->uploads_expire_s < TUS_SWEEP_S ? (uint32_t)settings->uploads_expire_s : TUS_SWEEP_S,
      .stored = note_newcomer,
      .stored_self = box,
      .clock = base_clock_system(),
      .log = box->log,
      .metrics = box->metrics};
  return ingest_tus_create(&config, &box->tus, fault);
}

static enum base_result build_console(struct box *box, struct base_fault *fault) {
  const struct settings *settings = &box->settings;
  char address[64];
  uint16_t port;
  enum base_result result = settings_split_listen(settings->console_listen, address, sizeof(address), &port, fault);
  if (result != BASE_OK) return result;
  if (settings->console_tls) {
    bool is_new;
    const char *names[] = {address};
    result = tls_identity_ensure(box->pem_path, names, 1, &is_new, fault);
    if (result == BASE_OK) result = tls_identity_publish(box->pem_path, box->certificate_path, fault);
    if (result != BASE_OK) return result;
  }
  struct console_config config = {.address = address,
                                  .port = port,
                                  .pem_path = settings->console_tls ? box->pem_path : NULL,
                                  .token_hash_path = box->token_path,
                                  .claim_path = settings->console_claim_file[0] ? settings->console_claim_file : NULL,
                                  .threads = (unsigned)settings->console_threads,
                                  .gate_threads = (unsigned)settings->console_gate_threads,
                                  .max_connections = (uint32_t)settings->console_max_connections,
                                  .max_connections_per_client = (uint32_t)settings->console_connections_per_client,
                                  .other_descriptors = (uint32_t)settings->delivery_max_connections,
                                  .handshake_timeout_ms = (uint32_t)settings->console_handshake_timeout_ms,
                                  .request_timeout_ms = (uint32_t)settings->console_request_timeout_ms,
                                  .body_min_rate = (uint32_t)settings->console_body_min_rate,
                                  .delivery_url = box_delivery_url(box),
                                  .assets = web_assets,
                                  .asset_count = web_asset_count,
                                  .ingest = box->ingest,
                                  .tus = box->tus,
                                  .store = box->store,
                                  .pop = box->pop,
                                  .prewarm = box->prewarm,
                                  .scrub = box->scrub,
                                  .write_device_line = device_write_line,
                                  .describe_device = device_describe,
                                  .is_starting = device_is_opening,
                                  .device_self = box->resampler,
                                  .decoder_isolation = sandbox_get_isolation(box->sandbox),
                                  .settings = &box->console_settings,
                                  .certificate = &box->console_certificate,
                                  .log_folder = settings->system_log_folder[0] ? settings->system_log_folder : NULL,
                                  .system_socket = settings->system_socket[0] ? settings->system_socket : NULL,
                                  .clock = base_clock_system(),
                                  .log = box->log,
                                  .metrics = box->metrics};
  box_set_console_settings(box);
  box_set_console_certificate(box);
  return console_start(&config, &box->console, &box->new_token, fault);
}

static void announce(struct box *box) {
  char address[64];
  uint16_t port;
  if (settings_split_listen(box->settings.console_listen, address, sizeof(address), &port, NULL) != BASE_OK) return;
  bool is_v6 = strchr(address, ':') != NULL;
  char device[CONSOLE_DEVICE_LINE_BYTES];
  device_write_line(box->resampler, device, sizeof(device));
  printf("pixpop %s is ready\n", PIXPOP_VERSION);
  printf("  console      %s://%s%s%s:%u/\n", box->settings.console_tls ? "https" : "http", is_v6 ? "[" : "", address,
         is_v6 ? "]" : "", console_port(box->console));
  printf("  delivery     %s/i/\n", box_delivery_url(box));
  if (box->delivery_tls_url[0]) printf("  over TLS     %s/i/\n", box->delivery_tls_url);
  printf("  device       %s\n", device);
  box_announce_ledger(box);
  printf("  data         %s\n", box->settings.data_folder);
  char fingerprint[TLS_FINGERPRINT_CHARS + 1];
  if (box->settings.console_tls && tls_identity_fingerprint(box->pem_path, fingerprint, NULL) == BASE_OK)
    printf("  fingerprint  %s\n", fingerprint);
  if (box->new_token != NULL) {
    printf("  token        %s\n", box->new_token);
    printf("The token is shown this once: only its hash is kept. Delete %s and start again for a new one.\n",
           box->token_path);
    explicit_bzero(box->new_token, strlen(box->new_token));
    free(box->new_token);
    box->new_token = NULL;
  }
  if (!console_is_claimed(box->console))
    printf("Nobody has claimed this box yet: POST its one-time code to /api/v1/claim of the console.\n");
  fflush(stdout);
}

enum base_result box_start(const struct settings *settings, const struct arguments *arguments,
                           const struct delivery_handover *handover, struct box **out, struct base_fault *fault) {
  static enum base_result (*const steps[])(struct box *, struct base_fault *) = {
      prepare_folders,    build_log,       build_store,   build_sandbox,    build_resampler,
      build_render,       build_pop,       build_prewarm, build_ingest,     build_tus,
      box_build_delivery, box_build_scrub, build_console, box_guard_ledger, open_device,
  };
  struct box *box = calloc(1, sizeof(*box));
  if (box == NULL) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "memory is short");
  pthread_mutex_init(&box->settings_lock, NULL);
  pthread_mutex_init(&box->certificate_change_lock, NULL);
  pthread_mutex_init(&box->certificate_lock, NULL);
  box->settings = *settings;
  box->config_path = arguments->config_path;
  box->starting_path = arguments->starting_path;
  box->handover = handover;
  enum base_result result = BASE_OK;
  for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && result == BASE_OK; i++) result = steps[i](box, fault);
  if (result != BASE_OK) {
    box_stop(&box);
    return result;
  }
  box->handover = NULL;
  announce(box);
  *out = box;
  return BASE_OK;
}

enum base_result box_hand_over(struct box *box, struct delivery_handover *out, struct base_fault *fault) {
  return delivery_hand_over(box->delivery, out, fault);
}

enum base_result box_check(struct box *box, struct base_fault *fault) {
  pthread_mutex_lock(&box->settings_lock);
  const enum base_result result = box->failure.result;
  if (result != BASE_OK) *fault = box->failure;
  pthread_mutex_unlock(&box->settings_lock);
  return result;
}

void box_stop(struct box **pointer) {
  struct box *box = *pointer;
  if (box == NULL) return;
  *pointer = NULL;
  // What waits for a device would keep the doors and all behind them from ending, if need be for ever.
  pop_prewarm_stop(box->prewarm);
  if (box->resampler != NULL) resample_stop(box->resampler);
  // Doors first, so that nothing new comes in; then what is in flight ends before its rooms go.
  if (box->delivery != NULL) delivery_stop(box->delivery, (uint32_t)box->settings.delivery_drain_ms);
  if (box->console != NULL) console_stop(&box->console);
  if (box->scrub != NULL) store_scrub_stop(&box->scrub);
  ingest_tus_destroy(&box->tus);
  pop_prewarm_destroy(&box->prewarm);
  if (box->pop != NULL) pop_drain(box->pop);
  render_destroy(&box->render);
  delivery_destroy(&box->delivery);
  ingest_destroy(&box->ingest);
  pop_destroy(&box->pop);
  sandbox_destroy(&box->sandbox);
  store_close(&box->store);
  // After the store, which must be closed whatever becomes of us: a driver that is still being opened is waited for.
  resample_destroy(&box->resampler);
  base_metrics_destroy(&box->metrics);
  base_log_destroy(&box->log);
  free(box->new_token);
  box_free_urls(box);
  pthread_mutex_destroy(&box->certificate_lock);
  pthread_mutex_destroy(&box->certificate_change_lock);
  pthread_mutex_destroy(&box->settings_lock);
  free(box);
}
