#include "table.h"

#include <string.h>

#include "base/checked.h"

#define PLACE(field) offsetof(struct settings, field), sizeof(((struct settings *)0)->field)
// What has a default may not be empty, but for those that say so.
#define LEAST(fallback) (sizeof(fallback) > 1)
#define TEXT(section, key, field, fallback, reloads, meaning) \
  { section, key, section "." key, SETTINGS_TEXT, PLACE(field), fallback, LEAST(fallback), 0, NULL, reloads, meaning }
#define TEXT_OR_NONE(section, key, field, fallback, reloads, meaning) \
  { section, key, section "." key, SETTINGS_TEXT, PLACE(field), fallback, 0, 0, NULL, reloads, meaning }
#define LISTEN(section, key, field, fallback, reloads, meaning) \
  { section, key, section "." key, SETTINGS_LISTEN, PLACE(field), fallback, LEAST(fallback), 0, NULL, reloads, meaning }
#define CHOICE(section, key, field, fallback, choices, reloads, meaning) \
  { section, key, section "." key, SETTINGS_CHOICE, PLACE(field), fallback, 0, 0, choices, reloads, meaning }
#define WIDTHS(section, key, field, fallback, reloads, meaning) \
  { section, key, section "." key, SETTINGS_WIDTHS, PLACE(field), fallback, LEAST(fallback), 0, NULL, reloads, meaning }
#define URL(section, key, field, fallback, reloads, meaning) \
  { section, key, section "." key, SETTINGS_URL, PLACE(field), fallback, LEAST(fallback), 0, NULL, reloads, meaning }
#define NUMBER(section, key, field, fallback, low, high, reloads, meaning) \
  { section, key, section "." key, SETTINGS_NUMBER, PLACE(field), fallback, low, high, NULL, reloads, meaning }
#define SIZE(section, key, field, fallback, low, high, reloads, meaning) \
  { section, key, section "." key, SETTINGS_SIZE, PLACE(field), fallback, low, high, NULL, reloads, meaning }
#define SWITCH(section, key, field, fallback, reloads, meaning) \
  { section, key, section "." key, SETTINGS_SWITCH, PLACE(field), fallback, 0, 0, NULL, reloads, meaning }
// One a rule of image/report.h, in its order; a test keeps them equal.
#define RULE(index, key, fallback, meaning) \
  CHOICE("rules", key, rules[index], fallback, "allow alert block", true, "what happens to an upload when " meaning)

enum { MINUTES_10_MS = 600000, MAX_SHOWN_CHARS = 64 };
#define KIB 1024ull
#define MIB (1024ull * KIB)
#define GIB (1024ull * MIB)

// clang-format off
const struct settings_row settings_rows[] = {
  TEXT("pixpop", "data", data_folder, "/var/lib/pixpop", false,
       "folder of originals, variants, index, certificate and token hash"),

  CHOICE("log", "level", log_level, "info", "error warn info debug", true, "lines above this level are dropped"),
  CHOICE("log", "format", log_format, "text", "text json", true, "one text line or one JSON object an event"),

  LISTEN("console", "listen", console_listen, "127.0.0.1:8443", false,
       "address and port of uploads, administration and web page"),
  SWITCH("console", "tls", console_tls, "on", false,
         "TLS with the certificate in <data>/console.pem (made at first start); off only on a loopback address"),
  NUMBER("console", "threads", console_threads, "64", 4, 512, false, "requests being answered at once"),
  NUMBER("console", "gate_threads", console_gate_threads, "0", 0, 64, false,
         "threads that move the bytes of all connections, at least 2 (1 counts as 2); 0: by the number of cores"),
  NUMBER("console", "max_connections", console_max_connections, "12000", 16, 1000000, false,
         "open connections, uploads included; further ones are closed; up to 16 of them are kept for the box itself"),
  NUMBER("console", "connections_per_client", console_connections_per_client, "64", 1, 1000000, false,
         "connections from one address at once, uploads included"),
  NUMBER("console", "handshake_timeout_ms", console_handshake_timeout_ms, "3000", 100, MINUTES_10_MS, false,
         "a TLS handshake that takes longer is dropped"),
  NUMBER("console", "request_timeout_ms", console_request_timeout_ms, "30000", 100, MINUTES_10_MS, false,
         "silence within a request that is endured"),
  NUMBER("console", "body_min_rate", console_body_min_rate, "64", 0, 1000000, false,
         "bytes a second that an upload must bring, on average over request_timeout_ms; 0: any"),

  TEXT("console", "claim_file", console_claim_file, "", false,
       "file with the hash of a one-time code: while it is there and no token is, whoever knows the code gets the first "
       "one; empty: the first token is printed"),

  LISTEN("delivery", "listen", delivery_listen, "127.0.0.1:8080", false,
         "address and port of the public, read-only side"),
  LISTEN("delivery", "tls_listen", delivery_tls_listen, "", false,
         "address and port of the same over TLS; empty: none"),
  TEXT("delivery", "tls_certificate", delivery_tls_certificate, "", false,
       "PEM file with private key and certificate chain, read again on SIGHUP; empty: <data>/delivery.pem (made when "
       "missing, and the one that 'pixpop certificate' sets)"),
  SWITCH("delivery", "http2", delivery_http2, "on", false,
         "HTTP/2 as well: over TLS by ALPN, without TLS for clients that begin so"),
  URL("delivery", "public_url", delivery_public_url, "", true,
       "base URL that visitors use, shown by the console; " SETTINGS_HOST_NAME " in it is this machine's host name; empty: "
       "http://<listen>"),
  NUMBER("delivery", "loops", delivery_loops, "0", 0, 256, false, "event loops (threads); 0: one a core"),
  NUMBER("delivery", "max_connections", delivery_max_connections, "8192", 1, 1000000, false,
         "open connections; further ones get 503"),
  NUMBER("delivery", "connections_per_client", delivery_connections_per_client, "512", 0, 1000000, false,
         "open connections from one address; 0: no limit"),
  NUMBER("delivery", "handshake_timeout_ms", delivery_handshake_timeout_ms, "5000", 10, MINUTES_10_MS, false,
         "a TLS handshake that takes longer is dropped"),
  NUMBER("delivery", "head_timeout_ms", delivery_head_timeout_ms, "5000", 10, MINUTES_10_MS, false,
         "from the first byte to a whole request head"),
  NUMBER("delivery", "idle_timeout_ms", delivery_idle_timeout_ms, "60000", 10, MINUTES_10_MS, false,
         "keep-alive without a request"),
  NUMBER("delivery", "write_timeout_ms", delivery_write_timeout_ms, "30000", 10, MINUTES_10_MS, false,
         "in which a client must take 16 KiB of a reply, or its rest"),
  NUMBER("delivery", "reply_timeout_ms", delivery_reply_timeout_ms, "120000", 10, MINUTES_10_MS, false,
         "for making a reply; then 504"),
  NUMBER("delivery", "drain_ms", delivery_drain_ms, "10000", 0, MINUTES_10_MS, false,
         "how long SIGTERM and SIGUSR2 let requests in flight finish"),
  CHOICE("delivery", "unsigned", delivery_unsigned, "ladder", "ladder open none", true,
         "what goes without a signature; ladder: its widths and nothing else that makes many variants; tenants may "
         "differ"),
  WIDTHS("delivery", "ladder", delivery_ladder,
         "160,320,400,480,640,750,800,828,960,1080,1200,1280,1440,1600,1920,2048,2560,3200,3840", true,
         "widths that go unsigned, and that hints of widths are rounded up to; tenants may differ"),
  SWITCH("delivery", "avif", delivery_avif, "on", false,
         "where a client takes AVIF and leaves the format open, one is made in the background and replaces the WebP"),

  SIZE("limits", "file_bytes", limits_file_bytes, "100M", 1 * KIB, 4 * GIB, false, "largest original"),
  NUMBER("limits", "pixels", limits_pixels, "100000000", 1, 1000000000, false, "most pixels of an original"),
  NUMBER("limits", "side", limits_side, "16384", 1, 65000, false, "longest side of an original"),

  NUMBER("uploads", "expire_s", uploads_expire_s, "86400", 1, 2592000, false,
         "seconds until a resumable upload that nobody goes on with is removed"),
  NUMBER("uploads", "sessions", uploads_sessions, "20000", 1, 1000000, false,
         "resumable uploads at once, finished ones that can still be asked for included; further ones get 503"),
  NUMBER("uploads", "sessions_per_tenant", uploads_sessions_per_tenant, "0", 0, 1000000, false,
         "the same of one tenant; 0: no limit of its own"),

  RULE(0, "size", "block", "its sides or pixels are over the limits"),
  RULE(1, "ratio", "block", "one side is far longer than the other"),
  RULE(2, "expansion", "block", "it decodes to far more bytes than the file has"),
  RULE(3, "frames", "alert", "it has too many frames, pages or items"),
  RULE(4, "structure", "alert", "its lengths, order or nesting are not what the format allows"),
  RULE(5, "checksum", "alert", "a checksum in the file is wrong"),
  RULE(6, "chunk-size", "alert", "a chunk of metadata is oversized"),
  RULE(7, "nesting", "block", "boxes or directories are nested too deep, or in circles"),
  RULE(8, "text", "block", "a text in it carries markup, script or a shell"),
  RULE(9, "text-entropy", "alert", "a text in it is as dense as encrypted data"),
  RULE(10, "data-entropy", "alert", "a stretch of image data is not what the format's data looks like"),
  RULE(11, "trailing", "alert", "bytes follow the end of the picture"),
  RULE(12, "hidden", "alert", "bytes inside are reached by no part of the format"),
  RULE(13, "polyglot", "block", "it is also HTML, PHP, ZIP, PDF, a program or the like"),
  RULE(14, "colour", "allow", "its statements about its colours contradict each other"),
  RULE(15, "profile", "alert", "its ICC profile is damaged or of the wrong class"),
  RULE(16, "exif", "allow", "its EXIF block can not be read or contradicts the picture"),
  RULE(17, "gps", "alert", "it says where it was taken"),

  SIZE("cache", "ram", cache_ram_bytes, "256M", 1 * MIB, 1024 * GIB, true, "variants kept in memory"),
  CHOICE("cache", "policy", cache_policy, "lru", "lru sieve s3fifo", false, "which variants go when memory is full"),
  SIZE("cache", "disk", cache_disk_bytes, "4G", 1 * MIB, 1024 * 1024 * GIB, false, "variants kept on disk"),
  SIZE("cache", "min_free", cache_min_free_bytes, "64M", 0, 1024 * GIB, false,
       "disk space left alone: variants go for it; uploads that would still leave less get 507; 1M at the least"),
  NUMBER("cache", "io_threads", cache_io_threads, "4", 1, 256, false, "threads that read variants from disk"),
  NUMBER("cache", "io_queue", cache_io_queue, "1024", 1, 1000000, false,
         "requests waiting for them; further ones get 503"),

  SWITCH("ledger", "on", ledger_on, "on", false,
         "keep a signed log of what is stored, derived, evicted and purged, so that every object can be proven"),
  SWITCH("ledger", "public", ledger_public, "off", true,
         "serve its entries and proofs on the delivery side without a token, as checkpoint and hashes are"),
  NUMBER("ledger", "commit_ms", ledger_commit_ms, "1000", 10, 60000, false,
         "between writes of what is derived and evicted; uploads and purges are written before they are answered"),
  NUMBER("ledger", "compact_mb", ledger_compact_mb, "64", 1, 1048576, false,
         "MiB up to which the log is left to grow before what is no longer true is pruned from it"),

  SWITCH("scrub", "on", scrub_on, "on", false, "read everything on the disk again and again, to find what is damaged"),
  NUMBER("scrub", "mb_per_s", scrub_mb_per_s, "8", 0, 100000, false,
         "MiB read a second for that; 0: as fast as it goes"),
  NUMBER("scrub", "rest_h", scrub_rest_h, "24", 0, 8760, false, "hours from the end of one round to the next"),

  NUMBER("render", "threads", render_threads, "0", 0, 256, false, "pictures made at once; 0: one a core"),
  NUMBER("render", "queue", render_queue, "64", 1, 100000, false,
         "pictures waiting to be made; further ones wait for their turn (see per_client), further batches get 503"),
  NUMBER("render", "per_client", render_per_client, "32", 1, 100000, false,
         "pictures being made for one address (IPv6: its /64); four times as many wait for their turn, then 503"),
  NUMBER("render", "webp_effort", render_webp_effort, "4", 0, 6, false, "0 is fastest, 6 makes the smallest files"),
  NUMBER("render", "avif_speed", render_avif_speed, "8", 1, 10, false,
         "10 is fastest, a smaller number makes smaller files; 8 takes about twice as long as WebP"),
  SWITCH("render", "sharp_yuv", render_sharp_yuv, "off", false, "WebP: sharper chroma edges, slower"),
  SWITCH("render", "linear_light", render_linear_light, "off", false,
         "resample in linear light: finer bright details survive, slower"),
  SIZE("render", "resident", render_resident_bytes, "256M", 0, 64 * GIB, false,
       "decoded pictures kept in memory for further sizes of the same original; 0: none"),
  CHOICE("render", "resampler", render_resampler, "auto", "auto vulkan cpu", false,
         "auto: a hardware GPU, else the faster of software Vulkan and the CPU; vulkan: no start without a device"),
  TEXT("render", "device", render_device, "", false,
         "Vulkan device: an index or a part of its name; empty: the best one"),
  SIZE("render", "gpu_memory", render_gpu_memory_bytes, "256M", 16 * MIB, 64 * GIB, false,
       "device memory in use at once; larger pictures go through in parts"),
  SWITCH("render", "warm_up", render_warm_up, "on", false,
         "compile what the device runs before requests come; off: a quicker start, slower first pictures"),
  NUMBER("render", "gpu_timeout_ms", render_gpu_timeout_ms, "20000", 100, MINUTES_10_MS, false,
         "for one submission to the device"),
  SWITCH("render", "validation", render_validation, "off", false, "Vulkan validation layer, for developers"),
  NUMBER("render", "lose_device_after", render_lose_device_after, "0", 0, 1000000, false,
         "pretend to lose the device after so many submissions, for developers; 0: never"),

  TEXT("decoder", "path", decoder_path, "", false, "the decoder program; empty: beside pixpopd"),
  NUMBER("decoder", "workers", decoder_workers, "2", 1, 64, false, "decoder processes"),
  NUMBER("decoder", "timeout_ms", decoder_timeout_ms, "20000", 100, MINUTES_10_MS, false, "for one picture"),
  SIZE("decoder", "memory", decoder_memory_bytes, "2G", 0, 64 * GIB, false, "address space of a decoder; 0: no limit"),
  NUMBER("decoder", "uid", decoder_uid, "65534", 1, 4294967294, false,
         "the user (and group) that decoders become when pixpopd runs as root"),
  SWITCH("decoder", "require_isolation", decoder_require_isolation, "on", false,
         "refuse to start where decoders can not be confined by seccomp"),

  TEXT_OR_NONE("system", "socket", system_socket, "/run/pixpop/system.sock", false,
               "socket of pixpop-system, which updates and restarts an appliance; nobody there, or empty: this is none"),
  TEXT("system", "log_folder", system_log_folder, "", false,
       "folder of the services' logs, a folder each with a file named current; their ends come with a support bundle; "
       "empty: there are none"),
  TEXT("system", "settings_file", system_settings_file, "", false,
       "configuration file that restoring a backup may replace; empty: settings are not restored"),
};
// clang-format on

const size_t settings_row_count = sizeof(settings_rows) / sizeof(settings_rows[0]);

const struct settings_row *settings_row_find(struct base_span section, struct base_span key) {
  for (size_t i = 0; i < settings_row_count; i++) {
    if (base_span_is(section, settings_rows[i].section) && base_span_is(key, settings_rows[i].key))
      return &settings_rows[i];
  }
  return NULL;
}

static bool parse_size(struct base_span value, uint64_t *out) {
  uint64_t unit = 1;
  if (value.bytes > 1) {
    switch (value.data[value.bytes - 1]) {
      case 'K':
        unit = KIB;
        break;
      case 'M':
        unit = MIB;
        break;
      case 'G':
        unit = GIB;
        break;
      default:
        break;
    }
    if (unit != 1) value.bytes--;
  }
  uint64_t number;
  return base_span_to_u64(value, &number) && !__builtin_mul_overflow(number, unit, out);
}

static bool is_choice(const char *choices, struct base_span value) {
  struct base_span rest = base_span_text(choices);
  while (rest.data != NULL) {
    if (base_span_equal(base_span_cut(&rest, ' '), value)) return true;
  }
  return false;
}

static enum base_result set_number(const struct settings_row *row, struct base_span value, uint64_t *place,
                                   struct base_fault *fault) {
  uint64_t number;
  bool parsed = row->type == SETTINGS_SIZE ? parse_size(value, &number) : base_span_to_u64(value, &number);
  if (!parsed || number < row->minimum || number > row->maximum)
    return BASE_FAIL(fault, BASE_BAD_INPUT, row->key, "%s must be a %s from %llu to %llu, not '%.*s'", row->name,
                     row->type == SETTINGS_SIZE ? "size (K, M, G allowed)" : "number", (unsigned long long)row->minimum,
                     (unsigned long long)row->maximum, (int)base_min_u64(value.bytes, MAX_SHOWN_CHARS), value.data);
  *place = number;
  return BASE_OK;
}

// How long a URL becomes when it names the machine is known by how often it does.
static enum base_result check_url(const struct settings_row *row, const char *url, struct base_fault *fault) {
  size_t count = 0;
  while ((url = strpbrk(url, "{}")) != NULL) {
    if (strncmp(url, SETTINGS_HOST_NAME, strlen(SETTINGS_HOST_NAME)) != 0)
      return BASE_FAIL(fault, BASE_BAD_INPUT, row->key,
                       "%s may hold braces only in " SETTINGS_HOST_NAME ", which stands for this machine's host name",
                       row->name);
    if (++count > SETTINGS_MAX_HOST_NAMES)
      return BASE_FAIL(fault, BASE_BAD_INPUT, row->key, "%s may hold " SETTINGS_HOST_NAME " at most %d times",
                       row->name, SETTINGS_MAX_HOST_NAMES);
    url += strlen(SETTINGS_HOST_NAME);
  }
  return BASE_OK;
}

static enum base_result set_text(const struct settings_row *row, struct base_span value, char *place,
                                 struct base_fault *fault) {
  char text[SETTINGS_MAX_TEXT];
  if (value.bytes < row->minimum) return BASE_FAIL(fault, BASE_BAD_INPUT, row->key, "%s must not be empty", row->name);
  if (value.bytes >= row->capacity || !base_span_copy(value, text, sizeof(text)))
    return BASE_FAIL(fault, BASE_BAD_INPUT, row->key, "%s is longer than %zu bytes", row->name, row->capacity - 1);
  if (row->type == SETTINGS_WIDTHS) {
    uint32_t widths[SETTINGS_MAX_LADDER];
    size_t count;
    const enum base_result result = settings_widths_parse(value, widths, &count, fault);
    if (result != BASE_OK) return result;
  }
  if (row->type == SETTINGS_URL) {
    const enum base_result result = check_url(row, text, fault);
    if (result != BASE_OK) return result;
  }
  if (row->type == SETTINGS_LISTEN && value.bytes > 0) {
    char address[SETTINGS_MAX_TEXT];
    uint16_t port;
    const enum base_result result = settings_split_listen(text, address, sizeof(address), &port, fault);
    if (result != BASE_OK) return result;
  }
  memcpy(place, text, value.bytes + 1);
  return BASE_OK;
}

enum base_result settings_row_set(const struct settings_row *row, struct base_span value, struct settings *settings,
                                  struct base_fault *fault) {
  void *place = (char *)settings + row->offset;
  switch (row->type) {
    case SETTINGS_NUMBER:
    case SETTINGS_SIZE:
      return set_number(row, value, place, fault);
    case SETTINGS_SWITCH:
      if (!base_span_is(value, "on") && !base_span_is(value, "off"))
        return BASE_FAIL(fault, BASE_BAD_INPUT, row->key, "%s must be on or off", row->name);
      *(bool *)place = base_span_is(value, "on");
      return BASE_OK;
    case SETTINGS_CHOICE:
      if (!is_choice(row->choices, value))
        return BASE_FAIL(fault, BASE_BAD_INPUT, row->key, "%s must be one of: %s", row->name, row->choices);
      break;
    case SETTINGS_LISTEN:
    case SETTINGS_WIDTHS:
    case SETTINGS_URL:
    case SETTINGS_TEXT:
      break;
  }
  return set_text(row, value, place, fault);
}
