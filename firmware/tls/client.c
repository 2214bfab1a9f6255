#include <errno.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "mbed.h"

static const char system_bundle[] = "/etc/ssl/certs/ca-certificates.crt";

struct tls_client {
  int fd;  // borrowed
  struct tls_random random;
  mbedtls_x509_crt trusted;
  mbedtls_ssl_config config;
  mbedtls_ssl_context ssl;
};

// The socket blocks, so "would block" means that its time-out has passed.
static int send_bytes(void *self, const unsigned char *data, size_t bytes) {
  const struct tls_client *client = self;
  for (;;) {
    ssize_t sent = send(client->fd, data, bytes, MSG_NOSIGNAL);
    if (sent >= 0) return (int)sent;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return MBEDTLS_ERR_SSL_TIMEOUT;
    if (errno == EPIPE || errno == ECONNRESET) return MBEDTLS_ERR_NET_CONN_RESET;
    if (errno != EINTR) return MBEDTLS_ERR_NET_SEND_FAILED;
  }
}

static int receive_bytes(void *self, unsigned char *out, size_t bytes) {
  const struct tls_client *client = self;
  for (;;) {
    ssize_t got = recv(client->fd, out, bytes, 0);
    if (got >= 0) return (int)got;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return MBEDTLS_ERR_SSL_TIMEOUT;
    if (errno == ECONNRESET) return MBEDTLS_ERR_NET_CONN_RESET;
    if (errno != EINTR) return MBEDTLS_ERR_NET_RECV_FAILED;
  }
}

static enum base_result fail_io(struct base_fault *fault, const char *what, int code) {
  return tls_fail(fault, code == MBEDTLS_ERR_SSL_TIMEOUT ? BASE_TIMEOUT : BASE_IO, "", what, code);
}

static enum base_result configure(struct tls_client *client, const struct tls_client_config *config,
                                  struct base_fault *fault) {
  int code = tls_config_defaults(&client->config, MBEDTLS_SSL_IS_CLIENT);
  if (code != 0) return tls_fail(fault, BASE_INTERNAL, "", "TLS can not be set up", code);
  mbedtls_ssl_conf_rng(&client->config, mbedtls_ctr_drbg_random, &client->random.generator);
  // The verdict is read after the handshake, so that a refusal can name the certificate.
  mbedtls_ssl_conf_authmode(&client->config, MBEDTLS_SSL_VERIFY_OPTIONAL);
  if (!config->fingerprint) {
    const char *ca_file = config->ca_file ? config->ca_file : system_bundle;
    code = mbedtls_x509_crt_parse_file(&client->trusted, ca_file);  // > 0: some entries were skipped
    if (code < 0) return tls_fail(fault, BASE_BAD_INPUT, ca_file, "the trusted certificates can not be read", code);
  }
  mbedtls_ssl_conf_ca_chain(&client->config, &client->trusted, NULL);
  code = mbedtls_ssl_setup(&client->ssl, &client->config);
  if (code == 0) code = mbedtls_ssl_set_hostname(&client->ssl, config->server_name);
  if (code != 0) return tls_fail(fault, BASE_INTERNAL, "", "TLS can not be set up", code);
  mbedtls_ssl_set_bio(&client->ssl, client, send_bytes, receive_bytes, NULL);
  return BASE_OK;
}

static enum base_result check_peer(struct tls_client *client, const struct tls_client_config *config,
                                   struct base_fault *fault) {
  const mbedtls_x509_crt *peer = mbedtls_ssl_get_peer_cert(&client->ssl);
  if (!peer) return BASE_FAIL(fault, BASE_FORBIDDEN, "certificate", "the server showed no certificate");
  char fingerprint[TLS_FINGERPRINT_CHARS + 1];
  enum base_result result = tls_certificate_fingerprint(peer, fingerprint, fault);
  if (result != BASE_OK) return result;
  if (config->fingerprint) {
    if (strcmp(fingerprint, config->fingerprint) == 0) return BASE_OK;
    return BASE_FAIL(fault, BASE_FORBIDDEN, "certificate", "the server's certificate is another one; its SHA-256 is %s",
                     fingerprint);
  }
  if (mbedtls_ssl_get_verify_result(&client->ssl) == 0) return BASE_OK;
  return BASE_FAIL(fault, BASE_FORBIDDEN, "certificate", "the server's certificate is not trusted; its SHA-256 is %s",
                   fingerprint);
}

enum base_result tls_client_create(int fd, const struct tls_client_config *config, struct tls_client **out,
                                   struct base_fault *fault) {
  *out = NULL;
  if (!config->server_name && !config->fingerprint) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "server_name", "a certificate can only be checked against a name");
  }
  struct tls_client *client = calloc(1, sizeof *client);
  if (!client) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a TLS connection");
  client->fd = fd;
  mbedtls_x509_crt_init(&client->trusted);
  mbedtls_ssl_config_init(&client->config);
  mbedtls_ssl_init(&client->ssl);
  enum base_result result = tls_random_init(&client->random, fault);
  if (result == BASE_OK) result = configure(client, config, fault);
  if (result == BASE_OK) {
    int code = mbedtls_ssl_handshake(&client->ssl);
    if (code != 0) result = fail_io(fault, "the TLS handshake failed", code);
  }
  if (result == BASE_OK) result = check_peer(client, config, fault);
  if (result != BASE_OK) {
    tls_client_destroy(&client);
    return result;
  }
  *out = client;
  return BASE_OK;
}

void tls_client_destroy(struct tls_client **client) {
  struct tls_client *dead = *client;
  if (!dead) return;
  *client = NULL;
  (void)mbedtls_ssl_close_notify(&dead->ssl);  // the peer may be gone already
  mbedtls_ssl_free(&dead->ssl);
  mbedtls_ssl_config_free(&dead->config);
  mbedtls_x509_crt_free(&dead->trusted);
  tls_random_finish(&dead->random);
  free(dead);
}

enum base_result tls_client_read(struct tls_client *client, void *out, size_t bytes, size_t *got,
                                 struct base_fault *fault) {
  *got = 0;
  if (bytes == 0) return BASE_OK;
  int code = mbedtls_ssl_read(&client->ssl, out, bytes);
  if (code > 0) {
    *got = (size_t)code;
    return BASE_OK;
  }
  if (code == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) return BASE_OK;
  if (code == 0) return BASE_FAIL(fault, BASE_IO, "", "the TLS connection was cut off");  // no close_notify: truncated
  return fail_io(fault, "reading from a TLS connection", code);
}

enum base_result tls_client_write(struct tls_client *client, struct base_span bytes, struct base_fault *fault) {
  while (bytes.bytes > 0) {
    int code = mbedtls_ssl_write(&client->ssl, bytes.data, bytes.bytes);
    if (code <= 0) return fail_io(fault, "writing to a TLS connection", code);
    bytes = base_span_slice(bytes, (size_t)code, bytes.bytes - (size_t)code);
  }
  return BASE_OK;
}
