// The tenants and their hosts, read without a lock by every request.
#ifndef POP_TENANT_H
#define POP_TENANT_H

#include <pthread.h>
#include <stdatomic.h>

#include "pop/pop.h"

struct pop_tenant_table;

// Tables that were replaced are kept until finish, so that a tenant found once stays valid; but they lose their keys,
// which may have been revoked.
struct pop_tenants {
  _Atomic(struct pop_tenant_table *) current;
  pthread_rwlock_t keys;  // read: those of tenants found since then stay
};

enum base_result pop_tenants_init(struct pop_tenants *tenants, const struct pop_tenant *items, size_t count,
                                  struct base_fault *fault) BASE_CHECKED;
void pop_tenants_finish(struct pop_tenants *tenants);
// Checks and takes a new set; on failure the old one stays.
enum base_result pop_tenants_replace(struct pop_tenants *tenants, const struct pop_tenant *items, size_t count,
                                     struct base_fault *fault) BASE_CHECKED;
// Between these the keys of tenants that are found in between can be looked at; after it a tenant may have none. Brief,
// and on one thread.
void pop_tenants_hold_keys(struct pop_tenants *tenants);
void pop_tenants_release_keys(struct pop_tenants *tenants);
// The tenant that has this host, else "default". Never NULL. Names are compared without regard to ASCII case and to the
// dot that may end an absolute one; IPv6 literals by their address.
const struct pop_tenant *pop_tenants_find(struct pop_tenants *tenants, struct base_span host);
// The tenant of that name, or NULL.
const struct pop_tenant *pop_tenants_find_name(struct pop_tenants *tenants, const char *name);
// The widths of its ladder, or those of the default one; ascending.
const uint32_t *pop_tenant_ladder(const struct pop_tenant *tenant, size_t *count);

#endif
