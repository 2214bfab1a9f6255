#include "base/file.h"
#include "certificate_rig.h"
#include "tls/server.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { DAY_S = 86400 };

// An authority with an intermediate one, and certificates of all kinds.
static const char authority[] =
    "root root; root other\n"
    "ec inter; ask inter '/O=Tests/CN=Intermediate'; sign inter root \"$ca\"\n"
    "cp root.key cross.key; ask cross '/O=Tests/CN=root authority'; sign cross other \"$ca\"\n"
    "usage='keyUsage=critical,digitalSignature\\nextendedKeyUsage=serverAuth\\n'\n"
    "leaf ec \"$san$usage\"\n"
    "ec p384 P-384; leaf p384 \"$san\"\n"
    "ec p521 P-521; leaf p521 \"$san\"\n"
    "for bits in 1024 2048; do openssl genrsa -out rsa$bits.key $bits; leaf rsa$bits \"$san$usage\"; done\n"
    "openssl genpkey -algorithm ED25519 -out ed.key; leaf ed \"$san\"\n"
    "leaf nameless 'extendedKeyUsage=serverAuth\\n'\n"
    "leaf mailed 'subjectAltName=email:a@example.com\\n'\n"
    "leaf client \"${san}extendedKeyUsage=clientAuth\\n\"\n"
    "leaf crypt \"${san}keyUsage=critical,keyAgreement\\n\"\n"
    "leaf old \"$san\" -sha1\n"
    "cp ec.key again.key; leaf again \"$san\"\n"
    "ec below; ask below; sign below ec \"$san\"\n"
    "ec alone; openssl req -x509 -new -key alone.key -utf8 -subj '/O=M\303\274ller/CN=alone' -addext subjectAltName=DNS:alone.example -days 30"
    " -out alone.pem\n"
    "names=$(seq -f 'DNS:n%g.example' -s , 130); leaf many \"subjectAltName=$names\\n\"\n"
    "leaf odd \"subjectAltName=DNS:line\\\\033here.example\\n\"\n"
    "openssl pkcs8 -topk8 -in ec.key -passout pass:1234 -out locked.key\n"
    "openssl rsa -in rsa2048.key -traditional -aes128 -passout pass:1234 -out locked_rsa.key\n"
    "openssl rsa -in rsa2048.key -traditional -out plain_rsa.key\n"
    "openssl ecparam -name prime256v1 -out parameters.pem; openssl ec -in ec.key -out sec1.key\n"
    "openssl x509 -in ec.pem -outform der -out ec.der\n"
    "openssl x509 -in ec.pem -text -out commented.pem\n"
    "openssl pkey -in ec.key -pubout -out public.pem\n"
    "openssl pkcs12 -export -in ec.pem -inkey ec.key -passout pass: -out ec.pfx\n"
    "head -c 250 ec.pem >cut.pem; sed '3s/./!/' ec.pem >damaged.pem; sed '3s/./!/' ec.key >damaged.key\n"
    "sed 's/$/\\r/' ec.pem >crlf.pem; sed 's/$/\\r/' ec.key >crlf.key\n"
    "printf '%s' \"$(cat ec.key)\" >tight.key\n";

static int make_authority(void **state) {
  (void)state;
  rig_make_folder();
  rig_run(authority);
  return 0;
}

static void accepts_key_certificate_and_issuers_in_any_order(void **state) {
  (void)state;
  rig_accepts("ec.key ec.pem inter.pem root.pem", 3);
  rig_accepts("root.pem inter.pem ec.pem ec.key", 3);
  rig_accepts("inter.pem ec.key root.pem ec.pem", 3);
  rig_accepts("ec.pem inter.pem ec.key", 2);
}

static void gives_them_back_as_a_server_takes_them(void **state) {
  (void)state;
  static const char *const orders[] = {"root.pem inter.pem ec.pem ec.key", "ec.pem ec.key inter.pem root.pem ec.pem"};
  struct base_buffer wanted, out;
  char path[256];
  rig_path("identity", path, sizeof path);
  rig_join("ec.key ec.pem inter.pem root.pem", &wanted);
  for (size_t i = 0; i < 2; i++) {
    struct tls_about about;
    assert_int_equal(rig_check(orders[i], 0, &out, &about, NULL), BASE_OK);
    assert_true(base_span_equal(base_buffer_span(&out), base_buffer_span(&wanted)));
    assert_int_equal(base_file_replace_durably(path, base_buffer_span(&out), 0600, NULL), BASE_OK);
    tls_identity_forget(&out);
    struct tls_server *server;
    assert_int_equal(tls_server_create(path, &server, NULL), BASE_OK);
    tls_server_destroy(&server);
    struct tls_about stored;
    assert_int_equal(tls_identity_describe(path, &stored, NULL), BASE_OK);
    assert_memory_equal(&stored, &about, sizeof about);
  }
  base_buffer_finish(&wanted);
}

static void accepts_a_chain_without_its_end(void **state) {
  (void)state;
  rig_accepts("ec.key ec.pem inter.pem", 2);
  rig_accepts("ec.key ec.pem", 1);
  rig_accepts("alone.key alone.pem", 1);
}

static void accepts_the_usual_kinds_of_keys(void **state) {
  (void)state;
  struct tls_about about;
  rig_accepts_as("ec.key ec.pem inter.pem", 2, &about);
  assert_string_equal(about.key, "EC P-256");
  rig_accepts_as("p384.key p384.pem inter.pem", 2, &about);
  assert_string_equal(about.key, "EC P-384");
  rig_accepts_as("rsa2048.key rsa2048.pem inter.pem", 2, &about);
  assert_string_equal(about.key, "RSA 2048");
  rig_accepts("plain_rsa.key rsa2048.pem inter.pem", 2);
  rig_accepts("parameters.pem sec1.key ec.pem inter.pem", 2);
  rig_refuses("rsa1024.key rsa1024.pem inter.pem", "RSA of 1024 bits; accepted are EC P-256, EC P-384 and RSA");
  rig_refuses("p521.key p521.pem inter.pem", "secp521r1; accepted are");
  rig_refuses("ed.key ec.pem inter.pem", "the private key is of a kind that is not known here; accepted are");
  rig_refuses("ec.key ec.pem ed.pem",
              "certificate 2 of the text has a key or a signature of a kind that is not known here");
}

static void accepts_text_as_other_programs_write_it(void **state) {
  (void)state;
  rig_accepts("crlf.key crlf.pem inter.pem", 2);
  rig_accepts("commented.pem inter.pem ec.key", 2);
  rig_accepts("tight.key ec.pem inter.pem", 2);
}

static void refuses_a_key_that_is_not_the_certificates(void **state) {
  (void)state;
  rig_refuses("p384.key ec.pem", "does not belong to the certificate of 'ec.example'");
  rig_refuses("inter.key ec.pem root.pem", "'ec.example', nor to another one in the text");
  rig_refuses("rsa2048.key ec.pem inter.pem", "does not belong");
}

static void refuses_what_is_missing_or_too_much(void **state) {
  (void)state;
  rig_refuses("ec.pem inter.pem", "the private key is missing");
  rig_refuses("ec.key", "the certificate is missing");
  rig_refuses("parameters.pem", "neither a private key nor a certificate");
  rig_refuses("log", "neither a private key nor a certificate");
  rig_refuses("ec.key p384.key ec.pem", "several private keys");
  rig_refuses("ec.key ec.pem again.pem inter.pem", "2 certificates of the private key");
  rig_refuses("ec.key ec.csr", "'CERTIFICATE REQUEST' does not belong here");
  rig_refuses("ec.key ec.pem public.pem", "'PUBLIC KEY' does not belong here");
  rig_refuses_on("ec.key ec.pem inter.pem root.pem p384.pem p521.pem rsa1024.pem rsa2048.pem other.pem alone.pem", 0,
                 BASE_TOO_LARGE, "more than 8 certificates");
}

static void refuses_a_chain_with_a_gap(void **state) {
  (void)state;
  rig_refuses("ec.key ec.pem root.pem",
              "who signed 'ec.example' is missing, and 'root authority' does not belong to it");
  rig_refuses("ec.key ec.pem inter.pem other.pem", "who signed 'Intermediate' is missing, and 'other authority'");
  rig_refuses("ec.key ec.pem inter.pem root.pem alone.pem",
              "'alone' does not belong to the chain, which ends with 'root authority'");
}

static void takes_one_of_several_certificates_of_an_issuer(void **state) {
  (void)state;
  rig_accepts("ec.key ec.pem inter.pem root.pem cross.pem other.pem", 4);
  rig_accepts("ec.key other.pem cross.pem root.pem inter.pem ec.pem", 4);
  rig_accepts("ec.key ec.pem inter.pem cross.pem", 3);
}

static void refuses_an_issuer_that_may_not_sign(void **state) {
  (void)state;
  rig_refuses("below.key below.pem ec.pem inter.pem", "'ec.example' stands in the chain, but may sign no certificates");
}

static void refuses_certificates_that_no_client_takes(void **state) {
  (void)state;
  rig_refuses("nameless.key nameless.pem inter.pem", "names no host and no address");
  rig_refuses("mailed.key mailed.pem inter.pem", "names no host and no address");
  rig_refuses("client.key client.pem inter.pem", "is not for servers");
  rig_refuses("crypt.key crypt.pem inter.pem", "is not for servers");
  rig_refuses("old.key old.pem inter.pem", "'old.example' is signed with MD5 or SHA-1");
}

static void refuses_what_does_not_count_today(void **state) {
  (void)state;
  rig_refuses_on("ec.key ec.pem inter.pem", 31, BASE_BAD_INPUT, "the certificate of 'ec.example' has ended on 20");
  rig_refuses_on("ec.key ec.pem inter.pem", -1, BASE_BAD_INPUT, "'ec.example' does not count before 20");
  rig_refuses_on("ec.key ec.pem inter.pem", -1, BASE_BAD_INPUT, "the box's clock says");
}

static void refuses_keys_with_a_passphrase(void **state) {
  (void)state;
  rig_refuses("locked.key ec.pem inter.pem", "locked with a passphrase; take it off with 'openssl pkey");
  rig_refuses("locked_rsa.key rsa2048.pem inter.pem", "locked with a passphrase");
}

static void refuses_what_is_no_pem(void **state) {
  (void)state;
  rig_refuses("ec.der ec.key", "not PEM but binary: make PEM of a .pfx");
  rig_refuses("ec.pfx", "not PEM but binary");
}

static void refuses_damaged_text(void **state) {
  (void)state;
  rig_refuses("ec.key cut.pem", "'CERTIFICATE' has no end");
  rig_refuses("ec.key damaged.pem", "certificate 1 of the text can not be used");
  rig_refuses("damaged.key ec.pem", "the private key is damaged");
  static const char *const texts[] = {"-----BEGIN ", "-----BEGIN -----", "-----BEGIN CERTIFICATE",
                                      "-----BEGIN ONE THAT HAS MORE CHARACTERS THAN ANY LABEL HAS-----\n"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct tls_about about;
    struct base_buffer out;
    struct base_fault fault = {0};
    assert_int_equal(tls_identity_check(base_span_text(texts[i]), 0, &out, &about, &fault), BASE_BAD_INPUT);
    assert_string_equal(fault.text, "a line with -----BEGIN is damaged");
    tls_identity_forget(&out);
  }
}

static void takes_so_many_bytes_and_no_nul_among_them(void **state) {
  (void)state;
  struct base_buffer pem, out;
  struct tls_about about;
  struct base_fault fault = {0};
  const int64_t now_s = (int64_t)time(NULL) + 5;
  rig_join("ec.key ec.pem inter.pem", &pem);
  while (pem.bytes < TLS_MAX_IDENTITY_BYTES) assert_int_equal(base_buffer_append(&pem, "#", 1), BASE_OK);
  assert_int_equal(tls_identity_check(base_buffer_span(&pem), now_s, &out, &about, NULL), BASE_OK);
  tls_identity_forget(&out);
  pem.data[pem.bytes - 1] = '\0';
  assert_int_equal(tls_identity_check(base_buffer_span(&pem), now_s, &out, &about, NULL), BASE_BAD_INPUT);
  tls_identity_forget(&out);
  pem.data[pem.bytes - 1] = '#';
  assert_int_equal(base_buffer_append(&pem, "#", 1), BASE_OK);
  assert_int_equal(tls_identity_check(base_buffer_span(&pem), now_s, &out, &about, &fault), BASE_TOO_LARGE);
  assert_non_null(strstr(fault.text, "65536"));
  tls_identity_forget(&out);
  base_buffer_finish(&pem);
  assert_int_equal(tls_identity_check(base_span_text(""), now_s, &out, &about, NULL), BASE_BAD_INPUT);
  tls_identity_forget(&out);
}

static void tells_what_it_says(void **state) {
  (void)state;
  struct tls_about about;
  rig_accepts_as("ec.key ec.pem inter.pem", 2, &about);
  assert_string_equal(about.subject, "CN=ec.example");
  assert_string_equal(about.issuer, "O=Tests, CN=Intermediate");
  const char *names[] = {"img.example.com", "*.pix.example", "192.0.2.7", "2001:db8::7"};
  assert_int_equal(about.name_count, 4);
  for (size_t i = 0; i < 4; i++) assert_string_equal(about.names[i], names[i]);
  assert_int_equal(about.not_after_s - about.not_before_s, 30 * DAY_S);
  assert_in_range((uint64_t)about.not_before_s, (uint64_t)time(NULL) - 600, (uint64_t)time(NULL));
  assert_false(about.is_self_signed);
  rig_run("openssl x509 -in ec.pem -noout -fingerprint -sha256 >print");
  struct base_buffer print;
  rig_join("print", &print);
  assert_non_null(memmem(print.data, print.bytes, about.fingerprint, TLS_FINGERPRINT_CHARS));
  base_buffer_finish(&print);
}

static void tells_of_many_names_how_many_more_there_are(void **state) {
  (void)state;
  struct tls_about about;
  rig_accepts_as("many.key many.pem inter.pem", 2, &about);
  assert_int_equal(about.name_count, TLS_MAX_NAMES);
  assert_int_equal(about.more_names, 30);
  assert_string_equal(about.names[99], "n100.example");
}

static void tells_nothing_that_is_not_plain_text(void **state) {
  (void)state;
  struct tls_about about;
  rig_accepts_as("odd.key odd.pem inter.pem", 2, &about);
  assert_int_equal(about.name_count, 1);
  assert_string_equal(about.names[0], "line?here.example");
}

static void tells_its_own_from_others(void **state) {
  (void)state;
  struct tls_about about;
  char path[256];
  bool is_new;
  rig_accepts_as("alone.key alone.pem", 1, &about);
  assert_string_equal(about.subject, "O=M\303\274ller, CN=alone");
  assert_true(about.is_self_signed);
  assert_false(about.is_self_made);
  rig_path("made", path, sizeof path);
  assert_int_equal(tls_identity_ensure(path, NULL, 0, &is_new, NULL), BASE_OK);
  assert_int_equal(tls_identity_describe(path, &about, NULL), BASE_OK);
  assert_true(about.is_self_signed);
  assert_true(about.is_self_made);
  rig_accepts("made", 1);
  char first[TLS_FINGERPRINT_CHARS + 1];
  memcpy(first, about.fingerprint, sizeof first);
  assert_int_equal(tls_identity_renew(path, NULL, 0, NULL), BASE_OK);
  assert_int_equal(tls_identity_describe(path, &about, NULL), BASE_OK);
  assert_string_not_equal(about.fingerprint, first);
  rig_path("none", path, sizeof path);
  assert_int_equal(tls_identity_describe(path, &about, NULL), BASE_NOT_FOUND);
}

static void covers_the_hosts_that_clients_accept_it_for(void **state) {
  (void)state;
  struct tls_about about;
  rig_accepts_as("ec.key ec.pem", 1, &about);
  static const char *const yes[] = {"img.example.com", "IMG.Example.COM", "a.pix.example", "192.0.2.7",
                                    "2001:db8:0:0::7"};
  static const char *const no[] = {"example.com",  "x.img.example.com", "pix.example", "a.b.pix.example",
                                   ".pix.example", "192.0.2.8",         "2001:db8::8", ""};
  for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) assert_true(tls_about_covers(&about, yes[i]));
  for (size_t i = 0; i < sizeof no / sizeof *no; i++) assert_false(tls_about_covers(&about, no[i]));
}

static void covers_addresses_by_addresses_only(void **state) {
  (void)state;
  struct tls_about about = {.names = {"192.0.2.7", "::7", "*.0.2.8"}, .is_address = {false, true}, .name_count = 3};
  assert_false(tls_about_covers(&about, "192.0.2.7"));  // a host name that looks like one
  assert_false(tls_about_covers(&about, "0.0.0.7"));
  assert_false(tls_about_covers(&about, "192.0.2.8"));
  assert_true(tls_about_covers(&about, "0::7"));
  about = (struct tls_about){.names = {"1.2.3.4", "img.example"}, .is_address = {true, true}, .name_count = 2};
  assert_true(tls_about_covers(&about, "1.2.3.4"));
  assert_false(tls_about_covers(&about, "102:304::"));  // the same bytes, and zeros
  assert_false(tls_about_covers(&about, "img.example"));
}

static void says_so_late_of_short_lives(void **state) {
  (void)state;
  const struct tls_about about = {.not_before_s = 0, .not_after_s = 8 * DAY_S};
  char text[TLS_ENDING_CHARS + 1];
  assert_false(tls_about_is_ending(&about, 6 * DAY_S, text));
  assert_true(tls_about_is_ending(&about, 6 * DAY_S + 1, text));
}

static void says_when_its_end_is_near(void **state) {
  (void)state;
  struct tls_about about = {.not_before_s = 1000, .not_after_s = 1767225599};  // 2025-12-31 23:59:59
  char text[TLS_ENDING_CHARS + 1];
  const int64_t end_s = about.not_after_s;
  assert_false(tls_about_is_ending(&about, end_s - 21 * DAY_S, text));
  assert_string_equal(text, "");
  assert_true(tls_about_is_ending(&about, end_s - 21 * DAY_S + 1, text));
  assert_string_equal(text, "it ends on 2025-12-31 23:59 UTC, in 20 days");
  assert_true(tls_about_is_ending(&about, end_s - 2 * DAY_S + 1, text));
  assert_non_null(strstr(text, ", in 1 day"));
  assert_null(strstr(text, "days"));
  assert_true(tls_about_is_ending(&about, end_s, text));
  assert_non_null(strstr(text, "in 0 days"));
  assert_true(tls_about_is_ending(&about, end_s + 1, text));
  assert_non_null(strstr(text, "it has ended on 2025-12-31 23:59 UTC"));
  assert_true(tls_about_is_ending(&about, 999, text));
  assert_string_equal(text,
                      "it does not count before 1970-01-01 00:16 UTC, and the box's clock says 1970-01-01 00:16 UTC");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(accepts_key_certificate_and_issuers_in_any_order),
      cmocka_unit_test(gives_them_back_as_a_server_takes_them),
      cmocka_unit_test(accepts_a_chain_without_its_end),
      cmocka_unit_test(accepts_the_usual_kinds_of_keys),
      cmocka_unit_test(accepts_text_as_other_programs_write_it),
      cmocka_unit_test(refuses_a_key_that_is_not_the_certificates),
      cmocka_unit_test(refuses_what_is_missing_or_too_much),
      cmocka_unit_test(refuses_a_chain_with_a_gap),
      cmocka_unit_test(takes_one_of_several_certificates_of_an_issuer),
      cmocka_unit_test(refuses_an_issuer_that_may_not_sign),
      cmocka_unit_test(refuses_certificates_that_no_client_takes),
      cmocka_unit_test(refuses_what_does_not_count_today),
      cmocka_unit_test(refuses_keys_with_a_passphrase),
      cmocka_unit_test(refuses_what_is_no_pem),
      cmocka_unit_test(refuses_damaged_text),
      cmocka_unit_test(takes_so_many_bytes_and_no_nul_among_them),
      cmocka_unit_test(tells_what_it_says),
      cmocka_unit_test(tells_of_many_names_how_many_more_there_are),
      cmocka_unit_test(tells_nothing_that_is_not_plain_text),
      cmocka_unit_test(tells_its_own_from_others),
      cmocka_unit_test(covers_the_hosts_that_clients_accept_it_for),
      cmocka_unit_test(covers_addresses_by_addresses_only),
      cmocka_unit_test(says_when_its_end_is_near),
      cmocka_unit_test(says_so_late_of_short_lives),
  };
  return cmocka_run_group_tests(tests, make_authority, rig_remove_folder);
}
