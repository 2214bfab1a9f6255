// A disk that can not do everything: calls of one kind on certain files fail until it is mended.
//
// The linker wraps the calls, so that whatever thread the store makes them on, they come
// here first.
#ifndef TESTS_STORE_BAD_DISK_H
#define TESTS_STORE_BAD_DISK_H

enum bad_call { BAD_OPEN, BAD_READ, BAD_WRITE, BAD_RENAME };

// From now on such calls on files with `part` in their path fail with `error`; of a renaming the new path counts.
// Takes the place of what failed before.
void bad_disk_fail(enum bad_call call, const char *part, int error);
void bad_disk_mend(void);
// Calls that failed since bad_disk_fail.
unsigned bad_disk_failures(void);

// Counts fsyncs of files with `part` in their path from now on.
void bad_disk_count_syncs(const char *part);
unsigned bad_disk_syncs(void);

#endif
