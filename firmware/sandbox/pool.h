// The workers of a sandbox: lending them out one call at a time, and replacing those that are gone.
//
// A keeper thread starts every worker and lives as long as the pool, because a decoder asks the kernel to be killed
// when the thread that started it ends. It also keeps slow starts away from requests.
#ifndef SANDBOX_POOL_H
#define SANDBOX_POOL_H

#include "sandbox/sandbox.h"
#include "worker.h"

struct pool;

// Config with every default filled in; borrowed strings must outlive the pool.
enum base_result sandbox_pool_create(const struct sandbox_config *config, struct pool **out,
                                     struct base_fault *fault) BASE_CHECKED;
void sandbox_pool_destroy(struct pool **pool);
// An idle living worker, or NULL when none became free within the config's wait_ms.
struct worker *sandbox_pool_borrow(struct pool *pool) BASE_CHECKED;
const struct worker_plan *sandbox_pool_plan(const struct pool *pool);
// Of the worker started last.
struct sandbox_isolation sandbox_pool_isolation(struct pool *pool);
// Gives it back; one that `is_usable` no more, or has had its share of requests, is ended and replaced.
void sandbox_pool_return(struct pool *pool, struct worker *worker, bool is_usable);

#endif
