// Aliases: which variant a request as it was written came to last time, so that a repeated one needs no parsing, no
// check of its signature, no pinning and hashing.
//
// What a request means depends on the tenant, path and query, and where those leave something open on Accept and the
// hints: so there are two steps. The first is found by path and query and says what is open; when nothing is, it is the
// answer. The second is found by the same with Accept and the classes of the hints. A signature is a part of the query,
// expiry is checked each time, and new settings make new tenants (see tenant.h), which have no aliases yet. The bytes
// of an original never change, so an alias can not become wrong otherwise; whether its variant may still be served is
// decided by looking for the variant.
#ifndef POP_ALIAS_H
#define POP_ALIAS_H

#include "cache/lru.h"
#include "http/message.h"
#include "pop/pop.h"
#include "variant.h"

struct pop_aliases {
  struct cache_lru *cache;
  uint64_t seed;  // of the hash, so that nobody outside can choose collisions
};

enum base_result pop_aliases_init(struct pop_aliases *aliases, struct base_fault *fault) BASE_CHECKED;
void pop_aliases_finish(struct pop_aliases *aliases);
// True when the request is known and its URL has not expired.
bool pop_aliases_find(struct pop_aliases *aliases, const struct http_request *request, const struct pop_tenant *tenant,
                      int64_t now_s, struct cache_key *key, struct pop_terms *terms);
// Remembers it. Best effort: long requests and those with several Accept fields are left out. Only for what may be
// answered like this until the URL expires.
void pop_aliases_keep(struct pop_aliases *aliases, const struct http_request *request, const struct pop_tenant *tenant,
                      const struct cache_key *key, struct pop_terms terms);

#endif
