#include "secure.h"

#include <mbedtls/ssl.h>

#include "lwip/altcp_tls.h"
#include "tls/tls.h"

// As the console and delivery: forward secrecy and authenticated encryption only.
static const int suites[] = {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                             MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
                             MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                             MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                             MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
                             MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
                             0};

// lwIP's TLS is compiled to call these two in the place of mbedTLS's (tools/cmake/LwIp.cmake).
int secure_config_defaults(mbedtls_ssl_config *config, int endpoint, int transport, int preset);
void secure_conf_authmode(mbedtls_ssl_config *config, int mode);

int secure_config_defaults(mbedtls_ssl_config *config, int endpoint, int transport, int preset) {
  int code = mbedtls_ssl_config_defaults(config, endpoint, transport, preset);
  if (code != 0) return code;
  mbedtls_ssl_conf_min_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
  mbedtls_ssl_conf_ciphersuites(config, suites);
  mbedtls_ssl_conf_renegotiation(config, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
  return 0;
}

void secure_conf_authmode(mbedtls_ssl_config *config, int mode) {
  (void)mode;
  mbedtls_ssl_conf_authmode(config, MBEDTLS_SSL_VERIFY_NONE);
}

enum base_result secure_create(const char *pem_path, struct altcp_tls_config **out, struct base_fault *fault) {
  struct base_buffer pem;
  enum base_result result = tls_identity_read(pem_path, &pem, fault);
  if (result != BASE_OK) goto out;
  *out = altcp_tls_create_config_server_privkey_cert(pem.data, pem.bytes, NULL, 0, pem.data, pem.bytes);
  if (*out == NULL) {
    result = BASE_FAIL(fault, BASE_CORRUPT, pem_path, "the TLS identity holds no usable key and certificate");
  }
out:
  tls_identity_forget(&pem);
  return result;
}

void secure_goodbye(struct altcp_pcb *connection) {
  mbedtls_ssl_context *context = altcp_tls_context(connection);
  if (context == NULL || context->state != MBEDTLS_SSL_HANDSHAKE_OVER) return;
  if (mbedtls_ssl_close_notify(context) == 0) altcp_output(connection);
}
