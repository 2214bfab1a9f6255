#include "tls/guard.h"

#include <errno.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <poll.h>
#include <stdatomic.h>

#include "mbed.h"

// Forward secrecy and authenticated encryption only; ECDSA for our own certificates, RSA for an operator's.
static const int cipher_suites[] = {
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    0,
};

// Process-wide because the functions that stand in for mbedTLS's have no room for a parameter of ours.
static atomic_uint handshake_timeout_ms = TLS_GUARD_HANDSHAKE_TIMEOUT_MS;

void tls_guard_set_handshake_timeout_ms(uint32_t timeout_ms) {
  atomic_store(&handshake_timeout_ms, timeout_ms != 0 ? timeout_ms : TLS_GUARD_HANDSHAKE_TIMEOUT_MS);
}

// Waits until `fd` is ready for `events`; false when the deadline has passed or poll fails.
static bool wait_for_socket(int fd, short events, uint64_t deadline_us) {
  const struct base_clock *clock = base_clock_system();
  for (;;) {
    uint64_t now_us = base_clock_us(clock);
    if (now_us >= deadline_us) return false;
    struct pollfd poll_fd = {.fd = fd, .events = events};
    int ready = poll(&poll_fd, 1, (int)((deadline_us - now_us + 999) / 1000));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

int tls_guard_handshake(struct mbedtls_ssl_context *ssl) {
  const mbedtls_net_context *socket = ssl->p_bio;
  uint64_t deadline_us = base_clock_us(base_clock_system()) + 1000ull * atomic_load(&handshake_timeout_ms);
  for (;;) {
    int code = mbedtls_ssl_handshake(ssl);
    if (code != MBEDTLS_ERR_SSL_WANT_READ && code != MBEDTLS_ERR_SSL_WANT_WRITE) return code;
    short events = code == MBEDTLS_ERR_SSL_WANT_READ ? POLLIN : POLLOUT;
    if (!wait_for_socket(socket->fd, events, deadline_us)) return MBEDTLS_ERR_SSL_TIMEOUT;
  }
}

int tls_guard_config_defaults(struct mbedtls_ssl_config *config, int endpoint, int transport, int preset) {
  int code = mbedtls_ssl_config_defaults(config, endpoint, transport, preset);
  if (code != 0) return code;
  mbedtls_ssl_conf_min_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
  mbedtls_ssl_conf_ciphersuites(config, cipher_suites);
  return 0;
}

static int sign_once(struct mbedtls_pk_context *key) {
  static const unsigned char digest[32] = {0};
  unsigned char signature[MBEDTLS_PK_SIGNATURE_MAX_SIZE];
  size_t signature_bytes = 0;
  struct tls_random random;
  int code = MBEDTLS_ERR_CTR_DRBG_ENTROPY_SOURCE_FAILED;
  if (tls_random_init(&random, NULL) == BASE_OK) {
    code = mbedtls_pk_sign(key, MBEDTLS_MD_SHA256, digest, sizeof digest, signature, &signature_bytes,
                           mbedtls_ctr_drbg_random, &random.generator);
  }
  tls_random_finish(&random);
  return code;
}

int tls_guard_own_cert(struct mbedtls_ssl_config *config, struct mbedtls_x509_crt *certificate,
                       struct mbedtls_pk_context *key) {
  int code = sign_once(key);
  if (code != 0) return code;
  return mbedtls_ssl_conf_own_cert(config, certificate, key);
}
