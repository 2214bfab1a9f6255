#include "tls/server.h"

#include <mbedtls/platform_util.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ticket.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "hello.h"
#include "identity.h"

enum {
  TICKET_LIFE_S = 12 * 60 * 60,
  MAX_TICKET_BYTES = 1024,  // ours are far shorter
};

struct tls_server {
  char *pem_path;
  const char *const *protocols;  // borrowed; NULL: no ALPN
  struct tls_random random;
  pthread_mutex_t lock;  // of `identity`
  struct tls_identity *identity;
};

struct tls_tickets {
  atomic_uint refs;
  mbedtls_ssl_ticket_context context;
};

static void tickets_unref(struct tls_tickets *tickets) {
  if (!tickets || atomic_fetch_sub(&tickets->refs, 1) != 1) return;
  mbedtls_ssl_ticket_free(&tickets->context);
  free(tickets);
}

void tls_identity_unref(struct tls_identity **identity) {
  struct tls_identity *dead = *identity;
  *identity = NULL;
  if (!dead || atomic_fetch_sub(&dead->refs, 1) != 1) return;
  mbedtls_ssl_config_free(&dead->config);
  mbedtls_pk_free(&dead->key);
  mbedtls_x509_crt_free(&dead->certificate);
  tickets_unref(dead->tickets);
  free(dead);
}

// Who resumes a session sees no certificate: one that was replaced must not live on in tickets. They stay when the
// file is only read again.
static int choose_tickets(struct tls_identity *identity, const struct tls_identity *stale, struct tls_random *random) {
  const mbedtls_x509_buf *raw = &identity->certificate.raw, *old = stale ? &stale->certificate.raw : NULL;
  if (old && old->len == raw->len && memcmp(old->p, raw->p, raw->len) == 0) {
    identity->tickets = stale->tickets;
    atomic_fetch_add(&identity->tickets->refs, 1);
    return 0;
  }
  identity->tickets = calloc(1, sizeof *identity->tickets);
  if (!identity->tickets) return MBEDTLS_ERR_SSL_ALLOC_FAILED;
  atomic_init(&identity->tickets->refs, 1);
  mbedtls_ssl_ticket_init(&identity->tickets->context);
  return mbedtls_ssl_ticket_setup(&identity->tickets->context, mbedtls_ctr_drbg_random, &random->generator,
                                  MBEDTLS_CIPHER_AES_256_GCM, TICKET_LIFE_S);
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

static int configure(struct tls_identity *identity, struct tls_server *server) {
  mbedtls_ssl_config *config = &identity->config;
  int code = sign_once(&identity->key, &server->random);
  if (code == 0) code = tls_config_defaults(config, MBEDTLS_SSL_IS_SERVER);
  if (code != 0) return code;
  mbedtls_ssl_conf_rng(config, mbedtls_ctr_drbg_random, &server->random.generator);
  mbedtls_ssl_conf_session_tickets_cb(config, mbedtls_ssl_ticket_write, mbedtls_ssl_ticket_parse,
                                      &identity->tickets->context);
  if (server->protocols) {
    // mbedTLS reads the names only, although its type does not say so.
    code = mbedtls_ssl_conf_alpn_protocols(config, (const char **)(uintptr_t)server->protocols);
  }
  return code != 0 ? code : mbedtls_ssl_conf_own_cert(config, &identity->certificate, &identity->key);
}

static enum base_result check_chain(const struct tls_identity *identity, const char *pem_path,
                                    struct base_fault *fault) {
  size_t count = 0, bytes = 0;
  for (const mbedtls_x509_crt *one = &identity->certificate; one; one = one->next) {
    count++;
    bytes += one->raw.len;
  }
  return tls_check_chain_bytes(count, bytes, pem_path, fault);
}

// `stale`: the one before, or NULL.
static enum base_result identity_open(struct tls_server *server, const struct tls_identity *stale,
                                      struct tls_identity **out, struct base_fault *fault) {
  struct tls_identity *identity = calloc(1, sizeof *identity);
  if (!identity) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a TLS identity");
  atomic_init(&identity->refs, 1);
  mbedtls_x509_crt_init(&identity->certificate);
  mbedtls_pk_init(&identity->key);
  mbedtls_ssl_config_init(&identity->config);
  enum base_result result = tls_identity_load(server->pem_path, &identity->certificate, &identity->key, fault);
  if (result == BASE_OK) result = check_chain(identity, server->pem_path, fault);
  if (result == BASE_OK) {
    int code = choose_tickets(identity, stale, &server->random);
    if (code == 0) code = configure(identity, server);
    if (code != 0) result = tls_fail(fault, BASE_INTERNAL, server->pem_path, "TLS can not be set up", code);
  }
  if (result != BASE_OK) {
    tls_identity_unref(&identity);
    return result;
  }
  *out = identity;
  return BASE_OK;
}

enum base_result tls_server_create(const char *pem_path, struct tls_server **out, struct base_fault *fault) {
  return tls_server_create_offering(pem_path, NULL, out, fault);
}

enum base_result tls_server_create_offering(const char *pem_path, const char *const *protocols, struct tls_server **out,
                                            struct base_fault *fault) {
  *out = NULL;
  struct tls_server *server = calloc(1, sizeof *server);
  if (!server) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a TLS server");
  server->protocols = protocols;
  pthread_mutex_init(&server->lock, NULL);
  enum base_result result = tls_random_init(&server->random, fault);
  server->pem_path = strdup(pem_path);
  if (result == BASE_OK && !server->pem_path) {
    result = BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a TLS server");
  }
  if (result == BASE_OK) result = identity_open(server, NULL, &server->identity, fault);
  if (result != BASE_OK) {
    tls_server_destroy(&server);
    return result;
  }
  *out = server;
  return BASE_OK;
}

enum base_result tls_server_reload(struct tls_server *server, struct base_fault *fault) {
  struct tls_identity *fresh;
  struct tls_identity *current = tls_server_identity(server);
  enum base_result result = identity_open(server, current, &fresh, fault);
  tls_identity_unref(&current);
  if (result != BASE_OK) return result;
  pthread_mutex_lock(&server->lock);
  struct tls_identity *stale = server->identity;
  server->identity = fresh;
  pthread_mutex_unlock(&server->lock);
  tls_identity_unref(&stale);
  return BASE_OK;
}

// Decrypting it is the only proof that a ticket is ours, and not from before a restart.
static bool is_valid_ticket(struct tls_server *server, struct base_span ticket) {
  unsigned char copy[MAX_TICKET_BYTES];
  if (ticket.bytes == 0 || ticket.bytes > sizeof copy) return false;
  memcpy(copy, ticket.data, ticket.bytes);
  mbedtls_ssl_session session;
  mbedtls_ssl_session_init(&session);
  struct tls_identity *identity = tls_server_identity(server);
  bool is_valid = mbedtls_ssl_ticket_parse(&identity->tickets->context, &session, copy, ticket.bytes) == 0;
  tls_identity_unref(&identity);
  mbedtls_ssl_session_free(&session);
  mbedtls_platform_zeroize(copy, sizeof copy);
  return is_valid;
}

enum tls_hello tls_server_look(struct tls_server *server, struct base_span bytes) {
  struct base_span ticket;
  enum tls_hello hello = tls_hello_parse(bytes, &ticket);
  return hello == TLS_HELLO_WHOLE && is_valid_ticket(server, ticket) ? TLS_HELLO_RESUMES : hello;
}

void tls_server_destroy(struct tls_server **server) {
  struct tls_server *dead = *server;
  if (!dead) return;
  *server = NULL;
  tls_identity_unref(&dead->identity);
  tls_random_finish(&dead->random);
  pthread_mutex_destroy(&dead->lock);
  free(dead->pem_path);
  free(dead);
}

struct tls_identity *tls_server_identity(struct tls_server *server) {
  pthread_mutex_lock(&server->lock);
  struct tls_identity *identity = server->identity;
  atomic_fetch_add(&identity->refs, 1);
  pthread_mutex_unlock(&server->lock);
  return identity;
}
