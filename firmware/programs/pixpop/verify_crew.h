// A few threads that do one piece of work together.
#ifndef PIXPOP_VERIFY_CREW_H
#define PIXPOP_VERIFY_CREW_H

// Calls `work` on as many threads as there are processors (at most 16), the caller's among them, and returns when all
// have. Each takes its share of the work by itself.
void verify_crew_run(void (*work)(void *self), void *self);

#endif
