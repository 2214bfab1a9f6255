// Chains as authorities and people really bring them, and what becomes of a file that holds one.
#include "base/file.h"
#include "certificate_rig.h"
#include "tls/server.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char authority[] =
    "days=300; root root; root other\n"
    "ec inter; ask inter '/O=Tests/CN=Intermediate'; sign inter root \"$ca\"; leaf ec \"$san\"\n"
    // An issuer with a certificate by the root and one by another issuer, which lives shorter.
    "ec xa; ask xa /CN=XA; sign xa root \"$ca\"; ec xb; ask xb /CN=XB; sign xb other \"$ca\"\n"
    "cp xa.key cross.key; ask cross /CN=XA; days=30; sign cross xb \"$ca\"; days=300\n"
    "ec crossed; ask crossed; sign crossed xa \"$san\"\n"
    // Two that sign each other, as bridges of authorities do.
    "cp inter.key bridge.key; ask bridge '/O=Tests/CN=Intermediate'; sign bridge xa \"$ca\"\n"
    "cp xa.key back.key; ask back /CN=XA; sign back inter \"$ca\"\n"
    "days=30; root brief; days=300; ec below; ask below /CN=Below; sign below brief \"$ca\"\n"
    "ec site; ask site; sign site below \"$san\"\n"
    // Issuers that clients refuse, each with a certificate by it: by_ISSUER.
    "issuer() { [ -e $1.key ] || ec $1; ask $1 /CN=$1; sign $1 ${3:-root} \"$2\"; ec by_$1; ask by_$1; sign by_$1 $1 "
    "\"$san\"; }\n"
    "openssl genrsa -out weak.key 1024; issuer weak \"$ca\"\n"
    "issuer mail \"${ca}extendedKeyUsage=emailProtection\\n\"\n"
    "issuer tls \"${ca}extendedKeyUsage=serverAuth,clientAuth\\n\"\n"
    "issuer leafs 'basicConstraints=critical,CA:TRUE,pathlen:0\\nkeyUsage=critical,keyCertSign\\n'\n"
    "issuer deep \"$ca\" leafs\n"
    // Critical extensions, known and not.
    "issuer named \"${ca}nameConstraints=critical,permitted;DNS:example.com\\n\"\n"
    "issuer policy \"${ca}certificatePolicies=critical,1.2.3.4\\npolicyConstraints=critical,requireExplicitPolicy:0\\n"
    "inhibitAnyPolicy=critical,0\\n\"\n"
    "leaf poison \"${san}1.3.6.1.4.1.11129.2.4.3=critical,ASN1:NULL\\n\"\n"
    "leaf bound \"${san}certificatePolicies=critical,1.2.3.4\\n\"\n"
    // Names for some 14 and some 17 KiB.
    "names() { seq -f 'DNS:a-name-of-a-picture-%05g.example' -s , $1; }\n"
    "leaf most \"subjectAltName=$(names 380)\\n\"; leaf over \"subjectAltName=$(names 460)\\n\"\n"
    "openssl ecparam -name prime256v1 -genkey -noout -param_enc explicit -out explicit.key; leaf explicit \"$san\"\n"
    "iconv -t UTF-16 ec.pem >utf16.pem; iconv -t UTF-16BE ec.pem >utf16be.pem\n"
    "openssl crl2pkcs7 -nocrl -certfile ec.pem -out ec.p7b; sed 's/^/  /' ec.pem >yaml.pem; sed 's/^/\\t/' ec.key "
    ">yaml.key; openssl ec -in ec.key -out sec1.key\n"
    "openssl req -x509 -key ec.key -subj /CN=pixpop/O=pixpop -addext subjectAltName=DNS:img.example.com -days 30 -out "
    "alike.pem\n"
    "openssl req -x509 -key ec.key -subj /CN=pixpop/O=pixpop -addext keyUsage=digitalSignature,keyCertSign -addext "
    "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1 -days 30 -out twin.pem\n";

static int make_authority(void **state) {
  (void)state;
  rig_make_folder();
  rig_run(authority);
  return 0;
}

// The chain that is stored, as the files that make it up.
static void becomes(const char *names, int days, const char *wanted) {
  struct tls_about about;
  struct base_buffer out, expected;
  struct base_fault fault = {0};
  if (rig_check(names, days, &out, &about, &fault) != BASE_OK) fail_msg("%s: %s", names, fault.text);
  rig_join(wanted, &expected);
  if (!base_span_equal(base_buffer_span(&out), base_buffer_span(&expected))) fail_msg("%s is not %s", names, wanted);
  tls_identity_forget(&out);
  base_buffer_finish(&expected);
}

static void the_longest_chain_is_taken_in_whatever_order(void **state) {
  (void)state;
  static const char *const texts[] = {
      "crossed.key crossed.pem xa.pem cross.pem xb.pem", "crossed.key crossed.pem cross.pem xa.pem xb.pem",
      "xb.pem xa.pem cross.pem crossed.pem crossed.key", "crossed.key crossed.pem root.pem xa.pem cross.pem xb.pem"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    becomes(texts[i], 0, "crossed.key crossed.pem cross.pem xb.pem");
  }
}

static void one_that_is_valid_now_is_taken_before_a_longer_one(void **state) {
  (void)state;
  becomes("crossed.key crossed.pem cross.pem xb.pem xa.pem", 100, "crossed.key crossed.pem xa.pem");
  becomes("crossed.key crossed.pem xa.pem cross.pem xb.pem root.pem", 100, "crossed.key crossed.pem xa.pem root.pem");
  rig_refuses_on("crossed.key crossed.pem cross.pem xb.pem", 100, BASE_BAD_INPUT, "certificate of 'XA' has ended");
}

static void a_root_that_has_ended_is_left_out(void **state) {
  (void)state;
  becomes("site.key site.pem below.pem brief.pem", 0, "site.key site.pem below.pem brief.pem");
  becomes("site.key site.pem below.pem brief.pem", 100, "site.key site.pem below.pem");
}

static void two_that_sign_each_other_end_somewhere(void **state) {
  (void)state;
  becomes("ec.key ec.pem bridge.pem back.pem", 0, "ec.key ec.pem bridge.pem back.pem");
  becomes("ec.key ec.pem inter.pem bridge.pem xa.pem back.pem root.pem", 0,
          "ec.key ec.pem bridge.pem back.pem inter.pem root.pem");
}

static void a_stranger_is_still_none_of_the_chain(void **state) {
  (void)state;
  rig_refuses("crossed.key crossed.pem xb.pem", "who signed 'crossed.example' is missing, and 'XB' does not belong");
  rig_refuses("crossed.key crossed.pem xa.pem root.pem inter.pem", "'Intermediate' does not belong to the chain");
}

static void issuers_that_clients_refuse_are_refused(void **state) {
  (void)state;
  rig_refuses("by_weak.key by_weak.pem weak.pem", "'weak' stands in the chain, but its key is so short");
  rig_refuses("by_mail.key by_mail.pem mail.pem",
              "'mail' stands in the chain, but may sign no certificates of servers");
  rig_refuses("by_deep.key by_deep.pem deep.pem leafs.pem",
              "'leafs' stands in the chain, but may not sign for so many");
  rig_accepts("by_tls.key by_tls.pem tls.pem root.pem", 3);
  rig_accepts("by_leafs.key by_leafs.pem leafs.pem", 2);
}

static void limits_for_those_who_judge_a_chain_are_passed_on(void **state) {
  (void)state;
  static const char *const texts[] = {"by_named.key by_named.pem named.pem", "by_policy.key by_policy.pem policy.pem",
                                      "bound.key bound.pem inter.pem"};
  char path[256];
  rig_path("stored", path, sizeof path);
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct tls_about about, stored;
    struct base_buffer out;
    struct tls_server *server;
    struct base_fault fault = {0};
    if (rig_check(texts[i], 0, &out, &about, &fault) != BASE_OK) fail_msg("%s: %s", texts[i], fault.text);
    assert_int_equal(base_file_replace_durably(path, base_buffer_span(&out), 0600, NULL), BASE_OK);
    assert_int_equal(tls_identity_describe(path, &stored, NULL), BASE_OK);
    assert_int_equal(stored.chain_count, 2);
    assert_int_equal(tls_server_create(path, &server, NULL), BASE_OK);
    tls_server_destroy(&server);
    tls_identity_forget(&out);
  }
  rig_refuses("poison.key poison.pem inter.pem", "has a critical extension that is not for servers");
}

static void a_chain_that_no_handshake_can_show_is_refused(void **state) {
  (void)state;
  struct tls_server *server;
  struct base_fault fault = {0};
  char path[256];
  rig_accepts("most.key most.pem inter.pem", 2);
  rig_refuses_on("over.key over.pem inter.pem", 0, BASE_TOO_LARGE, "at most 16384 can be shown: take fewer names");
  rig_path("large", path, sizeof path);
  rig_run("cat over.key over.pem inter.pem >large");
  assert_int_equal(tls_server_create(path, &server, &fault), BASE_TOO_LARGE);
  assert_null(server);
  rig_run("cat most.key most.pem inter.pem >large");
  assert_int_equal(tls_server_create(path, &server, NULL), BASE_OK);
  rig_run("cat over.key over.pem inter.pem >large");
  assert_int_equal(tls_server_reload(server, NULL), BASE_TOO_LARGE);
  tls_server_destroy(&server);
}

static void what_is_there_twice_counts_once(void **state) {
  (void)state;
  becomes("ec.key ec.pem inter.pem ec.key ec.pem", 0, "ec.key ec.pem inter.pem");
  becomes("ec.key sec1.key ec.pem", 0, "ec.key ec.pem");  // in another form
  rig_refuses("ec.key inter.key ec.pem", "several private keys");
  rig_refuses("ec.key weak.key ec.pem", "several private keys");
}

static void texts_of_other_kinds_are_called_by_their_names(void **state) {
  (void)state;
  rig_refuses("utf16.pem", "saved as UTF-16: save it as UTF-8");
  rig_refuses("ec.key utf16be.pem", "saved as UTF-16: save it as UTF-8");
  rig_refuses("ec.key ec.p7b", "'openssl pkcs7 -print_certs -in FILE'");
  rig_refuses("yaml.pem ec.key", "'CERTIFICATE' is indented");
  rig_refuses("yaml.key ec.pem", "'PRIVATE KEY' is indented");
  rig_refuses("explicit.key explicit.pem inter.pem", "'EC PRIVATE KEY' describes its curve and does not name it");
  rig_refuses("explicit.pem inter.pem explicit.key", "'CERTIFICATE' describes its curve and does not name it");
  rig_run("openssl pkcs12 -export -in ec.pem -inkey ec.key -passout pass: -out ec.pfx");
  rig_refuses("ec.pfx", "(add -legacy if that fails)");
  rig_refuses("ec.pfx", "'openssl x509 -inform der -in FILE'");  // the end is not cut off
}

static void one_that_is_only_called_like_the_boxs_own_is_none(void **state) {
  (void)state;
  static const char *const names[] = {"ec.key alike.pem", "ec.key twin.pem"};
  for (size_t i = 0; i < 2; i++) {
    struct tls_about about;
    rig_accepts_as(names[i], 1, &about);
    assert_string_equal(about.subject, "CN=pixpop, O=pixpop");
    assert_true(about.is_self_signed);
    assert_false(about.is_self_made);
  }
}

// Comments first, so that the certificate is what stands at the limit.
static void a_file_at_the_limit_is_read_whole(void **state) {
  (void)state;
  struct tls_about about;
  struct tls_server *server;
  char path[256];
  rig_path("full", path, sizeof path);
  rig_run("cat ec.key ec.pem >two; head -c $((65536 - $(wc -c <two))) /dev/zero | tr '\\0' '#' >full; cat two >>full");
  assert_int_equal(tls_identity_describe(path, &about, NULL), BASE_OK);
  assert_string_equal(about.subject, "CN=ec.example");
  assert_int_equal(tls_server_create(path, &server, NULL), BASE_OK);
  rig_run("echo >>full");
  assert_int_equal(tls_server_reload(server, NULL), BASE_TOO_LARGE);
  assert_int_equal(tls_identity_describe(path, &about, NULL), BASE_TOO_LARGE);
  tls_server_destroy(&server);
}

static void a_file_whose_end_is_cut_off_is_damaged(void **state) {
  (void)state;
  struct tls_about about;
  char path[256];
  rig_path("cut", path, sizeof path);
  rig_run("cat ec.key ec.pem inter.pem | head -c -100 >cut");
  assert_int_equal(tls_identity_describe(path, &about, NULL), BASE_CORRUPT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_longest_chain_is_taken_in_whatever_order),
      cmocka_unit_test(one_that_is_valid_now_is_taken_before_a_longer_one),
      cmocka_unit_test(a_root_that_has_ended_is_left_out),
      cmocka_unit_test(two_that_sign_each_other_end_somewhere),
      cmocka_unit_test(a_stranger_is_still_none_of_the_chain),
      cmocka_unit_test(issuers_that_clients_refuse_are_refused),
      cmocka_unit_test(limits_for_those_who_judge_a_chain_are_passed_on),
      cmocka_unit_test(a_chain_that_no_handshake_can_show_is_refused),
      cmocka_unit_test(what_is_there_twice_counts_once),
      cmocka_unit_test(texts_of_other_kinds_are_called_by_their_names),
      cmocka_unit_test(one_that_is_only_called_like_the_boxs_own_is_none),
      cmocka_unit_test(a_file_at_the_limit_is_read_whole),
      cmocka_unit_test(a_file_whose_end_is_cut_off_is_damaged),
  };
  return cmocka_run_group_tests(tests, make_authority, rig_remove_folder);
}
