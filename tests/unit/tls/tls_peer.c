#include "tls_peer.h"

#include <fcntl.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tls/guard.h"

static void must(int is_fine) {
  if (!is_fine) abort();
}

int tls_peer_pair(struct tls_peer *peer) {
  int fds[2];
  must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
  must(fcntl(fds[1], F_SETFL, O_NONBLOCK) == 0);
  *peer = (struct tls_peer){.fd = fds[1]};
  return fds[0];
}

static void echo(struct tls_peer *peer, mbedtls_ssl_context *ssl) {
  unsigned char bytes[4096];
  for (;;) {
    int got = mbedtls_ssl_read(ssl, bytes, sizeof bytes);
    if (got == MBEDTLS_ERR_SSL_WANT_READ) {
      struct pollfd poll_fd = {.fd = peer->fd, .events = POLLIN};
      (void)poll(&poll_fd, 1, 1000);
      continue;
    }
    if (got <= 0) return;
    for (int sent = 0; sent < got;) {
      int code = mbedtls_ssl_write(ssl, bytes + sent, (size_t)(got - sent));
      if (code > 0) sent += code;
      if (code < 0 && code != MBEDTLS_ERR_SSL_WANT_WRITE) return;
    }
    peer->echoed_bytes += (size_t)got;
  }
}

static void *serve(void *argument) {
  struct tls_peer *peer = argument;
  mbedtls_entropy_context entropy;
  mbedtls_ctr_drbg_context generator;
  mbedtls_pk_context key;
  mbedtls_x509_crt certificate;
  mbedtls_ssl_config config;
  mbedtls_ssl_context ssl;
  mbedtls_entropy_init(&entropy);
  mbedtls_ctr_drbg_init(&generator);
  mbedtls_pk_init(&key);
  mbedtls_x509_crt_init(&certificate);
  mbedtls_ssl_config_init(&config);
  mbedtls_ssl_init(&ssl);
  must(mbedtls_ctr_drbg_seed(&generator, mbedtls_entropy_func, &entropy, NULL, 0) == 0);
  must(mbedtls_pk_parse_keyfile(&key, peer->pem_path, NULL) == 0);
  must(mbedtls_x509_crt_parse_file(&certificate, peer->pem_path) == 0);
  must(tls_guard_config_defaults(&config, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM,
                                 MBEDTLS_SSL_PRESET_DEFAULT) == 0);
  mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &generator);
  must(tls_guard_own_cert(&config, &certificate, &key) == 0);
  must(mbedtls_ssl_setup(&ssl, &config) == 0);
  mbedtls_ssl_set_bio(&ssl, &peer->fd, mbedtls_net_send, mbedtls_net_recv, NULL);

  peer->handshake_code = tls_guard_handshake(&ssl);
  if (peer->handshake_code == 0) echo(peer, &ssl);

  mbedtls_ssl_free(&ssl);
  mbedtls_ssl_config_free(&config);
  mbedtls_x509_crt_free(&certificate);
  mbedtls_pk_free(&key);
  mbedtls_ctr_drbg_free(&generator);
  mbedtls_entropy_free(&entropy);
  close(peer->fd);
  return NULL;
}

void tls_peer_start(struct tls_peer *peer, const char *pem_path) {
  peer->pem_path = pem_path;
  must(pthread_create(&peer->thread, NULL, serve, peer) == 0);
}

void tls_peer_join(struct tls_peer *peer) { must(pthread_join(peer->thread, NULL) == 0); }
