#include "tls/server.h"

#include <errno.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ticket.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "mbed.h"

enum { TICKET_LIFE_S = 12 * 60 * 60 };

// A key with its certificate, ready for use; lives while a stream still uses it.
struct identity {
  atomic_uint refs;
  mbedtls_x509_crt certificate;
  mbedtls_pk_context key;
  mbedtls_ssl_config config;
};

struct tls_server {
  char *pem_path;
  struct tls_random random;
  mbedtls_ssl_ticket_context tickets;
  pthread_mutex_t lock;  // of `identity`
  struct identity *identity;
};

struct tls_stream {
  int fd;  // borrowed
  struct identity *identity;
  mbedtls_ssl_context ssl;
  size_t writing_bytes;  // of a record that the socket did not take whole
};

static void identity_unref(struct identity **identity) {
  struct identity *dead = *identity;
  *identity = NULL;
  if (!dead || atomic_fetch_sub(&dead->refs, 1) != 1) return;
  mbedtls_ssl_config_free(&dead->config);
  mbedtls_pk_free(&dead->key);
  mbedtls_x509_crt_free(&dead->certificate);
  free(dead);
}

// mbedTLS builds a key's table of multiples during its first signature, without a lock; made here, while one thread
// knows the key, the table is only read later.
static int sign_once(mbedtls_pk_context *key, struct tls_random *random) {
  static const unsigned char digest[32] = {0};
  unsigned char signature[MBEDTLS_PK_SIGNATURE_MAX_SIZE];
  size_t signature_bytes = 0;
  return mbedtls_pk_sign(key, MBEDTLS_MD_SHA256, digest, sizeof digest, signature, &signature_bytes,
                         mbedtls_ctr_drbg_random, &random->generator);
}

static int configure(struct identity *identity, struct tls_server *server) {
  mbedtls_ssl_config *config = &identity->config;
  int code = sign_once(&identity->key, &server->random);
  if (code == 0) code = tls_config_defaults(config, MBEDTLS_SSL_IS_SERVER);
  if (code != 0) return code;
  mbedtls_ssl_conf_rng(config, mbedtls_ctr_drbg_random, &server->random.generator);
  mbedtls_ssl_conf_session_tickets_cb(config, mbedtls_ssl_ticket_write, mbedtls_ssl_ticket_parse, &server->tickets);
  return mbedtls_ssl_conf_own_cert(config, &identity->certificate, &identity->key);
}

static enum base_result identity_open(struct tls_server *server, struct identity **out, struct base_fault *fault) {
  struct identity *identity = calloc(1, sizeof *identity);
  if (!identity) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a TLS identity");
  atomic_init(&identity->refs, 1);
  mbedtls_x509_crt_init(&identity->certificate);
  mbedtls_pk_init(&identity->key);
  mbedtls_ssl_config_init(&identity->config);
  enum base_result result = tls_identity_load(server->pem_path, &identity->certificate, &identity->key, fault);
  if (result == BASE_OK) {
    int code = configure(identity, server);
    if (code != 0) result = tls_fail(fault, BASE_INTERNAL, server->pem_path, "TLS can not be set up", code);
  }
  if (result != BASE_OK) {
    identity_unref(&identity);
    return result;
  }
  *out = identity;
  return BASE_OK;
}

enum base_result tls_server_create(const char *pem_path, struct tls_server **out, struct base_fault *fault) {
  *out = NULL;
  struct tls_server *server = calloc(1, sizeof *server);
  if (!server) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a TLS server");
  pthread_mutex_init(&server->lock, NULL);
  mbedtls_ssl_ticket_init(&server->tickets);
  enum base_result result = tls_random_init(&server->random, fault);
  server->pem_path = strdup(pem_path);
  if (result == BASE_OK && !server->pem_path) {
    result = BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a TLS server");
  }
  if (result == BASE_OK) {
    int code = mbedtls_ssl_ticket_setup(&server->tickets, mbedtls_ctr_drbg_random, &server->random.generator,
                                        MBEDTLS_CIPHER_AES_256_GCM, TICKET_LIFE_S);
    if (code != 0) result = tls_fail(fault, BASE_INTERNAL, "", "TLS can not be set up", code);
  }
  if (result == BASE_OK) result = identity_open(server, &server->identity, fault);
  if (result != BASE_OK) {
    tls_server_destroy(&server);
    return result;
  }
  *out = server;
  return BASE_OK;
}

enum base_result tls_server_reload(struct tls_server *server, struct base_fault *fault) {
  struct identity *fresh;
  enum base_result result = identity_open(server, &fresh, fault);
  if (result != BASE_OK) return result;
  pthread_mutex_lock(&server->lock);
  struct identity *stale = server->identity;
  server->identity = fresh;
  pthread_mutex_unlock(&server->lock);
  identity_unref(&stale);
  return BASE_OK;
}

void tls_server_destroy(struct tls_server **server) {
  struct tls_server *dead = *server;
  if (!dead) return;
  *server = NULL;
  identity_unref(&dead->identity);
  mbedtls_ssl_ticket_free(&dead->tickets);
  tls_random_finish(&dead->random);
  pthread_mutex_destroy(&dead->lock);
  free(dead->pem_path);
  free(dead);
}

static int send_bytes(void *self, const unsigned char *data, size_t bytes) {
  const struct tls_stream *stream = self;
  ssize_t sent = send(stream->fd, data, bytes, MSG_NOSIGNAL);
  if (sent >= 0) return (int)sent;
  if (errno == EAGAIN || errno == EINTR) return MBEDTLS_ERR_SSL_WANT_WRITE;
  return errno == EPIPE || errno == ECONNRESET ? MBEDTLS_ERR_NET_CONN_RESET : MBEDTLS_ERR_NET_SEND_FAILED;
}

static int receive_bytes(void *self, unsigned char *out, size_t bytes) {
  const struct tls_stream *stream = self;
  ssize_t got = recv(stream->fd, out, bytes, 0);
  if (got >= 0) return (int)got;
  if (errno == EAGAIN || errno == EINTR) return MBEDTLS_ERR_SSL_WANT_READ;
  return errno == ECONNRESET ? MBEDTLS_ERR_NET_CONN_RESET : MBEDTLS_ERR_NET_RECV_FAILED;
}

struct tls_stream *tls_stream_create(struct tls_server *server, int fd) {
  struct tls_stream *stream = calloc(1, sizeof *stream);
  if (!stream) return NULL;
  stream->fd = fd;
  mbedtls_ssl_init(&stream->ssl);
  pthread_mutex_lock(&server->lock);
  stream->identity = server->identity;
  atomic_fetch_add(&stream->identity->refs, 1);
  pthread_mutex_unlock(&server->lock);
  if (mbedtls_ssl_setup(&stream->ssl, &stream->identity->config) != 0) {
    tls_stream_destroy(&stream);
    return NULL;
  }
  mbedtls_ssl_set_bio(&stream->ssl, stream, send_bytes, receive_bytes, NULL);
  return stream;
}

void tls_stream_destroy(struct tls_stream **stream) {
  struct tls_stream *dead = *stream;
  if (!dead) return;
  *stream = NULL;
  mbedtls_ssl_free(&dead->ssl);
  identity_unref(&dead->identity);
  free(dead);
}

static enum tls_status status_of(int code, const char *what, struct base_fault *fault) {
  switch (code) {
    case MBEDTLS_ERR_SSL_WANT_READ:
      return TLS_WANT_READ;
    case MBEDTLS_ERR_SSL_WANT_WRITE:
      return TLS_WANT_WRITE;
    case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY:
      return TLS_END;
    default:
      (void)tls_fail(fault, BASE_IO, "", what, code);
      return TLS_FAILED;
  }
}

enum tls_status tls_stream_handshake(struct tls_stream *stream, struct base_fault *fault) {
  int code = mbedtls_ssl_handshake(&stream->ssl);
  return code == 0 ? TLS_OK : status_of(code, "the TLS handshake failed", fault);
}

enum tls_status tls_stream_read(struct tls_stream *stream, void *out, size_t capacity, size_t *got,
                                struct base_fault *fault) {
  *got = 0;
  int code = mbedtls_ssl_read(&stream->ssl, out, capacity);
  if (code > 0) {
    *got = (size_t)code;
    return TLS_OK;
  }
  // 0: the socket has ended without a close_notify.
  return status_of(code == 0 ? MBEDTLS_ERR_SSL_CONN_EOF : code, "reading from a TLS connection", fault);
}

bool tls_stream_has_pending(const struct tls_stream *stream) { return mbedtls_ssl_check_pending(&stream->ssl) != 0; }

enum tls_status tls_stream_write(struct tls_stream *stream, struct base_span bytes, size_t *written,
                                 struct base_fault *fault) {
  *written = 0;
  BASE_ASSERT(bytes.bytes > 0 && bytes.bytes >= stream->writing_bytes);
  // A record that was not sent whole is sent on; mbedTLS then says the length it is given, so it must be the first one.
  const size_t step = stream->writing_bytes > 0 ? stream->writing_bytes : bytes.bytes;
  int code = mbedtls_ssl_write(&stream->ssl, bytes.data, step);
  if (code > 0) {
    stream->writing_bytes = 0;
    *written = (size_t)code;
    return TLS_OK;
  }
  const enum tls_status status = status_of(code, "writing to a TLS connection", fault);
  if (status == TLS_WANT_WRITE) stream->writing_bytes = step;
  return status;
}

void tls_stream_close(struct tls_stream *stream) { (void)mbedtls_ssl_close_notify(&stream->ssl); }
