#include <stdlib.h>
#include <string.h>

#include "box.h"
#include "box_parts.h"

static enum base_result take_over(struct box *box, const struct settings *wanted, struct base_fault *fault) {
  enum base_log_level level;
  if (!base_log_level_parse(wanted->log_level, &level))
    return BASE_FAIL(fault, BASE_BAD_INPUT, "log.level", "unknown log level");
  struct pop_tenant *tenants = calloc(BOX_MAX_TENANTS, sizeof(*tenants));
  if (tenants == NULL) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "memory is short");
  const size_t count = box_fill_tenants(wanted, tenants);
  const char *public_url;
  enum base_result result = box_make_public_url(box, wanted, &public_url, fault);
  if (result == BASE_OK) result = pop_reconfigure(box->pop, tenants, count, wanted->cache_ram_bytes, fault);
  explicit_bzero(tenants, BOX_MAX_TENANTS * sizeof(*tenants));  // they have keys
  free(tenants);
  if (result != BASE_OK) return result;
  const struct image_rules rules = box_rules_of(wanted);
  ingest_set_rules(box->ingest, &rules);
  base_log_reconfigure(box->log, level, strcmp(wanted->log_format, "json") == 0);
  pthread_mutex_lock(&box->settings_lock);
  box->public_url = public_url;
  pthread_mutex_unlock(&box->settings_lock);
  pop_set_public_url(box->pop, public_url);
  console_set_delivery_url(box->console, box_delivery_url(box));
  return BASE_OK;
}

// True when the fault, which is logged, leaves the old one in use.
static bool keeps_old(struct box *box, enum base_result result, const struct base_fault *fault) {
  if (result != BASE_OK) base_log_fault(box->log, BASE_LOG_ERROR, "pixpopd", NULL, fault);
  return result != BASE_OK;
}

// Which certificates stay as they were, in words, or NULL.
static const char *reload_certificates(struct box *box) {
  struct base_fault console = {0}, delivery = {0};
  const bool keeps_console = keeps_old(box, console_reload_certificate(box->console, &console), &console);
  const bool keeps_delivery = keeps_old(box, box_reload_certificate(box, &delivery), &delivery);
  if (keeps_console && keeps_delivery) return "the certificates of console and delivery";
  return keeps_console ? "the certificate of the console" : keeps_delivery ? "the certificate of delivery" : NULL;
}

static enum base_result reload_settings(struct box *box, const struct arguments *arguments, struct base_fault *fault) {
  struct settings *wanted = malloc(sizeof(*wanted));
  if (wanted == NULL) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "memory is short");
  enum base_result result = arguments_load_settings(arguments, wanted, fault);
  if (result == BASE_OK) result = take_over(box, wanted, fault);
  if (result == BASE_OK) {
    const char *key = settings_needs_restart(&box->settings, wanted);
    if (key != NULL)
      base_log_write(box->log, BASE_LOG_WARN, "pixpopd", NULL, "'%s' changed in the configuration but needs a restart",
                     key);
    pthread_mutex_lock(&box->settings_lock);
    box->settings.cache_ram_bytes = wanted->cache_ram_bytes;
    memcpy(box->settings.log_level, wanted->log_level, sizeof(wanted->log_level));
    memcpy(box->settings.log_format, wanted->log_format, sizeof(wanted->log_format));
    memcpy(box->settings.delivery_public_url, wanted->delivery_public_url, sizeof(wanted->delivery_public_url));
    memcpy(box->settings.rules, wanted->rules, sizeof(wanted->rules));
    memcpy(box->settings.tenants, wanted->tenants, sizeof(wanted->tenants));
    box->settings.tenant_count = wanted->tenant_count;
    memcpy(box->settings.delivery_unsigned, wanted->delivery_unsigned, sizeof(wanted->delivery_unsigned));
    memcpy(box->settings.delivery_ladder, wanted->delivery_ladder, sizeof(wanted->delivery_ladder));
    box->settings.ledger_public = wanted->ledger_public;
    pthread_mutex_unlock(&box->settings_lock);
    pop_ledger_set_public(box->pop, wanted->ledger_public);
    box_note_settings(box);
  }
  free(wanted);
  return result;
}

// What was read anew, in words, or "" when nothing has a certificate.
static const char *certificates_of(const struct box *box) {
  const bool has_console = box->settings.console_tls, has_delivery = delivery_tls_port(box->delivery) != 0;
  if (has_console && has_delivery) return "; only certificates were read anew";
  if (has_console) return "; only the certificate of the console was read anew";
  return has_delivery ? "; only the certificate of delivery was read anew" : "";
}

void box_reload(struct box *box, const struct arguments *arguments) {
  struct base_fault fault = {0};
  const char *kept = reload_certificates(box);
  const bool keeps_settings = keeps_old(box, reload_settings(box, arguments, &fault), &fault);
  if (keeps_settings && kept != NULL) {
    base_log_write(box->log, BASE_LOG_ERROR, "pixpopd", NULL, "configuration not reloaded: it and %s stay as they were",
                   kept);
  } else if (keeps_settings) {
    base_log_write(box->log, BASE_LOG_ERROR, "pixpopd", NULL, "configuration not reloaded: it stays as it was%s",
                   certificates_of(box));
  } else if (kept != NULL) {
    base_log_write(box->log, BASE_LOG_ERROR, "pixpopd", NULL,
                   "configuration reloaded, except %s: what was in use stays", kept);
  } else {
    base_log_write(box->log, BASE_LOG_INFO, "pixpopd", NULL, "configuration reloaded");
  }
}
