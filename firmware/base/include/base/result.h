// Results and the per-request fault: how every room says that something went wrong.
//
// Functions that can fail return `enum base_result` (0 is success) and take an optional `struct base_fault *`
// that keeps the FIRST failure's place and text. HTTP statuses are chosen from the result in one table
// (http/problem.h), never in a room. Thread-safety: a fault belongs to one request at a time.
#ifndef BASE_RESULT_H
#define BASE_RESULT_H

#include <stdarg.h>

enum base_result {
  BASE_OK = 0,
  BASE_BAD_INPUT,          // breaks a rule of the interface: syntax, unknown option, out of range
  BASE_UNAUTHORIZED,       // no or wrong credentials
  BASE_FORBIDDEN,          // known, but not allowed
  BASE_NOT_FOUND,          //
  BASE_METHOD,             // method not allowed on this resource
  BASE_CONFLICT,           // state does not allow it now
  BASE_LOCKED,             // somebody else is working on it
  BASE_CHECKSUM,           // what came is not what the sender's checksum is of
  BASE_GONE,               // was here, is not any more
  BASE_LENGTH_REQUIRED,    // a body without a usable length
  BASE_PRECONDITION,       // If-Match and friends failed
  BASE_TOO_LARGE,          // the request is larger than a named limit
  BASE_UNSUPPORTED,        // media type or file format we do not read
  BASE_RANGE,              // range cannot be satisfied
  BASE_UNPROCESSABLE,      // well-formed, but the content can not be used: damaged picture, result over a limit
  BASE_HEADERS_TOO_LARGE,  // request line or header section over a named limit
  BASE_NOT_IMPLEMENTED,    // a method or transfer coding we do not know
  BASE_VERSION,            // HTTP version we do not speak
  BASE_RATE,               // this client asks or guesses too often
  BASE_BUSY,               // a bounded queue is full: try again later
  BASE_TIMEOUT,            // a deadline passed
  BASE_SLOW_CLIENT,        // the client did not send its request in time
  BASE_CANCELLED,          // the client went away
  BASE_NO_SPACE,           // disk or quota full
  BASE_NO_MEMORY,
  BASE_IO,        // the operating system failed us
  BASE_CORRUPT,   // stored data fails its own checks
  BASE_DEVICE,    // the GPU failed or is absent
  BASE_INTERNAL,  // our own bug that was caught
  BASE_RESULT_COUNT
};

#define BASE_CHECKED __attribute__((warn_unused_result))
#define BASE_PRINTF(format_index, first_argument) __attribute__((format(printf, format_index, first_argument)))

enum { BASE_FAULT_TEXT_BYTES = 320, BASE_FAULT_SUBJECT_BYTES = 64 };

// The first failure of one request. Zero-initialise it. `subject` names what was wrong (an option, a header,
// a file, a limit) and may be empty; `text` is one sentence for people, without a trailing full stop.
struct base_fault {
  enum base_result result;
  const char *file;
  int line;
  char subject[BASE_FAULT_SUBJECT_BYTES];
  char text[BASE_FAULT_TEXT_BYTES];
};

// Stable lower-case word for a result ("bad-input"); used in logs, metrics and problem types.
const char *base_result_name(enum base_result result);

// Records a failure unless one is recorded already; returns `result`. `fault` may be NULL. Use through BASE_FAIL.
enum base_result base_fault_record(struct base_fault *fault, enum base_result result, const char *file, int line,
                                   const char *subject, const char *format, ...) BASE_PRINTF(6, 7);

// Forgets what was recorded, so that the fault can serve another attempt.
void base_fault_clear(struct base_fault *fault);

// return BASE_FAIL(fault, BASE_BAD_INPUT, "w", "w must be 1..%d", max);   subject may be "".
#define BASE_FAIL(fault, result, subject, ...) \
  base_fault_record((fault), (result), __FILE__, __LINE__, (subject), __VA_ARGS__)

// Same with errno's text appended and the result chosen from errno: ENOSPC and EDQUOT -> BASE_NO_SPACE,
// ENOMEM -> BASE_NO_MEMORY, EMFILE and ENFILE -> BASE_BUSY, ENOENT -> BASE_NOT_FOUND, everything else BASE_IO.
enum base_result base_fault_record_errno(struct base_fault *fault, const char *file, int line, const char *subject,
                                         const char *format, ...) BASE_PRINTF(5, 6);
#define BASE_FAIL_ERRNO(fault, subject, ...) \
  base_fault_record_errno((fault), __FILE__, __LINE__, (subject), __VA_ARGS__)

// For our own bugs; stays on in release builds. Prints the place and aborts.
#define BASE_ASSERT(condition)                                            \
  do {                                                                    \
    if (!(condition)) base_assert_failed(#condition, __FILE__, __LINE__); \
  } while (0)
_Noreturn void base_assert_failed(const char *condition, const char *file, int line);

#endif
