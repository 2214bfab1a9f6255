// Request methods by their text.
#ifndef HTTP_METHOD_H
#define HTTP_METHOD_H

#include "http/message.h"

// HTTP_OTHER for what has no name of its own; methods are case-sensitive (RFC 9110 9.1).
enum http_method http_method_of(struct base_span text);

#endif
