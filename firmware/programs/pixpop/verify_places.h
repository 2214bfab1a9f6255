// The three places `verify` looks at, each with a walk over the objects there.
#ifndef PIXPOP_VERIFY_PLACES_H
#define PIXPOP_VERIFY_PLACES_H

#include "options.h"
#include "verify_report.h"

// Each fills the report; problems on the way are findings in it.

// A box, by its console's API.
void verify_box(const struct options *options, struct verify_report *report);
// The data folder of pixpopd, or its store folder; pixpopd may be running. `store` is where originals/ and ledger/ are.
void verify_folder(const struct options *options, const char *store, struct verify_report *report);
// A folder made by `pixpop sync`.
void verify_mirror(const struct options *options, const char *folder, struct verify_report *report);

#endif
