// Parameters of a header field, as in `form-data; name="image"; filename=a.jpg` (RFC 2045 5.1, RFC 7578 4.2).
#ifndef INGEST_PARAMETER_H
#define INGEST_PARAMETER_H

#include "base/span.h"

enum { PARAMETER_MAX_VALUE = 1023 };

struct ingest_parameter {
  struct base_span name;                // borrowed from the field
  char value[PARAMETER_MAX_VALUE + 1];  // without quotes and escapes; no control characters
};

enum ingest_parameter_outcome { PARAMETER_FOUND, PARAMETER_END, PARAMETER_MALFORMED };

// Cuts the leading value (`form-data`) off a field and leaves the parameters in *rest.
struct base_span ingest_parameter_head(struct base_span field, struct base_span *rest);
// Cuts the next parameter off *rest.
enum ingest_parameter_outcome ingest_parameter_next(struct base_span *rest, struct ingest_parameter *out);

#endif
