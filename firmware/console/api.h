// The handlers of the console's resources. Each fills an uninitialised reply, or fails with a fault.
#ifndef CONSOLE_API_H
#define CONSOLE_API_H

#include "base/json.h"
#include "exchange.h"

// /api/v1/originals
enum base_result console_originals_list(struct console_exchange *exchange, struct http_reply *reply,
                                        struct base_fault *fault) BASE_CHECKED;
enum base_result console_originals_upload(struct console_exchange *exchange, struct http_reply *reply,
                                          struct base_fault *fault) BASE_CHECKED;
// /api/v1/originals/{id}
enum base_result console_original_show(struct console_exchange *exchange, struct http_reply *reply,
                                       struct base_fault *fault) BASE_CHECKED;
enum base_result console_original_delete(struct console_exchange *exchange, struct http_reply *reply,
                                         struct base_fault *fault) BASE_CHECKED;
// /api/v1/originals/{id}/content, .../leaves, .../delta
enum base_result console_content_show(struct console_exchange *exchange, struct http_reply *reply,
                                      struct base_fault *fault) BASE_CHECKED;
enum base_result console_leaves_show(struct console_exchange *exchange, struct http_reply *reply,
                                     struct base_fault *fault) BASE_CHECKED;
enum base_result console_delta_make(struct console_exchange *exchange, struct http_reply *reply,
                                    struct base_fault *fault) BASE_CHECKED;
// /api/v1/originals/{id}/variants
enum base_result console_variants_make(struct console_exchange *exchange, struct http_reply *reply,
                                       struct base_fault *fault) BASE_CHECKED;
// /api/v1/originals/{id}/url
enum base_result console_url_show(struct console_exchange *exchange, struct http_reply *reply,
                                  struct base_fault *fault) BASE_CHECKED;
// /api/v1/purge
enum base_result console_purge(struct console_exchange *exchange, struct http_reply *reply,
                               struct base_fault *fault) BASE_CHECKED;
// /api/v1/prewarm, /api/v1/prewarm/run
enum base_result console_prewarm_show(struct console_exchange *exchange, struct http_reply *reply,
                                      struct base_fault *fault) BASE_CHECKED;
enum base_result console_prewarm_set(struct console_exchange *exchange, struct http_reply *reply,
                                     struct base_fault *fault) BASE_CHECKED;
enum base_result console_prewarm_run(struct console_exchange *exchange, struct http_reply *reply,
                                     struct base_fault *fault) BASE_CHECKED;
// /api/v1/uploads (tus)
enum base_result console_tus_options(struct console_exchange *exchange, struct http_reply *reply,
                                     struct base_fault *fault) BASE_CHECKED;
enum base_result console_tus_list(struct console_exchange *exchange, struct http_reply *reply,
                                  struct base_fault *fault) BASE_CHECKED;
enum base_result console_tus_create(struct console_exchange *exchange, struct http_reply *reply,
                                    struct base_fault *fault) BASE_CHECKED;
// /api/v1/uploads/{id}
enum base_result console_tus_show(struct console_exchange *exchange, struct http_reply *reply,
                                  struct base_fault *fault) BASE_CHECKED;
enum base_result console_tus_patch(struct console_exchange *exchange, struct http_reply *reply,
                                   struct base_fault *fault) BASE_CHECKED;
enum base_result console_tus_end(struct console_exchange *exchange, struct http_reply *reply,
                                 struct base_fault *fault) BASE_CHECKED;
// /api/v1/session
enum base_result console_session_show(struct console_exchange *exchange, struct http_reply *reply,
                                      struct base_fault *fault) BASE_CHECKED;
enum base_result console_session_begin(struct console_exchange *exchange, struct http_reply *reply,
                                       struct base_fault *fault) BASE_CHECKED;
enum base_result console_session_end(struct console_exchange *exchange, struct http_reply *reply,
                                     struct base_fault *fault) BASE_CHECKED;
// /api/v1/claim
enum base_result console_claim(struct console_exchange *exchange, struct http_reply *reply,
                               struct base_fault *fault) BASE_CHECKED;
// /api/v1/backup
enum base_result console_backup_show(struct console_exchange *exchange, struct http_reply *reply,
                                     struct base_fault *fault) BASE_CHECKED;
// /api/v1/restore
enum base_result console_restore_show(struct console_exchange *exchange, struct http_reply *reply,
                                      struct base_fault *fault) BASE_CHECKED;
enum base_result console_restore_run(struct console_exchange *exchange, struct http_reply *reply,
                                     struct base_fault *fault) BASE_CHECKED;
// /api/v1/support
enum base_result console_support_show(struct console_exchange *exchange, struct http_reply *reply,
                                      struct base_fault *fault) BASE_CHECKED;
// /api/v1/settings
enum base_result console_settings_show(struct console_exchange *exchange, struct http_reply *reply,
                                       struct base_fault *fault) BASE_CHECKED;
enum base_result console_settings_set(struct console_exchange *exchange, struct http_reply *reply,
                                      struct base_fault *fault) BASE_CHECKED;
// /api/v1/certificate
enum base_result console_certificate_show(struct console_exchange *exchange, struct http_reply *reply,
                                          struct base_fault *fault) BASE_CHECKED;
enum base_result console_certificate_set(struct console_exchange *exchange, struct http_reply *reply,
                                         struct base_fault *fault) BASE_CHECKED;
enum base_result console_certificate_remove(struct console_exchange *exchange, struct http_reply *reply,
                                            struct base_fault *fault) BASE_CHECKED;
// /ledger/
enum base_result console_ledger_show(struct console_exchange *exchange, struct http_reply *reply,
                                     struct base_fault *fault) BASE_CHECKED;
// /api/v1/scrub
enum base_result console_scrub_run(struct console_exchange *exchange, struct http_reply *reply,
                                   struct base_fault *fault) BASE_CHECKED;
// /api/v1/system and below: the appliance's system program
enum base_result console_system_show(struct console_exchange *exchange, struct http_reply *reply,
                                     struct base_fault *fault) BASE_CHECKED;
enum base_result console_system_update(struct console_exchange *exchange, struct http_reply *reply,
                                       struct base_fault *fault) BASE_CHECKED;
enum base_result console_system_choose(struct console_exchange *exchange, struct http_reply *reply,
                                       struct base_fault *fault) BASE_CHECKED;
enum base_result console_system_reboot(struct console_exchange *exchange, struct http_reply *reply,
                                       struct base_fault *fault) BASE_CHECKED;
enum base_result console_system_poweroff(struct console_exchange *exchange, struct http_reply *reply,
                                         struct base_fault *fault) BASE_CHECKED;
enum base_result console_system_rescue(struct console_exchange *exchange, struct http_reply *reply,
                                       struct base_fault *fault) BASE_CHECKED;
enum base_result console_system_reset(struct console_exchange *exchange, struct http_reply *reply,
                                      struct base_fault *fault) BASE_CHECKED;
enum base_result console_network_show(struct console_exchange *exchange, struct http_reply *reply,
                                      struct base_fault *fault) BASE_CHECKED;
enum base_result console_network_set(struct console_exchange *exchange, struct http_reply *reply,
                                     struct base_fault *fault) BASE_CHECKED;
// /api/v1/status, /api/v1/device, /metrics, /healthz
enum base_result console_status_show(struct console_exchange *exchange, struct http_reply *reply,
                                     struct base_fault *fault) BASE_CHECKED;
enum base_result console_device_show(struct console_exchange *exchange, struct http_reply *reply,
                                     struct base_fault *fault) BASE_CHECKED;
enum base_result console_metrics_show(struct console_exchange *exchange, struct http_reply *reply,
                                      struct base_fault *fault) BASE_CHECKED;
enum base_result console_health_show(struct console_exchange *exchange, struct http_reply *reply,
                                     struct base_fault *fault) BASE_CHECKED;
// Everything else: the web page
enum base_result console_page_show(struct console_exchange *exchange, struct http_reply *reply,
                                   struct base_fault *fault) BASE_CHECKED;
// /i/: variants, by pop's handler
enum base_result console_variant_show(struct console_exchange *exchange, struct http_reply *reply,
                                      struct base_fault *fault) BASE_CHECKED;

// Writes what there is to say of ledger and scrubber, as the members "ledger" and "scrub".
void console_integrity_write(struct base_json_writer *json, const struct console *console);
// Writes what `pixpop` on another machine is told to trust, the console's own certificate, as the member "fingerprint";
// null without TLS.
void console_fingerprint_write(struct base_json_writer *json, const struct console *console);
// Writes in short what there is to say of delivery's certificate, as the member "certificate"; null without TLS.
void console_certificate_write(struct base_json_writer *json, const struct console *console);
// Writes one original as a JSON object; leaves it open when `end` is false, so that members can be added.
void console_original_write(struct base_json_writer *json, const struct console_exchange *exchange,
                            const struct store_original *original, bool end);

#endif
