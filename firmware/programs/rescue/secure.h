// TLS of the rescue program: lwIP's altcp_tls with our own rules (TLS 1.2, forward secrecy, no client certificates).
#ifndef RESCUE_SECURE_H
#define RESCUE_SECURE_H

#include "base/result.h"

struct altcp_pcb;
struct altcp_tls_config;

// `pem_path`: key and certificate in one file (tls/tls.h makes it). Lives until the program ends.
enum base_result secure_create(const char *pem_path, struct altcp_tls_config **out,
                               struct base_fault *fault) BASE_CHECKED;
// Says goodbye (close_notify) before a connection is closed.
void secure_goodbye(struct altcp_pcb *connection);

#endif
