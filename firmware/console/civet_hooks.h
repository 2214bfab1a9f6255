// Put in front of CivetWeb's source by the compiler (-include): some of the functions it calls are replaced by ours.
#ifndef CONSOLE_CIVET_HOOKS_H
#define CONSOLE_CIVET_HOOKS_H

// Before the macros, so that these keep their own declarations.
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "door.h"
#include "tls/guard.h"

#define mbedtls_ssl_handshake tls_guard_handshake
#define mbedtls_ssl_config_defaults tls_guard_config_defaults
#define mbedtls_ssl_conf_own_cert tls_guard_own_cert
#define accept console_door_accept
#define close(fd) console_door_close(fd)
#define poll(fds, count, timeout_ms) console_door_poll(fds, count, timeout_ms)
// It prints a line to stderr whenever a TLS client leaves. What matters comes through its log callback.
#define fprintf(...) 1

#endif
