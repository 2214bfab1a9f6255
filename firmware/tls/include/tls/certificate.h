// Certificates that an operator brings: whether a server of this room can show one, and what a certificate says.
//
// The program asks before it stores one, and tells people what is in use. No state; any thread.
#ifndef TLS_CERTIFICATE_H
#define TLS_CERTIFICATE_H

#include "tls/tls.h"

enum {
  TLS_MAX_IDENTITY_BYTES = 64 * 1024,  // of PEM, the key and the whole chain
  TLS_MAX_CHAIN = 8,                   // certificates in it
  TLS_MAX_NAMES = 100,                 // of a certificate that are told
  TLS_NAME_CHARS = 253,                // of a host name, RFC 1035
  TLS_DN_CHARS = 255,
  TLS_KEY_CHARS = 15,
  TLS_ENDING_CHARS = 159,
  TLS_ENDING_DAYS = 21,  // that are left when people are told, or a quarter of its life when that is less
};

// What a certificate says; all of it printable UTF-8, cut to fit.
struct tls_about {
  char subject[TLS_DN_CHARS + 1], issuer[TLS_DN_CHARS + 1];  // "CN=img.example.com"; may be empty
  char key[TLS_KEY_CHARS + 1];                               // "EC P-256", "RSA 2048"
  char names[TLS_MAX_NAMES][TLS_NAME_CHARS + 1];  // subjectAltName: host names, maybe with '*', and addresses
  bool is_address[TLS_MAX_NAMES];                 // of `names`: an iPAddress, which host names do not match
  size_t name_count, more_names;                  // in `names`, and beyond it
  int64_t not_before_s, not_after_s;              // Unix seconds
  char fingerprint[TLS_FINGERPRINT_CHARS + 1];    // SHA-256 of the DER
  unsigned chain_count;                           // certificates that are shown, this one among them
  bool is_self_signed;
  bool is_self_made;  // by tls_identity_ensure or tls_identity_renew
};

// Judges what an operator brings: PEM with one private key (EC P-256, EC P-384 or RSA of 2048 to 4096 bits, without a
// passphrase) and the certificate of that key with its issuers, in any order and with other text around them; the last
// issuer may be left out. What comes twice counts once, and of several chains the longest that is valid now is taken.
// The certificate must name a host or an address, be allowed for servers and be valid at
// `now_s`, each one must be signed by the next, which may sign such a one, and the chain must fit into one message of
// TLS. BASE_BAD_INPUT with what to do about it, BASE_TOO_LARGE over the limits above, BASE_NO_MEMORY. After BASE_OK
// `out` has the key, the certificate and its issuers in that order, as a server takes them. `out` is initialised by it:
// tls_identity_forget wipes and finishes it, also after a failure.
enum base_result tls_identity_check(struct base_span pem, int64_t now_s, struct base_buffer *out,
                                    struct tls_about *about, struct base_fault *fault) BASE_CHECKED;
// What the certificate in an identity's file says, whether it is valid now or not. Faults as tls_server_create.
enum base_result tls_identity_describe(const char *pem_path, struct tls_about *out,
                                       struct base_fault *fault) BASE_CHECKED;
// As tls_identity_ensure, but makes a new one whatever there was.
enum base_result tls_identity_renew(const char *pem_path, const char *const *names, size_t name_count,
                                    struct base_fault *fault) BASE_CHECKED;

// True when clients accept the certificate for the host: one of its names is that (RFC 6125: "*" stands for one label,
// and an address is covered by addresses only).
bool tls_about_covers(const struct tls_about *about, const char *host);
// False while nothing needs to be said. Otherwise that it ends soon (TLS_ENDING_DAYS), has ended, or does not count
// yet, as half a sentence for people.
bool tls_about_is_ending(const struct tls_about *about, int64_t now_s, char out[TLS_ENDING_CHARS + 1]);

#endif
