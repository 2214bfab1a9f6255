// Replies that are no pictures: IIIF's info.json and the way to it.
#ifndef POP_DOCUMENT_H
#define POP_DOCUMENT_H

#include "http/message.h"
#include "plan.h"

// True for a URL that is answered by one of these.
bool pop_document_is(const struct pop_address *address);
// True for one that needs nothing of the original.
bool pop_document_is_redirect(const struct pop_address *address);
// `public_url` may be NULL: scheme and Host of the request. BASE_BAD_INPUT when there is no Host to make the address
// from.
enum base_result pop_document_redirect(const struct http_request *request, const struct pop_address *address,
                                       const char *public_url, struct http_reply *reply,
                                       struct base_fault *fault) BASE_CHECKED;
// info.json of the original, as conditions and ranges ask for it.
enum base_result pop_document_info(const struct http_request *request, const struct pop_ask *ask,
                                   const char *public_url, const struct pop_original *original, int64_t now_s,
                                   struct http_reply *reply, struct base_fault *fault) BASE_CHECKED;

#endif
