// What `pixpop verify` has found so far: the bar while it works, a line for everything that is wrong, the closing
// table.
//
// Any thread may call these.
#ifndef PIXPOP_VERIFY_REPORT_H
#define PIXPOP_VERIFY_REPORT_H

#include <pthread.h>

#include "base/result.h"
#include "progress.h"

// Exit statuses of `verify`, other than those of the other commands.
enum { VERIFY_PROVEN = 0, VERIFY_UNCHECKED = 1, VERIFY_WRONG = 2 };

enum verify_kind { VERIFY_ORIGINALS, VERIFY_VARIANTS, VERIFY_LEVELS, VERIFY_KINDS };

struct verify_report {
  pthread_mutex_t lock;
  struct progress progress;
  uint64_t done_bytes, total_bytes;
  struct {
    uint64_t count, bytes;
  } proven[VERIFY_KINDS];
  uint64_t wrong, unchecked;  // findings
};

void verify_report_init(struct verify_report *report);
void verify_report_finish(struct verify_report *report);

// A line of the report: "label   text".
void verify_report_say(struct verify_report *report, const char *label, const char *format, ...) BASE_PRINTF(3, 4);
// Something that is not as it was signed; `about` names the object or file, NULL: the ledger as a whole.
void verify_report_wrong(struct verify_report *report, const char *about, const char *format, ...) BASE_PRINTF(3, 4);
// Something that could not be looked at.
void verify_report_unchecked(struct verify_report *report, const char *about, const char *format, ...)
    BASE_PRINTF(3, 4);
// The same by a fault: wrong for BASE_CORRUPT, else not checked.
void verify_report_fault(struct verify_report *report, const char *about, const struct base_fault *fault);

// The bar: of how many bytes, and how many more have been looked at.
void verify_report_expect(struct verify_report *report, uint64_t total_bytes);
void verify_report_move(struct verify_report *report, uint64_t bytes);
// An object whose bytes, tree and entry are right (of a level: its bytes).
void verify_report_prove(struct verify_report *report, enum verify_kind kind, uint64_t bytes);

// Prints the closing table. An exit status.
int verify_report_end(struct verify_report *report);

#endif
