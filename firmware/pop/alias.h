// Aliases: which variant a request as it was written came to last time, so that a repeated one needs no parsing,
// pinning and hashing.
//
// What a request means depends on the tenant, the path, the query and Accept alone, and the bytes of an original never
// change: an alias can not become wrong. Whether its variant may still be served is decided by looking for the variant.
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
// True when the request is known.
bool pop_aliases_find(struct pop_aliases *aliases, const struct http_request *request, const struct pop_tenant *tenant,
                      struct cache_key *key, struct pop_terms *terms);
// Remembers it. Best effort: long requests and those with several Accept fields are left out.
void pop_aliases_keep(struct pop_aliases *aliases, const struct http_request *request, const struct pop_tenant *tenant,
                      const struct cache_key *key, struct pop_terms terms);

#endif
