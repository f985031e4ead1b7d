// revocation_check: see revocation_check.hpp.
//
// What OpenSSL 3.0 does by itself (1): of the lists that name the issuer it takes the one that is of today and the
// latest, and only then looks whether the issuer has signed it. So a list of somebody else's would stand in the way of
// the issuer's own. It is therefore given only lists whose signature is good.
//
// (2): it verifies the signature of the whole list for each certificate of each peer, the root's included: of a list
// of some megabytes that is longer than all of the handshake. Here it is done once for each CA.
//
// (3): it looks for lists before it has verified any signature of the chain, and goes on after errors. So whoever takes
// a CA's name could have lists hashed: they are only for those whose signatures lead up to the trust store.
//
// SPDX-License-Identifier: Apache-2.0
#include "revocation_check.hpp"

#include "revocation_lists_data.hpp"
#include "trust_store_data.hpp"

#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <utility>

namespace sallyport::detail {
namespace {

struct free_crl_stack {
  void operator()(STACK_OF(X509_CRL) * stack) const noexcept { sk_X509_CRL_pop_free(stack, X509_CRL_free); }
};
using crl_stack_ptr = std::unique_ptr<STACK_OF(X509_CRL), free_crl_stack>;

bool has_signed(X509* issuer, X509_CRL* list) noexcept {
  if ((X509_get_key_usage(issuer) & KU_CRL_SIGN) == 0) return false;  // RFC 5280 section 6.3.3 (f)
  EVP_PKEY* const key = X509_get0_pubkey(issuer);
  const bool is_good = key != nullptr && X509_CRL_verify(list, key) == 1;
  ERR_clear_error();
  return is_good;
}

bool names(const revocation_list& list, const X509* issuer) noexcept {
  return X509_NAME_cmp(list.issuer(), X509_get_subject_name(issuer)) == 0;
}

/// What OpenSSL itself does with a list that it has found.
X509_STORE_CTX_check_crl_fn usual_check() noexcept {
  const std::unique_ptr<X509_STORE_CTX, openssl_free<X509_STORE_CTX_free>> any{X509_STORE_CTX_new()};
  if (!any || X509_STORE_CTX_init(any.get(), nullptr, nullptr, nullptr) != 1) return nullptr;
  return X509_STORE_CTX_get_check_crl(any.get());
}

// A client may send CAs of its own CA's making, each with lists to be judged. More of them is an error: who couldn't be
// looked up for this reason isn't let in by soft_fail either.
constexpr std::intptr_t most_judged = 8;  // in one verification
constexpr std::size_t most_remembered = 256;

/// The lists that a CA has signed, in the order of their addresses.
using signed_lists = std::shared_ptr<const std::vector<const X509_CRL*>>;
using certificate_digest = std::array<unsigned char, 32>;

bool holds(const signed_lists& lists, const X509_CRL* list) noexcept {
  return lists && std::ranges::binary_search(*lists, list);
}

/// None if OpenSSL is out of memory.
std::optional<certificate_digest> digest_of(const X509* certificate) noexcept {
  certificate_digest digest;
  if (X509_digest(certificate, EVP_sha256(), digest.data(), nullptr) != 1) return std::nullopt;
  return digest;
}

/// What hangs on a store. Used by several threads at the same time.
class revocation_check {
 public:
  revocation_check(const trust_store& trust, revocation_lists lists, revocation_policy missing)
      : lists_(std::move(lists)), missing_(missing), usual_check_(usual_check()) {
    // What the trust store's own CAs have signed is found out now, and not when the first client comes.
    for (const x509_ptr& issuer : trust.data().certificates) of_trusted_.emplace(issuer.get(), judge(issuer.get()));
  }

  /// What is known already; null for a CA that hasn't been judged. Throws std::bad_alloc.
  signed_lists signed_by(const X509* issuer) const {
    // In a chain a certificate of the trust store has its own address.
    if (const auto trusted = of_trusted_.find(issuer); trusted != of_trusted_.end()) return trusted->second;
    const auto digest = digest_of(issuer);
    if (!digest) throw std::bad_alloc();
    const std::lock_guard guard(mutex_);
    const auto found = std::ranges::find(of_others_, *digest, &judged::issuer);
    return found == of_others_.end() ? nullptr : found->lists;
  }

  /// Verifies all lists that name this CA, and remembers the result. Throws std::bad_alloc.
  signed_lists judge_and_remember(X509* issuer) const {
    const auto digest = digest_of(issuer);
    if (!digest) throw std::bad_alloc();
    signed_lists found = judge(issuer);
    const std::lock_guard guard(mutex_);
    if (of_others_.size() == most_remembered) of_others_.erase(of_others_.begin());
    of_others_.push_back({*digest, found});
    return found;
  }

  X509_STORE_CTX_check_crl_fn usual() const noexcept { return usual_check_; }
  const revocation_lists_data& lists() const noexcept { return lists_.data(); }
  revocation_policy missing() const noexcept { return missing_; }

 private:
  /// A CA that isn't in the trust store, but was vouched for by it.
  struct judged {
    certificate_digest issuer;
    signed_lists lists;
  };

  signed_lists judge(X509* issuer) const {
    auto found = std::make_shared<std::vector<const X509_CRL*>>();
    for (const revocation_list& list : lists_.data().of(X509_get_subject_name(issuer))) {
      if (has_signed(issuer, list.crl.get())) found->push_back(list.crl.get());
    }
    std::ranges::sort(*found);
    return found;
  }

  revocation_lists lists_;
  revocation_policy missing_;
  X509_STORE_CTX_check_crl_fn usual_check_;
  std::map<const X509*, signed_lists> of_trusted_;
  mutable std::mutex mutex_;
  mutable std::vector<judged> of_others_;
};

int index_of_check() noexcept {
  static const int index = CRYPTO_get_ex_new_index(
      CRYPTO_EX_INDEX_X509_STORE, 0, nullptr, nullptr, nullptr,
      [](void*, void* check, CRYPTO_EX_DATA*, int, long, void*) { delete static_cast<revocation_check*>(check); });
  return index;
}

const revocation_check* check_of(const X509_STORE_CTX* verification) noexcept {
  const X509_STORE* const store = X509_STORE_CTX_get0_store(verification);
  return store == nullptr ? nullptr
                          : static_cast<const revocation_check*>(X509_STORE_get_ex_data(store, index_of_check()));
}

// ---- how many CAs were judged in a verification ----

int index_of_count() noexcept {
  static const int index = X509_STORE_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

constexpr std::intptr_t gave_up = -1;

/// One more than their number; 0 if no list has been looked for; gave_up if not all could be.
std::intptr_t count_in(const X509_STORE_CTX* verification) noexcept {
  return reinterpret_cast<std::intptr_t>(X509_STORE_CTX_get_ex_data(verification, index_of_count()));
}

void set_count(X509_STORE_CTX* verification, std::intptr_t count) {
  if (X509_STORE_CTX_set_ex_data(verification, index_of_count(), reinterpret_cast<void*>(count)) != 1) {
    throw std::bad_alloc();
  }
}

/// Counts another one. False if there were too many.
bool may_judge(X509_STORE_CTX* verification) {
  const std::intptr_t count = count_in(verification);
  const bool may = 0 < count && count <= most_judged;
  set_count(verification, may ? count + 1 : gave_up);
  return may;
}

// ---- looking for lists ----

/// True if the chain's signatures lead from the peer's own certificate to the trust store, by way of CAs. From the
/// top down: what a stranger has made ends it at once.
bool is_vouched_for(const X509_STORE_CTX* verification) noexcept {
  const STACK_OF(X509)* const chain = X509_STORE_CTX_get0_chain(verification);
  const int untrusted = X509_STORE_CTX_get_num_untrusted(verification);  // those above are the trust store's
  bool is_good = untrusted < sk_X509_num(chain);
  for (int i = untrusted - 1; is_good && i >= 0; --i) {
    X509* const certificate = sk_X509_value(chain, i);
    EVP_PKEY* const key = X509_get0_pubkey(sk_X509_value(chain, i + 1));
    is_good = key != nullptr && X509_verify(certificate, key) == 1 && (i == 0 || X509_check_ca(certificate) != 0);
  }
  ERR_clear_error();
  return is_good;
}

bool is_for_all(const X509_CRL* list) noexcept {
  return X509_CRL_get_ext_by_NID(list, NID_issuing_distribution_point, -1) < 0;
}

/// Those that one of the chain's CAs above the certificate that they are for, which a root is of itself, has signed.
crl_stack_ptr find_lists(X509_STORE_CTX* verification, const X509_NAME* issuer_name) {
  crl_stack_ptr found{sk_X509_CRL_new_null()};
  if (!found) throw std::bad_alloc();
  const revocation_check* const check = check_of(verification);
  if (check == nullptr) return found;
  const auto candidates = check->lists().of(issuer_name);
  if (candidates.empty()) return found;

  const int depth = X509_STORE_CTX_get_error_depth(verification);  // of the certificate that they are for
  std::optional<bool> verified;
  const auto vouched_for = [&] {
    if (!verified) verified = is_vouched_for(verification);
    return *verified;
  };
  std::vector<signed_lists> good;
  const STACK_OF(X509)* const chain = X509_STORE_CTX_get0_chain(verification);
  const int last = sk_X509_num(chain) - 1;
  for (int i = std::min(depth + 1, last); i <= last; ++i) {
    X509* const issuer = sk_X509_value(chain, i);
    if (X509_NAME_cmp(issuer_name, X509_get_subject_name(issuer)) != 0) continue;
    signed_lists lists = check->signed_by(issuer);
    if (!lists && vouched_for()) {
      if (!may_judge(verification)) return found;
      lists = check->judge_and_remember(issuer);
    }
    good.push_back(std::move(lists));
  }
  for (const revocation_list& list : candidates) {
    const auto holds_it = [&](const signed_lists& lists) { return holds(lists, list.crl.get()); };
    if (std::ranges::none_of(good, holds_it)) continue;
    if (!is_for_all(list.crl.get()) && !vouched_for()) continue;  // OpenSSL verifies it again: check_list()
    if (sk_X509_CRL_push(found.get(), list.crl.get()) == 0) throw std::bad_alloc();
    X509_CRL_up_ref(list.crl.get());
  }
  return found;
}

STACK_OF(X509_CRL) * lists_of(const X509_STORE_CTX* const_verification, const X509_NAME* issuer) noexcept {
  auto* const verification = const_cast<X509_STORE_CTX*>(const_verification);  // OpenSSL's own isn't const
  try {
    if (count_in(verification) == 0) set_count(verification, 1);
    return find_lists(verification, issuer).release();
  } catch (const std::bad_alloc&) {
    // If this fails too it is still 0.
    X509_STORE_CTX_set_ex_data(verification, index_of_count(), reinterpret_cast<void*>(gave_up));
    return nullptr;
  }
}

/// True if the verification is to go on.
bool tell(X509_STORE_CTX* verification, int error) noexcept {
  X509_STORE_CTX_set_error(verification, error);
  return X509_STORE_CTX_get_verify_cb(verification)(0, verification) == 1;
}

/// True if it has been found out already that the issuer has signed the list.
bool is_known(const revocation_check& check, const X509_CRL* list, const X509* issuer) noexcept try {
  return issuer != nullptr && holds(check.signed_by(issuer), list);
} catch (const std::bad_alloc&) {
  return false;
}

/// Whether the list that OpenSSL has chosen may be gone by.
int check_list(X509_STORE_CTX* verification, X509_CRL* list) noexcept {
  const revocation_check* const check = check_of(verification);
  if (check == nullptr) return 0;
  // What a list is for, if it isn't for all of its issuer's certificates, OpenSSL knows best.
  if (!is_for_all(list) || !is_known(*check, list, X509_STORE_CTX_get0_current_issuer(verification))) {
    return check->usual()(verification, list);
  }
  if (X509_cmp_current_time(X509_CRL_get0_lastUpdate(list)) > 0 && !tell(verification, X509_V_ERR_CRL_NOT_YET_VALID)) {
    return 0;
  }
  const ASN1_TIME* const end = X509_CRL_get0_nextUpdate(list);
  if (end == nullptr || X509_cmp_current_time(end) > 0) return 1;
  return tell(verification, X509_V_ERR_CRL_HAS_EXPIRED) ? 1 : 0;
}

}  // namespace

x509_store_ptr store_with(const trust_store& trust, const revocation_lists& lists, revocation_policy missing) {
  x509_store_ptr store{X509_STORE_new()};
  if (!store) return nullptr;
  for (const x509_ptr& certificate : trust.data().certificates) {
    if (X509_STORE_add_cert(store.get(), certificate.get()) != 1) return nullptr;
  }
  auto check = std::make_unique<revocation_check>(trust, lists, missing);
  if (check->usual() == nullptr) return nullptr;
  if (X509_STORE_set_ex_data(store.get(), index_of_check(), check.get()) != 1) return nullptr;
  check.release();
  X509_STORE_set_lookup_crls(store.get(), lists_of);
  X509_STORE_set_check_crl(store.get(), check_list);
  if (X509_STORE_set_flags(store.get(), X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL) != 1) return nullptr;
  return store;
}

bool is_tolerated(X509_STORE_CTX* verification) noexcept {
  switch (X509_STORE_CTX_get_error(verification)) {
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_DIFFERENT_CRL_SCOPE:  // there are some, but for others of the issuer's certificates
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_CRL_HAS_EXPIRED:
      break;
    default:
      return false;
  }
  const revocation_check* const check = check_of(verification);
  if (check == nullptr || count_in(verification) <= 0) return false;
  if (check->missing() == revocation_policy::soft_fail) return true;
  // OpenSSL looks up the root, too, in its own list. It is trusted without one (RFC 5280 section 6.1); the certificate
  // below it has been told of if that list is missing. Who is a root and a client is no exception.
  const STACK_OF(X509)* const chain = X509_STORE_CTX_get0_chain(verification);
  const int depth = X509_STORE_CTX_get_error_depth(verification);
  return depth > 0 && depth == sk_X509_num(chain) - 1 &&
         (X509_get_extension_flags(sk_X509_value(chain, depth)) & EXFLAG_SS) != 0;
}

bool is_about_lists(int x509_error) noexcept {
  switch (x509_error) {
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
    case X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE:
    case X509_V_ERR_CRL_SIGNATURE_FAILURE:
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD:
    case X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD:
    case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
    case X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION:
    case X509_V_ERR_DIFFERENT_CRL_SCOPE:
    case X509_V_ERR_CRL_PATH_VALIDATION_ERROR:
      return true;
    default:
      return false;
  }
}

std::vector<std::string> warnings_about(const trust_store& trust, const revocation_lists& lists) {
  std::vector<std::string> warnings;
  const auto& certificates = trust.data().certificates;
  for (const revocation_list& list : lists.data().lists) {
    // Those of intermediate CAs, which clients send, can't be judged yet.
    const auto is_named = [&](const x509_ptr& issuer) { return names(list, issuer.get()); };
    const auto signed_it = [&](const x509_ptr& issuer) {
      return is_named(issuer) && has_signed(issuer.get(), list.crl.get());
    };
    if (std::ranges::none_of(certificates, is_named) || std::ranges::any_of(certificates, signed_it)) continue;
    const auto issuer = std::ranges::find_if(certificates, is_named);
    const bool may_sign = (X509_get_key_usage(issuer->get()) & KU_CRL_SIGN) != 0;
    warnings.push_back(list.name + (may_sign ? " isn't signed by the CA that it names, and counts for nothing"
                                             : " counts for nothing, as its CA's key usage has no cRLSign"));
  }
  return warnings;
}

}  // namespace sallyport::detail
