#include "sandbox/isolation.h"

#include <stdbool.h>
#include <stdio.h>

static const struct {
  enum sandbox_isolation_part part;
  const char *key, *text;
} parts[SANDBOX_ISOLATION_PARTS] = {
    {SANDBOX_SECCOMP, "seccomp", "seccomp"},
    {SANDBOX_LANDLOCK, "landlock", "landlock"},
    {SANDBOX_USER_NAMESPACE, "user_namespace", "user namespace"},
    {SANDBOX_NAMESPACES, "namespaces", "network and other namespaces"},
    {SANDBOX_EMPTY_ROOT, "empty_root", "empty root"},
    {SANDBOX_OWN_USER, "own_user", "own user"},
    {SANDBOX_NO_CAPABILITIES, "no_capabilities", "no capabilities"},
};

void sandbox_isolation_text(const struct sandbox_isolation *isolation, char out[SANDBOX_ISOLATION_TEXT_BYTES]) {
  size_t used = 0;
  snprintf(out, SANDBOX_ISOLATION_TEXT_BYTES, "nothing");
  for (size_t i = 0; i < SANDBOX_ISOLATION_PARTS; i++) {
    if (!(isolation->parts & parts[i].part) || used >= SANDBOX_ISOLATION_TEXT_BYTES) continue;
    const int written =
        snprintf(out + used, SANDBOX_ISOLATION_TEXT_BYTES - used, "%s%s", used ? ", " : "", parts[i].text);
    if (written > 0) used += (size_t)written;
  }
}

void sandbox_isolation_write(struct base_json_writer *json, const char *key,
                             const struct sandbox_isolation *isolation) {
  base_json_object(json, key);
  for (size_t i = 0; i < SANDBOX_ISOLATION_PARTS; i++) {
    base_json_bool(json, parts[i].key, (isolation->parts & parts[i].part) != 0);
  }
  base_json_integer(json, "landlock_abi", isolation->landlock_abi);
  base_json_integer(json, "uid", isolation->uid);
  base_json_object_end(json);
}
