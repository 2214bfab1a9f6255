// Small files in --data. The folder is also written by pixpopd's user: nothing here follows a link that it planted
// there, and what is made anew has a name that nobody can know.
#ifndef SYSTEM_DATA_H
#define SYSTEM_DATA_H

#include <limits.h>

#include "base/span.h"

// Writes a file, brings it to the disk and reads it back from there; nothing of it stays.
enum base_result data_check(const char *folder, struct base_fault *fault) BASE_CHECKED;
// Only looks: BASE_IO when the file system has become read-only, BASE_NO_SPACE when it is full.
enum base_result data_look(const char *folder, struct base_fault *fault) BASE_CHECKED;
// An empty file of that name, durably; one that is there already is fine.
enum base_result data_flag(const char *folder, const char *name, struct base_fault *fault) BASE_CHECKED;
// What a regular file holds, at most `capacity` - 1 bytes, terminated. One that does not exist is empty.
enum base_result data_read(const char *folder, const char *name, char *out, size_t capacity,
                           struct base_fault *fault) BASE_CHECKED;
// A new file with this text (mode 0644), on the disk; its path goes to `path`. Then it gets its name, durably, or goes.
enum base_result data_draft(const char *folder, const char *text, char path[PATH_MAX],
                            struct base_fault *fault) BASE_CHECKED;
enum base_result data_keep_draft(const char *folder, const char *path, const char *name,
                                 struct base_fault *fault) BASE_CHECKED;

#endif
