// Whose originals there are, whatever the settings say: a tenant that was taken out of them keeps what it has.
#ifndef STORE_TENANT_H
#define STORE_TENANT_H

#include "store/store.h"

// The first tenant with an original behind `after` in the order of their names; "" is before all. BASE_NOT_FOUND when
// there is no more. `out` may be `after`.
enum base_result store_tenant_next(struct store *store, const char *after, char out[STORE_MAX_TENANT + 1],
                                   struct base_fault *fault) BASE_CHECKED;

#endif
