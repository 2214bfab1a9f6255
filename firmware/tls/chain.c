#include <mbedtls/md.h>
#include <string.h>

#include "bundle.h"
#include "mbed.h"

static bool is_same(const mbedtls_x509_buf *a, const mbedtls_x509_buf *b) {
  return a->len == b->len && memcmp(a->p, b->p, a->len) == 0;
}

static bool is_signed_by(const mbedtls_x509_crt *child, const mbedtls_x509_crt *issuer) {
  unsigned char hash[MBEDTLS_MD_MAX_SIZE];
  const mbedtls_md_info_t *kind = mbedtls_md_info_from_type(child->sig_md);
  if (!is_same(&child->issuer_raw, &issuer->subject_raw) || !kind) return false;
  if (!mbedtls_pk_can_do(&issuer->pk, child->sig_pk)) return false;
  if (mbedtls_md(kind, child->tbs.p, child->tbs.len, hash) != 0) return false;
  // mbedTLS only reads the key, although its type does not say so.
  mbedtls_pk_context *key = (mbedtls_pk_context *)(uintptr_t)&issuer->pk;
  return mbedtls_pk_verify_ext(child->sig_pk, child->sig_opts, key, child->sig_md, hash, mbedtls_md_get_size(kind),
                               child->sig.p, child->sig.len) == 0;
}

bool tls_chain_is_root(const mbedtls_x509_crt *certificate) { return is_signed_by(certificate, certificate); }

static enum base_result find_own(struct tls_bundle *bundle, size_t *own, struct base_fault *fault) {
  size_t found = 0;
  for (size_t i = 0; i < bundle->count; i++) {
    const int code = mbedtls_pk_check_pair(&bundle->certificates[i].pk, &bundle->key);
    if (tls_result_of(code, BASE_OK) != BASE_OK) return BASE_FAIL(fault, BASE_NO_MEMORY, "", "no memory for a key");
    if (code != 0) continue;
    *own = i;
    found++;
  }
  if (found == 1) return BASE_OK;
  if (found > 1) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "certificate",
                     "there are %zu certificates of the private key: leave the one that is wanted", found);
  }
  char name[TLS_CALL_CHARS + 1];
  tls_about_call(&bundle->certificates[0], name);
  return BASE_FAIL(fault, BASE_BAD_INPUT, "key", "the private key does not belong to the certificate of '%s'%s", name,
                   bundle->count > 1 ? ", nor to another one in the text" : "");
}

// What is known of the certificates of a text, and the best chain of them so far.
struct search {
  const struct tls_bundle *bundle;
  const struct tls_judge *judge;
  bool is_signed[TLS_MAX_CHAIN][TLS_MAX_CHAIN];  // [child][issuer]
  bool is_root[TLS_MAX_CHAIN], is_reached[TLS_MAX_CHAIN];
  struct tls_chain path, best;
  bool is_best_good;
};

static bool is_in(const struct tls_chain *chain, size_t index) {
  for (size_t i = 0; i < chain->count; i++) {
    if (chain->order[i] == index) return true;
  }
  return false;
}

static bool ends_with_root(const struct search *search, const struct tls_chain *chain) {
  return search->is_root[chain->order[chain->count - 1]];
}

// One that clients take before one that they do not, then the longest: it leads to the roots of most clients. A root
// itself leads nowhere.
static bool is_better(const struct search *search, bool is_good) {
  const struct tls_chain *path = &search->path, *best = &search->best;
  if (best->count == 0) return true;
  if (is_good != search->is_best_good) return is_good;
  if (path->count != best->count) return path->count > best->count;
  return ends_with_root(search, best) && !ends_with_root(search, path);
}

// Depth first over all chains that begin with the path and `index`: at most 8 certificates, hence a few thousand. A
// chain may leave out its root, and nothing else that leads on.
static void follow(struct search *search, size_t index, bool is_good) {
  struct tls_chain *path = &search->path;
  const struct tls_judge *judge = search->judge;
  const size_t place = path->count;
  bool leads_on = false;
  path->order[path->count++] = index;
  search->is_reached[index] = true;
  if (place > 0) is_good = is_good && judge->is_good_issuer(judge->self, &search->bundle->certificates[index], place);
  for (size_t i = 0; i < search->bundle->count && !search->is_root[index]; i++) {
    if (!search->is_signed[index][i] || is_in(path, i)) continue;
    leads_on = leads_on || !search->is_root[i];
    follow(search, i, is_good);
  }
  if (!leads_on && is_better(search, is_good)) {
    search->best = *path;
    search->is_best_good = is_good;
  }
  path->count--;
}

static enum base_result fail_stranger(const struct search *search, size_t index, struct base_fault *fault) {
  const struct tls_chain *best = &search->best;
  char name[TLS_CALL_CHARS + 1], stranger[TLS_CALL_CHARS + 1];
  tls_about_call(&search->bundle->certificates[best->order[best->count - 1]], name);
  tls_about_call(&search->bundle->certificates[index], stranger);
  if (ends_with_root(search, best)) {
    return BASE_FAIL(fault, BASE_BAD_INPUT, "certificate",
                     "'%s' does not belong to the chain, which ends with '%s': leave it out", stranger, name);
  }
  return BASE_FAIL(fault, BASE_BAD_INPUT, "certificate",
                   "the chain has a gap: who signed '%s' is missing, and '%s' does not belong to it", name, stranger);
}

enum base_result tls_chain_find(struct tls_bundle *bundle, const struct tls_judge *judge, struct tls_chain *out,
                                struct base_fault *fault) {
  struct search search = {.bundle = bundle, .judge = judge};
  size_t own = 0;
  *out = (struct tls_chain){0};
  const enum base_result result = find_own(bundle, &own, fault);
  if (result != BASE_OK) return result;
  for (size_t child = 0; child < bundle->count; child++) {
    for (size_t issuer = 0; issuer < bundle->count; issuer++) {
      search.is_signed[child][issuer] = is_signed_by(&bundle->certificates[child], &bundle->certificates[issuer]);
    }
    search.is_root[child] = search.is_signed[child][child];
  }
  follow(&search, own, true);
  // Those of another way to a root, as authorities hand them out (cross-signed), are no strangers.
  for (size_t i = 0; i < bundle->count; i++) {
    if (!search.is_reached[i]) return fail_stranger(&search, i, fault);
  }
  *out = search.best;
  return BASE_OK;
}
