#include "findings.h"

#include <stdio.h>
#include <string.h>

enum { MAX_RULES = 32 };

static bool is_alert(const struct base_json_value *finding) {
  const char *verdict = base_json_as_string(base_json_get(finding, "verdict"));
  return verdict != NULL && strcmp(verdict, "alert") == 0;
}

// Names of the rules with an alert, each once, in the order of the findings.
static size_t find_rules(const struct base_json_value *original, const char *names[MAX_RULES]) {
  size_t count = 0;
  const struct base_json_value *findings = base_json_get(base_json_get(original, "report"), "findings");
  for (size_t i = 0; i < base_json_length(findings) && count < MAX_RULES; i++) {
    const struct base_json_value *finding = base_json_at(findings, i);
    const char *name = base_json_as_string(base_json_get(finding, "rule"));
    size_t at = 0;
    if (name == NULL || !is_alert(finding)) continue;
    while (at < count && strcmp(names[at], name) != 0) at++;
    if (at == count) names[count++] = name;
  }
  return count;
}

bool findings_list_alerts(const struct base_json_value *original, char *out, size_t capacity) {
  const char *names[MAX_RULES];
  const size_t count = find_rules(original, names);
  size_t used = (size_t)snprintf(out, capacity, "%zu alert%s", count, count == 1 ? "" : "s");
  for (size_t i = 0; i < count && used < capacity; i++)
    used += (size_t)snprintf(out + used, capacity - used, "%s%s", i == 0 ? ": " : ", ", names[i]);
  return count > 0;
}

void findings_write_alerts(const struct base_json_value *original, struct base_json_writer *json) {
  const char *names[MAX_RULES];
  const size_t count = find_rules(original, names);
  for (size_t i = 0; i < count; i++) base_json_string(json, NULL, names[i]);
}
