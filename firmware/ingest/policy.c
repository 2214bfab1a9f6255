#include "policy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { MAX_LINE = 640 };

void ingest_policy_init(struct ingest_policy *policy, const struct image_rules *rules, struct base_log *log,
                        struct base_metrics *metrics) {
  pthread_mutex_init(&policy->lock, NULL);
  policy->rules = *rules;
  policy->log = log;
  for (int rule = 0; rule < IMAGE_RULE_COUNT; rule++) {
    for (int verdict = 0; verdict < IMAGE_VERDICT_COUNT; verdict++) {
      char labels[64];
      snprintf(labels, sizeof labels, "rule=\"%s\",verdict=\"%s\"", image_rule_name((enum image_rule)rule),
               image_verdict_name((enum image_verdict)verdict));
      policy->findings[rule][verdict] = base_metrics_counter(metrics, "pixpop_ingest_findings_total", labels,
                                                             "Findings of inspections by rule and what they led to");
    }
  }
}

void ingest_policy_finish(struct ingest_policy *policy) { pthread_mutex_destroy(&policy->lock); }

void ingest_policy_set(struct ingest_policy *policy, const struct image_rules *rules) {
  pthread_mutex_lock(&policy->lock);
  policy->rules = *rules;
  pthread_mutex_unlock(&policy->lock);
}

static struct image_rules rules_of(struct ingest_policy *policy) {
  pthread_mutex_lock(&policy->lock);
  struct image_rules rules = policy->rules;
  pthread_mutex_unlock(&policy->lock);
  return rules;
}

static void count(struct ingest_policy *policy, const struct image_report *report, const struct image_rules *rules) {
  for (int rule = 0; rule < IMAGE_RULE_COUNT; rule++) {
    if (report->rule_counts[rule] == 0) continue;
    base_metric_add(policy->findings[rule][rules->verdicts[rule]], report->rule_counts[rule]);
  }
}

// " (tEXt, at byte 57)", or as much of it as is known.
static void write_place(const struct image_finding *finding, char *out, size_t capacity) {
  const bool has_place = finding->place[0] != '\0', has_offset = finding->offset != 0 || finding->bytes != 0;
  char offset[40] = "";
  if (has_offset) snprintf(offset, sizeof offset, "at byte %" PRIu64, finding->offset);
  out[0] = '\0';
  if (!has_place && !has_offset) return;
  snprintf(out, capacity, " (%s%s%s)", finding->place, has_place && has_offset ? ", " : "", offset);
}

static const struct image_finding *first_of(const struct image_report *report, enum image_rule rule) {
  for (uint32_t i = 0; i < report->finding_count; i++) {
    if (report->findings[i].rule == rule) return &report->findings[i];
  }
  return NULL;
}

static enum base_result refuse(const struct image_report *report, enum image_rule rule, struct base_fault *fault) {
  const struct image_finding *finding = first_of(report, rule);
  char subject[BASE_FAULT_SUBJECT_BYTES], place[96] = "";
  snprintf(subject, sizeof subject, "rule/%s", image_rule_name(rule));
  if (finding) write_place(finding, place, sizeof place);
  return BASE_FAIL(fault, BASE_UNPROCESSABLE, subject, "the rule '%s' refuses this file: %s%s", image_rule_name(rule),
                   finding ? finding->text : image_rule_meaning(rule), place);
}

// One line a file: every rule with how often, and the first finding in words.
static void log_alerts(struct ingest_policy *policy, const char *tenant, const struct image_report *report,
                       const struct image_rules *rules) {
  char line[MAX_LINE] = "", place[96] = "";
  size_t used = 0;
  const struct image_finding *first = NULL;
  for (int rule = 0; rule < IMAGE_RULE_COUNT; rule++) {
    if (report->rule_counts[rule] == 0 || rules->verdicts[rule] != IMAGE_ALERT) continue;
    if (!first) first = first_of(report, (enum image_rule)rule);
    // All the names and counts together fit.
    used += (size_t)snprintf(line + used, sizeof line - used, "%s%s", used ? ", " : "",
                             image_rule_name((enum image_rule)rule));
    if (report->rule_counts[rule] == 1) continue;
    used += (size_t)snprintf(line + used, sizeof line - used, " (%" PRIu32 ")", report->rule_counts[rule]);
  }
  if (first) write_place(first, place, sizeof place);
  base_log_write(policy->log, BASE_LOG_WARN, "ingest", NULL, "an upload of tenant %s is kept with alerts: %s; %s%s",
                 tenant, line, first ? first->text : "no details", place);
}

enum base_result ingest_policy_judge(struct ingest_policy *policy, const char *tenant, struct image_report *report,
                                     uint32_t *alerts, struct base_fault *fault) {
  const struct image_rules rules = rules_of(policy);
  enum image_rule rule;
  const enum image_verdict verdict = image_report_judge(report, &rules, &rule);
  count(policy, report, &rules);
  *alerts = image_report_alerts(report, &rules);
  if (verdict == IMAGE_BLOCK) return refuse(report, rule, fault);
  if (*alerts > 0) log_alerts(policy, tenant, report, &rules);
  return BASE_OK;
}
