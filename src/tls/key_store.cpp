// key_store: keys and certificates by their URIs, from OpenSSL's OSSL_STORE.
//
// SPDX-License-Identifier: Apache-2.0
#include "key_store.hpp"

#include "object_uri.hpp"
#include "passphrase_prompt.hpp"
#include "pkcs11_engine.hpp"

#include <openssl/rsa.h>
#include <openssl/store.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>
#include <span>
#include <system_error>
#include <utility>

namespace sallyport::detail {

namespace {

using store_info_ptr = std::unique_ptr<OSSL_STORE_INFO, openssl_free<OSSL_STORE_INFO_free>>;
using store_ptr = std::unique_ptr<OSSL_STORE_CTX, openssl_free<OSSL_STORE_close>>;
using digest_context_ptr = std::unique_ptr<EVP_MD_CTX, openssl_free<EVP_MD_CTX_free>>;

struct objects {
  std::vector<x509_ptr> certificates;
  pkey_ptr key;
};

// What is looked for.
struct wanted {
  int type;  ///< OSSL_STORE_INFO_*
  const char* name;
  configuration_error none;
  configuration_error bad;
};
constexpr wanted certificate{OSSL_STORE_INFO_CERT, "certificate", configuration_error::no_certificate,
                             configuration_error::bad_certificate};
constexpr wanted private_key{OSSL_STORE_INFO_PKEY, "private key", configuration_error::no_private_key,
                             configuration_error::bad_private_key};

// OpenSSL looks for a file of any URI's name first, and for a loader then.
bool is_scheme_unknown() {
  const unsigned long last = ERR_peek_last_error();
  return ERR_GET_LIB(last) == ERR_LIB_OSSL_STORE && ERR_GET_REASON(last) == ERR_R_UNSUPPORTED;
}

// The latest one. Empties the queue.
int take_system_error() {
  int latest = 0;
  while (const unsigned long code = ERR_get_error()) {
    if (ERR_GET_LIB(code) == ERR_LIB_SYS) latest = ERR_GET_REASON(code);
  }
  return latest;
}

std::string words_of_system_error(int number) {
  if (number == ENOENT) return "no such file";
  if (number == EACCES || number == EPERM) return "permission denied";
  return "cannot be read: " + std::generic_category().message(number);
}

error cannot_open(const std::string& uri, const std::string& name) {
  const unsigned long last = ERR_peek_last_error();
  if (is_scheme_unknown()) {
    ERR_clear_error();
    return {configuration_error::invalid_value,
            name + ": OpenSSL has no provider for URIs of the scheme \"" + scheme_of(uri) + "\" here"};
  }
  if (ERR_GET_LIB(last) == ERR_LIB_SYS || ERR_GET_REASON(last) == ERR_R_SYS_LIB) {
    return {configuration_error::unreadable_file, name + ": " + words_of_system_error(take_system_error())};
  }
  const std::string reason = take_last_openssl_error();
  return {configuration_error::invalid_value,
          name + ": cannot be opened" + (reason.empty() ? "" : " (" + reason + ")")};
}

error cannot_load(const wanted& kind, const std::string& uri, const std::string& name,
                  const passphrase_prompt& prompt) {
  const bool is_file = scheme_of(uri) == "file";
  // What OpenSSL can't decode: something else, or a damaged one.
  const unsigned long first = ERR_peek_error();
  const bool is_unknown = ERR_GET_LIB(first) == ERR_LIB_OSSL_STORE && ERR_GET_REASON(first) == ERR_R_UNSUPPORTED;
  const bool has_failed = first != 0;
  const std::string reason = take_last_openssl_error();
  if (prompt.was_refused()) {
    return {configuration_error::passphrase_needed,
            name + (is_file ? ": is encrypted, and no passphrase is given" : ": a PIN is needed, and none is given")};
  }
  if (has_failed && prompt.was_answered()) {
    return {configuration_error::wrong_passphrase,
            name + (is_file ? ": wrong passphrase" : ": wrong PIN") + " (" + reason + ")"};
  }
  if (has_failed && !is_unknown) return {kind.bad, name + ": the " + kind.name + " can't be read (" + reason + ")"};
  // A provider may keep to itself what a wrong PIN doesn't open.
  return {kind.none, name + ": no " + kind.name + " that OpenSSL can read is there" +
                         (prompt.was_answered() ? ", or the PIN is wrong" : "")};
}

result<objects> load(OSSL_STORE_CTX* store, const wanted& kind, const std::string& uri, const std::string& name,
                     passphrase_prompt& prompt) {
  objects found;
  OSSL_STORE_expect(store, kind.type);
  ERR_clear_error();
  while (OSSL_STORE_eof(store) != 1) {
    const store_info_ptr info{OSSL_STORE_load(store)};
    prompt.rethrow();
    if (!info) {
      if (ERR_peek_error() != 0) break;
      continue;  // something else than what is expected, or the end
    }
    if (OSSL_STORE_INFO_get_type(info.get()) != kind.type) continue;
    if (kind.type == OSSL_STORE_INFO_CERT) {
      found.certificates.emplace_back(OSSL_STORE_INFO_get1_CERT(info.get()));
    } else {
      found.key.reset(OSSL_STORE_INFO_get1_PKEY(info.get()));
      break;
    }
  }
  if (ERR_peek_error() != 0 || (!found.key && found.certificates.empty())) return cannot_load(kind, uri, name, prompt);
  return found;
}

// Providers may ask OpenSSL's default for a PIN, later and for a signature too, and that is the terminal; the method
// that a store is opened with isn't for that. The default is the process's and has no lock: it is set once at most, and
// whoever has set another one keeps it.
void keep_off_the_terminal(UI_METHOD* refusing) {
  static std::once_flag done;
  std::call_once(done, [&] {
    if (UI_get_default_method() == UI_OpenSSL()) UI_set_default_method(refusing);
  });
}

// Nothing if no provider knows the scheme, and it is for the engine to try.
std::optional<result<objects>> load_from_store(const wanted& kind, const std::string& uri, const std::string& name,
                                               const passphrase_source& passphrase) {
  passphrase_prompt prompt{name, passphrase};
  UI_METHOD* const method = passphrase_prompt::method();
  if (!method) return error{configuration_error::internal, name + ": out of memory"};
  if (scheme_of(uri) != "file") keep_off_the_terminal(method);
  ERR_clear_error();
  const store_ptr store{OSSL_STORE_open(uri.c_str(), method, &prompt, nullptr, nullptr)};
  prompt.rethrow();
  if (!store && scheme_of(uri) == "pkcs11" && is_scheme_unknown()) return {};
  if (!store) return cannot_open(uri, name);
  return load(store.get(), kind, uri, name, prompt);
}

}  // namespace

result<std::vector<x509_ptr>> certificates_from_uri(const std::string& uri, const passphrase_source& passphrase) {
  const std::string name = without_pin(uri);
  auto stored = load_from_store(certificate, uri, name, passphrase);
  ERR_clear_error();
  std::vector<x509_ptr> certificates;
  if (stored) {
    if (!*stored) return stored->error();
    certificates = std::move((*stored)->certificates);
  } else {
    auto one = certificate_from_pkcs11_engine(uri, name, passphrase);
    if (!one) return one.error();
    certificates.push_back(std::move(*one));
  }
  return certificates;
}

result<pkey_ptr> private_key_from_uri(const std::string& uri, const passphrase_source& passphrase) {
  const std::string name = without_pin(uri);
  auto stored = load_from_store(private_key, uri, name, passphrase);
  ERR_clear_error();
  if (!stored) return private_key_from_pkcs11_engine(uri, name, passphrase);
  if (!*stored) return stored->error();
  return std::move((*stored)->key);
}

namespace {

// Null for keys that digest by themselves.
const EVP_MD* trial_digest(EVP_PKEY* key, int type) {
  if (type == EVP_PKEY_ED25519 || type == EVP_PKEY_ED448) return nullptr;
  // A key for RSA-PSS alone may be for one digest alone (RFC 4055 section 3.1).
  int only = NID_undef;
  const bool is_restricted = type == EVP_PKEY_RSA_PSS && EVP_PKEY_get_default_digest_nid(key, &only) == 2;
  const EVP_MD* const found = is_restricted ? EVP_get_digestbynid(only) : nullptr;
  return found ? found : EVP_sha256();
}

}  // namespace

std::string signing_problem(EVP_PKEY* key, const X509* certificate) {
  constexpr std::array<unsigned char, 32> text{};
  const int type = EVP_PKEY_get_base_id(key);
  const EVP_MD* const digest = trial_digest(key, type);
  const auto set_padding = [&](EVP_PKEY_CTX* context) {
    return type != EVP_PKEY_RSA || (EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) > 0 &&
                                    EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) > 0);
  };
  ERR_clear_error();
  const digest_context_ptr signing{EVP_MD_CTX_new()};
  const digest_context_ptr verifying{EVP_MD_CTX_new()};
  EVP_PKEY_CTX* context = nullptr;
  // As libssl does: some providers answer a question for the signature's size with 0.
  std::vector<unsigned char> signature(static_cast<std::size_t>(std::max(EVP_PKEY_get_size(key), 0)));
  std::size_t size = signature.size();
  const bool has_signed =
      signing && verifying && size > 0 && EVP_DigestSignInit(signing.get(), &context, digest, nullptr, key) == 1 &&
      set_padding(context) && EVP_DigestSign(signing.get(), signature.data(), &size, text.data(), text.size()) == 1;
  if (!has_signed) {
    const std::string reason = take_openssl_error();
    return std::string("the key can't sign") + (type == EVP_PKEY_RSA ? " (RSA-PSS, which TLS 1.3 needs)" : "") +
           (reason.empty() ? "" : ": " + reason);
  }
  const bool is_right =
      EVP_DigestVerifyInit(verifying.get(), &context, digest, nullptr, X509_get0_pubkey(certificate)) == 1 &&
      set_padding(context) && EVP_DigestVerify(verifying.get(), signature.data(), size, text.data(), text.size()) == 1;
  ERR_clear_error();
  return is_right ? "" : "the key makes signatures that its certificate doesn't verify";
}

}  // namespace sallyport::detail
