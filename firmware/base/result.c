#include "base/result.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[BASE_RESULT_COUNT] = {
    [BASE_OK] = "ok",
    [BASE_BAD_INPUT] = "bad-input",
    [BASE_UNAUTHORIZED] = "unauthorized",
    [BASE_FORBIDDEN] = "forbidden",
    [BASE_NOT_FOUND] = "not-found",
    [BASE_METHOD] = "method-not-allowed",
    [BASE_CONFLICT] = "conflict",
    [BASE_LOCKED] = "locked",
    [BASE_CHECKSUM] = "checksum-mismatch",
    [BASE_GONE] = "gone",
    [BASE_LENGTH_REQUIRED] = "length-required",
    [BASE_PRECONDITION] = "precondition-failed",
    [BASE_TOO_LARGE] = "too-large",
    [BASE_UNSUPPORTED] = "unsupported",
    [BASE_RANGE] = "range-not-satisfiable",
    [BASE_UNPROCESSABLE] = "unprocessable",
    [BASE_HEADERS_TOO_LARGE] = "headers-too-large",
    [BASE_NOT_IMPLEMENTED] = "not-implemented",
    [BASE_VERSION] = "version-not-supported",
    [BASE_RATE] = "too-many-requests",
    [BASE_BUSY] = "busy",
    [BASE_TIMEOUT] = "timeout",
    [BASE_SLOW_CLIENT] = "slow-client",
    [BASE_CANCELLED] = "cancelled",
    [BASE_NO_SPACE] = "no-space",
    [BASE_NO_MEMORY] = "no-memory",
    [BASE_IO] = "io",
    [BASE_CORRUPT] = "corrupt",
    [BASE_DEVICE] = "device",
    [BASE_INTERNAL] = "internal",
};

const char *base_result_name(enum base_result result) {
  if ((unsigned)result >= BASE_RESULT_COUNT) return "internal";
  return names[result];
}

// True when `fault` is there and still free: the first failure is the cause, later ones are its consequences.
static bool takes_failure(const struct base_fault *fault) { return fault && fault->result == BASE_OK; }

static void record_place(struct base_fault *fault, enum base_result result, const char *file, int line,
                         const char *subject) {
  fault->result = result;
  fault->file = file;
  fault->line = line;
  snprintf(fault->subject, sizeof fault->subject, "%s", subject ? subject : "");
}

enum base_result base_fault_record(struct base_fault *fault, enum base_result result, const char *file, int line,
                                   const char *subject, const char *format, ...) {
  BASE_ASSERT(result != BASE_OK);
  if (!takes_failure(fault)) return result;
  record_place(fault, result, file, line, subject);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(fault->text, sizeof fault->text, format, arguments);
  va_end(arguments);
  return result;
}

static enum base_result result_from_errno(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return BASE_NO_SPACE;
    case ENOMEM:
      return BASE_NO_MEMORY;
    case EMFILE:
    case ENFILE:
      return BASE_BUSY;
    case ENOENT:
      return BASE_NOT_FOUND;
    default:
      return BASE_IO;
  }
}

enum base_result base_fault_record_errno(struct base_fault *fault, const char *file, int line, const char *subject,
                                         const char *format, ...) {
  const int error = errno;
  const enum base_result result = result_from_errno(error);
  if (!takes_failure(fault)) return result;
  record_place(fault, result, file, line, subject);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(fault->text, sizeof fault->text, format, arguments);
  va_end(arguments);
  char reason[128];
  const size_t used = strlen(fault->text);
  snprintf(fault->text + used, sizeof fault->text - used, ": %s", strerror_r(error, reason, sizeof reason));
  return result;
}

void base_fault_clear(struct base_fault *fault) {
  if (fault) *fault = (struct base_fault){.result = BASE_OK};
}

_Noreturn void base_assert_failed(const char *condition, const char *file, int line) {
  fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
  abort();
}
