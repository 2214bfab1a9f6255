// The certificate that visitors see: made by the box, given to it over the console, or a file that the settings name.
#include <string.h>

#include "base/file.h"
#include "box.h"
#include "box_parts.h"
#include "certificate_alert.h"
#include "certificate_file.h"

#define ROOM "pixpopd"

static bool has_tls(const struct box *box) { return box->settings.delivery_tls_listen[0] != '\0'; }
static bool is_named(const struct box *box) { return box->settings.delivery_tls_certificate[0] != '\0'; }

// SIGHUP changes it, and its text stays. NULL: there is none.
static const char *public_url_of(struct box *box) {
  pthread_mutex_lock(&box->settings_lock);
  const char *url = box->public_url;
  pthread_mutex_unlock(&box->settings_lock);
  return url;
}

// What the box's own certificate names: where it listens, unless that is everywhere, and what visitors call it.
struct names {
  char address[64], host[TLS_NAME_CHARS + 1];
  const char *list[2];
  size_t count;
};

static enum base_result find_names(struct box *box, struct names *out, struct base_fault *fault) {
  uint16_t port;
  const enum base_result result =
      settings_split_listen(box->settings.delivery_tls_listen, out->address, sizeof(out->address), &port, fault);
  out->count = 0;
  if (strcmp(out->address, "::") != 0 && strcmp(out->address, "0.0.0.0") != 0) out->list[out->count++] = out->address;
  if (certificate_alert_host(public_url_of(box), out->host) && strcmp(out->host, out->address) != 0) {
    out->list[out->count++] = out->host;
  }
  return result;
}

static enum base_result make_own(struct box *box, struct base_fault *fault) {
  struct names names;
  const enum base_result result = find_names(box, &names, fault);
  if (result != BASE_OK) return result;
  return tls_identity_renew(box->delivery_pem_path, names.list, names.count, fault);
}

// A box that does not start because of it could not be given another one.
static enum base_result replace_damaged(struct box *box, const struct base_fault *why, struct base_fault *fault) {
  char aside[CERTIFICATE_ASIDE_BYTES];
  struct base_fault kept = {0};
  base_log_fault(box->log, BASE_LOG_WARN, ROOM, NULL, why);
  if (certificate_file_put_aside(box->delivery_pem_path, aside, &kept) == BASE_OK) {
    base_log_write(box->log, BASE_LOG_WARN, ROOM, NULL,
                   "the certificate of delivery is damaged, and visitors see one that the box made; kept for you: %s",
                   aside);
  } else {
    base_log_write(box->log, BASE_LOG_WARN, ROOM, NULL,
                   "the certificate of delivery is damaged, and visitors see one that the box made; not kept: %s",
                   kept.text);
  }
  return make_own(box, fault);
}

enum base_result box_ensure_certificate(struct box *box, struct base_fault *fault) {
  struct names names;
  struct base_fault why = {0};
  bool is_new;
  if (is_named(box)) return BASE_OK;
  certificate_file_clean(box->delivery_pem_path);
  enum base_result result = find_names(box, &names, fault);
  if (result != BASE_OK) return result;
  if (certificate_file_is_odd(box->delivery_pem_path)) {
    result = BASE_FAIL(&why, BASE_CORRUPT, box->delivery_pem_path, "not a regular file");
  } else {
    result = tls_identity_ensure(box->delivery_pem_path, names.list, names.count, &is_new, &why);
  }
  if (result == BASE_CORRUPT || result == BASE_TOO_LARGE) return replace_damaged(box, &why, fault);
  // What can not be read today (no right to, no memory) may be good: it stays, and the start fails with the reason.
  return result == BASE_OK ? BASE_OK : BASE_FAIL(fault, result, why.subject, "%s", why.text);
}

// --- what is in use ---

// For the log, at most once a day unless `again`. Nothing here waits for a disk.
static void warn(struct box *box, bool again) {
  char text[TLS_ENDING_CHARS + 1];
  const int64_t now_s = base_clock_wall_s(base_clock_system());
  pthread_mutex_lock(&box->certificate_lock);
  const bool is_due = certificate_alert_is_due(&box->certificate, now_s, again, &box->certificate_told_day, text);
  pthread_mutex_unlock(&box->certificate_lock);
  if (is_due) base_log_write(box->log, BASE_LOG_WARN, ROOM, NULL, "the certificate of delivery: %s", text);
}

// Notes what delivery has just read. Under certificate_change_lock.
static void note(struct box *box) {
  struct tls_about about;
  struct base_fault fault = {0};
  if (tls_identity_describe(box->delivery_pem_path, &about, &fault) != BASE_OK) {
    base_log_fault(box->log, BASE_LOG_WARN, ROOM, NULL, &fault);
    return;
  }
  pthread_mutex_lock(&box->certificate_lock);
  box->certificate = about;
  pthread_mutex_unlock(&box->certificate_lock);
  base_metric_set(box->certificate_end, about.not_after_s);
  warn(box, true);
}

void box_note_certificate(struct box *box) {
  if (!has_tls(box)) return;
  box->certificate_end = base_metrics_gauge(box->metrics, "pixpop_delivery_certificate_expires_timestamp_seconds", "",
                                            "When the certificate that visitors see ends, in seconds since 1970.");
  pthread_mutex_lock(&box->certificate_change_lock);
  note(box);
  pthread_mutex_unlock(&box->certificate_change_lock);
}

// Under certificate_change_lock.
static enum base_result show(void *self, struct base_fault *fault) {
  struct box *box = self;
  const enum base_result result = delivery_reload_certificate(box->delivery, fault);
  if (result == BASE_OK) note(box);
  return result;
}

enum base_result box_reload_certificate(struct box *box, struct base_fault *fault) {
  if (!has_tls(box)) return BASE_OK;
  pthread_mutex_lock(&box->certificate_change_lock);
  const enum base_result result = show(box, fault);
  pthread_mutex_unlock(&box->certificate_change_lock);
  return result;
}

void box_watch(struct box *box) {
  if (has_tls(box)) warn(box, false);
}

// --- for the console ---

static bool get(void *self, struct console_certificate_state *out) {
  struct box *box = self;
  if (!has_tls(box)) return false;
  pthread_mutex_lock(&box->certificate_lock);
  out->about = box->certificate;
  pthread_mutex_unlock(&box->certificate_lock);
  out->source = is_named(box)             ? CONSOLE_CERTIFICATE_NAMED
                : out->about.is_self_made ? CONSOLE_CERTIFICATE_MADE
                                          : CONSOLE_CERTIFICATE_GIVEN;
  certificate_alert_fill(out, public_url_of(box), base_clock_wall_s(base_clock_system()));
  return true;
}

static enum base_result check_replaceable(const struct box *box, struct base_fault *fault) {
  if (!has_tls(box)) {
    return BASE_FAIL(
        fault, BASE_CONFLICT, "delivery.tls_listen",
        "delivery has no TLS: set delivery.tls_listen (to [::]:443, for instance) and start the box again");
  }
  if (!is_named(box)) return BASE_OK;
  return BASE_FAIL(
      fault, BASE_CONFLICT, "delivery.tls_certificate",
      "the certificate is named by the settings (delivery.tls_certificate): replace that file and send SIGHUP");
}

struct task {
  struct box *box;
  struct base_span identity;  // empty: one of the box's own
};

static enum base_result write_task(void *self, struct base_fault *fault) {
  const struct task *task = self;
  const char *path = task->box->delivery_pem_path;
  if (task->identity.bytes == 0) return make_own(task->box, fault);
  return base_file_replace_durably(path, task->identity, CERTIFICATE_FILE_MODE, fault);
}

static enum base_result show_task(void *self, struct base_fault *fault) {
  const struct task *task = self;
  return show(task->box, fault);
}

// Under certificate_change_lock.
static enum base_result change(struct box *box, struct base_span identity, struct base_fault *fault) {
  struct task task = {.box = box, .identity = identity};
  const struct certificate_change steps = {.write = write_task, .show = show_task, .self = &task};
  return certificate_file_change(box->delivery_pem_path, &steps, box->log, fault);
}

static enum base_result replace(void *self, struct base_span pem, struct base_fault *fault) {
  struct box *box = self;
  struct base_buffer identity;
  struct tls_about about;
  enum base_result result = check_replaceable(box, fault);
  if (result != BASE_OK) return result;
  result = tls_identity_check(pem, base_clock_wall_s(base_clock_system()), &identity, &about, fault);
  if (result == BASE_OK) {
    pthread_mutex_lock(&box->certificate_change_lock);
    result = change(box, base_buffer_span(&identity), fault);
    if (result == BASE_OK) certificate_file_forget_aside(box->delivery_pem_path);
    pthread_mutex_unlock(&box->certificate_change_lock);
  }
  tls_identity_forget(&identity);
  return result;
}

// One of the box's own stays as long as it is good for.
static enum base_result remove_given(void *self, struct base_fault *fault) {
  struct box *box = self;
  enum base_result result = check_replaceable(box, fault);
  if (result != BASE_OK) return result;
  pthread_mutex_lock(&box->certificate_change_lock);  // only under it is box->certificate written
  if (!box->certificate.is_self_made ||
      certificate_alert_is_outdated(&box->certificate, public_url_of(box), base_clock_wall_s(base_clock_system()))) {
    result = change(box, (struct base_span){0}, fault);
  }
  if (result == BASE_OK) certificate_file_forget_aside(box->delivery_pem_path);
  pthread_mutex_unlock(&box->certificate_change_lock);
  return result;
}

void box_set_console_certificate(struct box *box) {
  box->console_certificate =
      (struct console_certificate){.get = get, .replace = replace, .remove = remove_given, .self = box};
}
