// What the findings of an inspection lead to: refuse the file, or keep it and say so.
#ifndef INGEST_POLICY_H
#define INGEST_POLICY_H

#include <pthread.h>

#include "base/log.h"
#include "base/metrics.h"
#include "image/report.h"

struct ingest_policy {
  pthread_mutex_t lock;
  struct image_rules rules;
  struct base_log *log;
  struct base_metric *findings[IMAGE_RULE_COUNT][IMAGE_VERDICT_COUNT];
};

void ingest_policy_init(struct ingest_policy *policy, const struct image_rules *rules, struct base_log *log,
                        struct base_metrics *metrics);
void ingest_policy_finish(struct ingest_policy *policy);
// For the inspections that begin from now on.
void ingest_policy_set(struct ingest_policy *policy, const struct image_rules *rules);
// Sets the verdicts in `report` and counts them; BASE_UNPROCESSABLE ("rule/NAME") when one of them blocks the file.
// Otherwise *alerts says how many findings there are to know of, and they are logged.
enum base_result ingest_policy_judge(struct ingest_policy *policy, const char *tenant, struct image_report *report,
                                     uint32_t *alerts, struct base_fault *fault) BASE_CHECKED;

#endif
