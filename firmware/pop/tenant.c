#include "tenant.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DEFAULT_NAME "default"

struct pop_tenant_table {
  struct pop_tenant_table *older;
  const struct pop_tenant *fallback;
  size_t count;
  struct pop_tenant items[];
};

static bool is_ipv6(struct base_span text, char out[INET6_ADDRSTRLEN]) {
  struct in6_addr binary;
  char copy[INET6_ADDRSTRLEN];
  return base_span_copy(text, copy, sizeof copy) && inet_pton(AF_INET6, copy, &binary) == 1 &&
         inet_ntop(AF_INET6, &binary, out, INET6_ADDRSTRLEN) != NULL;
}

// A host as it is compared: a name without the dot that makes it absolute (RFC 3986 3.2.2), an IPv6 address in brackets
// and in the one spelling of inet_ntop. It may lie in `storage`.
static struct base_span plain_host(struct base_span host, char storage[INET6_ADDRSTRLEN + 2]) {
  char address[INET6_ADDRSTRLEN];
  const bool has_brackets = host.bytes > 2 && host.data[0] == '[' && host.data[host.bytes - 1] == ']';
  if (has_brackets || (host.bytes > 0 && memchr(host.data, ':', host.bytes))) {
    const struct base_span inside = has_brackets ? base_span_slice(host, 1, host.bytes - 2) : host;
    if (!is_ipv6(inside, address)) return host;
    (void)snprintf(storage, INET6_ADDRSTRLEN + 2, "[%s]", address);
    return base_span_text(storage);
  }
  if (host.bytes > 1 && host.data[host.bytes - 1] == '.') return base_span_slice(host, 0, host.bytes - 1);
  return host;
}

static void make_hosts_plain(struct pop_tenant *tenant) {
  for (size_t i = 0; i < tenant->host_count; i++) {
    char storage[INET6_ADDRSTRLEN + 2], plain[sizeof tenant->hosts[i]];
    if (!base_span_copy(plain_host(base_span_text(tenant->hosts[i]), storage), plain, sizeof plain)) continue;
    memcpy(tenant->hosts[i], plain, sizeof plain);
  }
}

static enum base_result check_name(const struct pop_tenant *tenant, struct base_fault *fault) {
  const size_t length = strnlen(tenant->name, sizeof tenant->name);
  if (length == 0 || length > STORE_MAX_TENANT ||
      strspn(tenant->name, "abcdefghijklmnopqrstuvwxyz0123456789-") != length) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "tenant", "a tenant's name is 1 to %d characters of a-z, 0-9 and -",
                     STORE_MAX_TENANT);
  }
  if (tenant->host_count > POP_MAX_HOSTS) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "tenant", "tenant %s has more than %d hosts", tenant->name, POP_MAX_HOSTS);
  }
  if (tenant->key_count > POP_MAX_SIGN_KEYS || tenant->imgproxy_key_count > POP_MAX_SIGN_KEYS ||
      tenant->ladder_count > POP_MAX_LADDER) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "tenant", "tenant %s has more than %d sign keys or %d widths", tenant->name,
                     POP_MAX_SIGN_KEYS, POP_MAX_LADDER);
  }
  return BASE_OK;
}

// Compares a tenant with those before it.
static enum base_result check_unique(const struct pop_tenant *items, size_t index, struct base_fault *fault) {
  const struct pop_tenant *tenant = &items[index];
  for (size_t i = 0; i < index; i++) {
    if (strcmp(items[i].name, tenant->name) == 0) {
      return BASE_FAIL(fault, BASE_BAD_INPUT, "tenant", "there are two tenants named %s", tenant->name);
    }
    for (size_t j = 0; j < items[i].host_count * tenant->host_count; j++) {
      const char *host = tenant->hosts[j % tenant->host_count];
      if (strcasecmp(items[i].hosts[j / tenant->host_count], host) != 0) continue;
      return BASE_FAIL(fault, BASE_BAD_INPUT, "tenant", "the host %.200s belongs to %s and to %s", host, items[i].name,
                       tenant->name);
    }
  }
  return BASE_OK;
}

static const struct pop_tenant *find_name(const struct pop_tenant *items, size_t count, const char *name) {
  for (size_t i = 0; i < count; i++) {
    if (strcmp(items[i].name, name) == 0) return &items[i];
  }
  return NULL;
}

// It has keys.
static void destroy_table(struct pop_tenant_table *table) {
  explicit_bzero(table, sizeof *table + table->count * sizeof table->items[0]);
  free(table);
}

static enum base_result make_table(const struct pop_tenant *items, size_t count, struct pop_tenant_table **out,
                                   struct base_fault *fault) {
  if (count > POP_MAX_TENANTS) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "tenant", "there are %zu tenants; at most %d are possible", count,
                     POP_MAX_TENANTS);
  }
  // One more than given, for the default.
  struct pop_tenant_table *table = calloc(1, sizeof *table + (count + 1) * sizeof table->items[0]);
  if (!table) return BASE_FAIL(fault, BASE_NO_MEMORY, "tenant", "no memory for %zu tenants", count);
  if (count) memcpy(table->items, items, count * sizeof *items);
  table->count = count;
  for (size_t i = 0; i < count; i++) {
    enum base_result result = check_name(&table->items[i], fault);
    if (result == BASE_OK) make_hosts_plain(&table->items[i]);
    if (result == BASE_OK) result = check_unique(table->items, i, fault);
    if (result != BASE_OK) {
      destroy_table(table);
      return result;
    }
  }
  table->fallback = find_name(table->items, count, DEFAULT_NAME);
  if (!table->fallback) {
    table->items[count] = (struct pop_tenant){.name = DEFAULT_NAME};
    table->fallback = &table->items[count];
    table->count++;
  }
  *out = table;
  return BASE_OK;
}

enum base_result pop_tenants_init(struct pop_tenants *tenants, const struct pop_tenant *items, size_t count,
                                  struct base_fault *fault) {
  pthread_rwlockattr_t patient;
  atomic_init(&tenants->current, NULL);
  pthread_rwlockattr_init(&patient);
  // A steady stream of requests must not keep revoked keys alive.
  pthread_rwlockattr_setkind_np(&patient, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
  pthread_rwlock_init(&tenants->keys, &patient);
  pthread_rwlockattr_destroy(&patient);
  return pop_tenants_replace(tenants, items, count, fault);
}

void pop_tenants_finish(struct pop_tenants *tenants) {
  struct pop_tenant_table *table = atomic_exchange(&tenants->current, NULL);
  while (table) {
    struct pop_tenant_table *older = table->older;
    destroy_table(table);
    table = older;
  }
  pthread_rwlock_destroy(&tenants->keys);
}

void pop_tenants_hold_keys(struct pop_tenants *tenants) { (void)pthread_rwlock_rdlock(&tenants->keys); }

void pop_tenants_release_keys(struct pop_tenants *tenants) { (void)pthread_rwlock_unlock(&tenants->keys); }

// Whoever finds a tenant from here on finds the new one. The counts stay, for those who do not look at the keys.
static void wipe_keys(struct pop_tenants *tenants, struct pop_tenant_table *table) {
  (void)pthread_rwlock_wrlock(&tenants->keys);
  for (size_t i = 0; i < table->count; i++) {
    explicit_bzero(table->items[i].keys, sizeof table->items[i].keys);
    explicit_bzero(table->items[i].imgproxy_keys, sizeof table->items[i].imgproxy_keys);
  }
  (void)pthread_rwlock_unlock(&tenants->keys);
}

enum base_result pop_tenants_replace(struct pop_tenants *tenants, const struct pop_tenant *items, size_t count,
                                     struct base_fault *fault) {
  struct pop_tenant_table *table = NULL;
  const enum base_result result = make_table(items, count, &table, fault);
  if (result != BASE_OK) return result;
  // Nobody but finish follows `older`, so it may be set after others see the table.
  table->older = atomic_exchange(&tenants->current, table);
  if (table->older) wipe_keys(tenants, table->older);
  return BASE_OK;
}

const struct pop_tenant *pop_tenants_find(struct pop_tenants *tenants, struct base_span host) {
  const struct pop_tenant_table *table = atomic_load_explicit(&tenants->current, memory_order_acquire);
  char storage[INET6_ADDRSTRLEN + 2];
  const struct base_span plain = plain_host(host, storage);
  for (size_t i = 0; i < table->count; i++) {
    for (size_t j = 0; j < table->items[i].host_count; j++) {
      if (base_span_is_nocase(plain, table->items[i].hosts[j])) return &table->items[i];
    }
  }
  return table->fallback;
}

const struct pop_tenant *pop_tenants_find_name(struct pop_tenants *tenants, const char *name) {
  const struct pop_tenant_table *table = atomic_load_explicit(&tenants->current, memory_order_acquire);
  return find_name(table->items, table->count, name);
}

const uint32_t *pop_tenant_ladder(const struct pop_tenant *tenant, size_t *count) {
  // The usual widths of screens and of layouts that are half or a third of them.
  static const uint32_t usual[] = {160,  320,  400,  480,  640,  750,  800,  828,  960, 1080,
                                   1200, 1280, 1440, 1600, 1920, 2048, 2560, 3200, 3840};
  if (tenant->ladder_count > 0) {
    *count = tenant->ladder_count;
    return tenant->ladder;
  }
  *count = sizeof usual / sizeof usual[0];
  return usual;
}
