#include "certificate_rig.h"

#include "base/file.h"
#include "temp_folder.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { DAY_S = 86400, LIMIT = 256 * 1024 };

static struct temp_folder folder;

void rig_make_folder(void) { temp_folder_make(&folder); }
int rig_remove_folder(void **state) {
  (void)state;
  temp_folder_remove(&folder);
  return 0;
}
void rig_path(const char *name, char *out, size_t capacity) { temp_folder_path(&folder, name, out, capacity); }

// Certificates of all kinds are each NAME.pem with its NAME.key: `sign NAME BY EXTENSIONS [DIGEST]` after `ec NAME` and
// `ask NAME [SUBJECT]`; `leaf NAME EXTENSIONS [DIGEST]` does all of it, by `inter`, from the key that is there.
static const char functions[] =
    "set -e\n"
    "ec() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:${2:-P-256} -out $1.key; }\n"
    "ask() { openssl req -new -key $1.key -subj \"${2:-/CN=$1.example}\" -out $1.csr; }\n"
    "sign() { printf '%b' \"$3\" >$1.ext; openssl x509 -req -in $1.csr -CA $2.pem -CAkey $2.key -CAcreateserial"
    " -days ${days:-30} ${4:--sha256} -extfile $1.ext -out $1.pem; }\n"
    "leaf() { [ -e $1.key ] || ec $1; ask $1; sign $1 inter \"$2\" $3; }\n"
    "ca='basicConstraints=critical,CA:TRUE\\nkeyUsage=critical,keyCertSign,cRLSign\\n'\n"
    "root() { ec $1; openssl req -x509 -new -key $1.key -subj \"/O=Tests/CN=$1 authority\" -days ${days:-30}"
    " -addext keyUsage=critical,keyCertSign -out $1.pem; }\n"
    "san='subjectAltName=DNS:img.example.com,DNS:*.pix.example,IP:192.0.2.7,IP:2001:db8::7,email:a@example.com\\n'\n";

void rig_run(const char *script) {
  char command[16384];
  snprintf(command, sizeof command, "cd %s && { %s%s\n} >log 2>&1 || { cat log >&2; exit 1; }", folder.path, functions,
           script);
  assert_int_equal(system(command), 0);
}

void rig_join(const char *names, struct base_buffer *out) {
  struct base_span rest = base_span_text(names);
  base_buffer_init(out, LIMIT);
  while (rest.data != NULL) {
    char name[64], path[256];
    struct base_buffer one;
    assert_true(base_span_copy(base_span_cut(&rest, ' '), name, sizeof name));
    temp_folder_path(&folder, name, path, sizeof path);
    assert_int_equal(base_file_read(path, LIMIT, &one, NULL), BASE_OK);
    assert_int_equal(base_buffer_append(out, one.data, one.bytes), BASE_OK);
    base_buffer_finish(&one);
  }
}

enum base_result rig_check(const char *names, int days, struct base_buffer *out, struct tls_about *about,
                           struct base_fault *fault) {
  struct base_buffer pem;
  rig_join(names, &pem);
  const int64_t now_s = (int64_t)time(NULL) + 5 + (int64_t)days * DAY_S;
  const enum base_result result = tls_identity_check(base_buffer_span(&pem), now_s, out, about, fault);
  base_buffer_finish(&pem);
  return result;
}

void rig_accepts_as(const char *names, unsigned chain_count, struct tls_about *about) {
  struct base_buffer out;
  struct base_fault fault = {0};
  if (rig_check(names, 0, &out, about, &fault) != BASE_OK) fail_msg("%s: %s", names, fault.text);
  if (about->chain_count != chain_count) fail_msg("%s: %u certificates", names, about->chain_count);
  tls_identity_forget(&out);
}

void rig_accepts(const char *names, unsigned chain_count) {
  struct tls_about about;
  rig_accepts_as(names, chain_count, &about);
}

void rig_refuses_on(const char *names, int days, enum base_result wanted, const char *text) {
  struct tls_about about;
  struct base_buffer out;
  struct base_fault fault = {0};
  const enum base_result result = rig_check(names, days, &out, &about, &fault);
  if (result != wanted || !strstr(fault.text, text)) fail_msg("%s: %d '%s'", names, result, fault.text);
  assert_int_equal(out.bytes, 0);
  tls_identity_forget(&out);
}

void rig_refuses(const char *names, const char *text) { rig_refuses_on(names, 0, BASE_BAD_INPUT, text); }
