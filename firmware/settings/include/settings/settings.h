// Settings: the one INI-style configuration file, its defaults and its documentation, as one table.
//
// Programs load it and hand plain values to the rooms; no room looks anything up. Immutable after loading.
//
// Grammar: `[section]` or `[tenant NAME]` lines, `key = value` lines, comments from '#' or ';' at a line's start, blank
// lines. Sizes take K, M, G (powers of 1024); switches are on/off. Unknown sections and keys, repeated keys and bad
// values are refused with file and line.
#ifndef SETTINGS_SETTINGS_H
#define SETTINGS_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "recipe/signature.h"

enum {
  SETTINGS_MAX_TEXT = 256,
  SETTINGS_MAX_TENANTS = 32,
  SETTINGS_MAX_HOSTS = 8,
  SETTINGS_MAX_TENANT_NAME = 32,
  SETTINGS_MAX_FILE_BYTES = 256 * 1024,
  SETTINGS_RULES = 18,  // those of image/report.h
  SETTINGS_MAX_RULE = 8,
  SETTINGS_MAX_SIGN_KEYS = 4,  // of each kind
  SETTINGS_MAX_LADDER = 32,
  SETTINGS_MAX_HOST_NAMES = 4,  // SETTINGS_HOST_NAME in a URL
  SETTINGS_MAX_SALT = 32,
};
#define SETTINGS_HOST_NAME "{host_name}"  // in delivery.public_url: what the machine is called

struct settings_tenant {
  char name[SETTINGS_MAX_TENANT_NAME + 1];
  size_t host_count;
  char hosts[SETTINGS_MAX_HOSTS][SETTINGS_MAX_TEXT];
  bool hints;
  char unsigned_policy[8];  // "ladder", "open" or "none"; empty: as delivery.unsigned
  size_t key_count;
  struct recipe_sign_key keys[SETTINGS_MAX_SIGN_KEYS];  // of native and IIIF URLs; the first one signs
  size_t imgproxy_key_count;
  struct recipe_sign_key imgproxy_keys[SETTINGS_MAX_SIGN_KEYS];
  char salt[SETTINGS_MAX_SALT + 1];  // of cache keys
  size_t ladder_count;               // 0: as delivery.ladder
  uint32_t ladder[SETTINGS_MAX_LADDER];
};

// A value for each row of the table in settings.c, where units, ranges and defaults are documented.
struct settings {
  char data_folder[SETTINGS_MAX_TEXT];
  char log_level[16], log_format[16];

  char console_listen[SETTINGS_MAX_TEXT];
  bool console_tls;
  uint64_t console_threads, console_gate_threads;
  uint64_t console_max_connections, console_connections_per_client;
  uint64_t console_handshake_timeout_ms;
  uint64_t console_request_timeout_ms;
  uint64_t console_body_min_rate;
  char console_claim_file[SETTINGS_MAX_TEXT];

  char delivery_listen[SETTINGS_MAX_TEXT];
  char delivery_tls_listen[SETTINGS_MAX_TEXT];
  char delivery_tls_certificate[SETTINGS_MAX_TEXT];
  bool delivery_http2;
  char delivery_public_url[SETTINGS_MAX_TEXT];
  uint64_t delivery_loops;
  uint64_t delivery_max_connections;
  uint64_t delivery_connections_per_client;
  uint64_t delivery_handshake_timeout_ms, delivery_head_timeout_ms, delivery_idle_timeout_ms;
  uint64_t delivery_write_timeout_ms, delivery_reply_timeout_ms;
  uint64_t delivery_drain_ms;
  char delivery_unsigned[8];
  char delivery_ladder[SETTINGS_MAX_TEXT];
  bool delivery_avif;

  uint64_t limits_file_bytes;
  uint64_t limits_pixels;
  uint64_t limits_side;

  uint64_t uploads_expire_s;
  uint64_t uploads_sessions, uploads_sessions_per_tenant;

  char rules[SETTINGS_RULES][SETTINGS_MAX_RULE];  // "allow", "alert" or "block", in the order of enum image_rule

  uint64_t cache_ram_bytes;
  char cache_policy[8];
  uint64_t cache_disk_bytes;
  uint64_t cache_min_free_bytes;
  uint64_t cache_io_threads;
  uint64_t cache_io_queue;

  bool ledger_on, ledger_public;
  uint64_t ledger_commit_ms, ledger_compact_mb;
  bool scrub_on;
  uint64_t scrub_mb_per_s, scrub_rest_h;

  uint64_t render_threads;
  uint64_t render_queue;
  uint64_t render_per_client;
  uint64_t render_webp_effort;
  uint64_t render_avif_speed;
  bool render_sharp_yuv;
  bool render_linear_light;
  uint64_t render_resident_bytes;
  char render_resampler[16];
  char render_device[SETTINGS_MAX_TEXT];
  uint64_t render_gpu_memory_bytes;
  bool render_warm_up;
  uint64_t render_gpu_timeout_ms;
  bool render_validation;
  uint64_t render_lose_device_after;

  char decoder_path[SETTINGS_MAX_TEXT];
  uint64_t decoder_workers;
  uint64_t decoder_timeout_ms;
  uint64_t decoder_memory_bytes;
  uint64_t decoder_uid;
  bool decoder_require_isolation;
  char system_socket[SETTINGS_MAX_TEXT], system_log_folder[SETTINGS_MAX_TEXT], system_settings_file[SETTINGS_MAX_TEXT];

  size_t tenant_count;
  struct settings_tenant tenants[SETTINGS_MAX_TENANTS];
};

// All defaults.
void settings_defaults(struct settings *out);
// Defaults, then the file. BASE_BAD_INPUT with "file:line" as subject; BASE_NOT_FOUND and BASE_IO for the file itself.
enum base_result settings_load(const char *path, struct settings *out, struct base_fault *fault) BASE_CHECKED;
// The same from text; `name` stands for the file in faults.
enum base_result settings_parse(struct base_span text, const char *name, struct settings *out,
                                struct base_fault *fault) BASE_CHECKED;
// One override as "section.key=value", from the command line.
enum base_result settings_override(struct settings *settings, const char *assignment,
                                   struct base_fault *fault) BASE_CHECKED;
// A complete configuration file: every key with its meaning, range and default.
enum base_result settings_print_reference(struct base_buffer *out) BASE_CHECKED;
// Appends every value as text, but of secrets (tenants' keys) only how many there are. Equal settings, equal text.
enum base_result settings_describe(const struct settings *settings, struct base_buffer *out) BASE_CHECKED;
// Splits "127.0.0.1:8080" or "[::1]:8080"; port 0 is allowed.
enum base_result settings_split_listen(const char *listen, char *address, size_t capacity, uint16_t *port,
                                       struct base_fault *fault) BASE_CHECKED;
// Widths as "160,320,480": 1 to SETTINGS_MAX_LADDER of them, ascending, 1..8192.
enum base_result settings_widths_parse(struct base_span text, uint32_t out[SETTINGS_MAX_LADDER], size_t *count,
                                       struct base_fault *fault) BASE_CHECKED;
// "section.key" of the first value that differs and only takes effect after a restart; NULL: there is none.
const char *settings_needs_restart(const struct settings *running, const struct settings *wanted);
// The same for what belongs to the machine: its folders, addresses and devices. NULL: one may run with the other's.
const char *settings_other_machine(const struct settings *own, const struct settings *wanted);

#endif
