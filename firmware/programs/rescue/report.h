// What others need to see what is wrong: the kernel's log, and an archive with it and more. Nothing secret is in it.
#ifndef RESCUE_REPORT_H
#define RESCUE_REPORT_H

#include "api.h"

enum { REPORT_LOG_BYTES = 512 * 1024, REPORT_BYTES = 1024 * 1024 };

// Appends the newest part of the kernel's log, and this program's own lines.
enum base_result report_write_log(struct api *api, struct base_buffer *out) BASE_CHECKED;
// Appends a tar archive.
enum base_result report_write_archive(struct api *api, struct base_buffer *out, struct base_fault *fault) BASE_CHECKED;

#endif
