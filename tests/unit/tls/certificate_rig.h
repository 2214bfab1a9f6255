// Certificates that openssl makes in a folder of its own, and what becomes of them as an operator's.
#ifndef CERTIFICATE_RIG_H
#define CERTIFICATE_RIG_H

#include "tls/certificate.h"

void rig_make_folder(void);
int rig_remove_folder(void **state);  // a group's tear-down
// Runs a script of the shell in it, which must succeed; it has the functions that certificate_rig.c shows.
void rig_run(const char *script);
void rig_path(const char *name, char *out, size_t capacity);

// The files of that names, with spaces between, one behind the other.
void rig_join(const char *names, struct base_buffer *out);
// As tls_identity_check of them, so many days from now.
enum base_result rig_check(const char *names, int days, struct base_buffer *out, struct tls_about *about,
                           struct base_fault *fault);
void rig_accepts_as(const char *names, unsigned chain_count, struct tls_about *about);
void rig_accepts(const char *names, unsigned chain_count);
void rig_refuses_on(const char *names, int days, enum base_result wanted, const char *text);
void rig_refuses(const char *names, const char *text);

#endif
