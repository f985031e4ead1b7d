// resumption_policy: see resumption_policy.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "resumption_policy.hpp"

#include "ascii.hpp"
#include "context_data.hpp"
#include "identity_data.hpp"
#include "protocol_versions.hpp"
#include "revocation_lists_data.hpp"
#include "trust_store_data.hpp"

#include <openssl/x509v3.h>

#include <algorithm>
#include <cstdint>
#include <new>
#include <span>
#include <string>
#include <vector>

namespace sallyport::detail {
namespace {

// Sessions of another version of this library don't resume here if it has another idea of what a policy is.
constexpr std::string_view version = "sallyport resumption policy 1";

/// Fetched once: to look it up by name costs more than to hash. Never freed, as contexts may outlive any static object.
const EVP_MD* sha256() noexcept {
  static const EVP_MD* const fetched = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return fetched;
}

std::optional<policy_digest> digest_of(std::string_view bytes) noexcept {
  policy_digest digest;
  static_assert(SSL_MAX_SID_CTX_LENGTH == digest.size());
  if (sha256() == nullptr || EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, sha256(), nullptr) != 1) {
    return std::nullopt;
  }
  return digest;
}

/// What is hashed: each part tells its length, so that no two different policies are the same bytes.
class policy_text {
 public:
  void add(std::int64_t number) {
    for (int shift = 56; shift >= 0; shift -= 8) bytes_ += static_cast<char>(number >> shift & 0xff);
  }
  void add(std::string_view text) {
    add(static_cast<std::int64_t>(text.size()));
    bytes_ += text;
  }
  /// In any order, and however often each is there.
  void add_set(std::vector<std::string> texts) {
    std::ranges::sort(texts);
    texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
    add(static_cast<std::int64_t>(texts.size()));
    for (const std::string& each : texts) add(each);
  }
  std::optional<policy_digest> digest() const noexcept { return digest_of(bytes_); }

 private:
  std::string bytes_;
};

}  // namespace

std::optional<policy_digest> policy_of(const ssl_configuration& configuration) {
  if (sha256() == nullptr) return std::nullopt;
  policy_text text;
  text.add(version);
  text.add(static_cast<std::int64_t>(configuration.profile));
  text.add(static_cast<std::int64_t>(configuration.verify_mode));
  text.add(configuration.verify_depth);
  text.add(configuration.missing_certificate_is_fatal ? 1 : 0);
  text.add(configuration.pre_shared_keys ? 1 : 0);

  text.add(configuration.ca_certificates ? 1 : 0);
  if (configuration.ca_certificates) {
    std::vector<std::string> trusted;
    for (const x509_ptr& each : configuration.ca_certificates->data().certificates) {
      policy_digest digest;
      if (X509_digest(each.get(), sha256(), digest.data(), nullptr) != 1) return std::nullopt;
      trusted.emplace_back(text_of(digest));
    }
    text.add_set(std::move(trusted));
  }

  text.add(configuration.revocation ? 1 : 0);
  if (configuration.revocation) {
    text.add(static_cast<std::int64_t>(configuration.missing_revocation_list));
    std::vector<std::string> lists;
    for (const revocation_list& each : configuration.revocation->data().lists) lists.emplace_back(text_of(each.digest));
    text.add_set(std::move(lists));
  }

  std::vector<std::string> rules;
  for (const access_rule& each : configuration.allow) rules.push_back(each.text());
  text.add_set(std::move(rules));

  // The profile's own say nothing new, and releases that know no others agree with this one.
  if (const version_range versions = versions_of(configuration); versions != versions_of(configuration.profile)) {
    text.add("versions");
    text.add(static_cast<std::int64_t>(versions.minimum));
    text.add(static_cast<std::int64_t>(versions.maximum));
  }
  // What they do isn't known here.
  if (!configuration.openssl_commands.empty()) text.add("openssl_commands");
  for (const auto& [name, value] : configuration.openssl_commands) {
    text.add(name);
    text.add(value);
  }
  return text.digest();
}

std::optional<policy_digest> digest_of_names(const X509* certificate) {
  ERR_set_mark();
  const general_names_ptr alternatives{
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr))};
  ERR_pop_to_mark();
  std::vector<std::string> names;
  for (int i = 0; i < sk_GENERAL_NAME_num(alternatives.get()); ++i) {  // -1 if there are none
    int type = 0;
    const void* value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(alternatives.get(), i), &type);
    if (type != GEN_DNS && type != GEN_IPADD) continue;
    const auto* string = static_cast<const ASN1_STRING*>(value);
    std::string name(reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
                     static_cast<std::size_t>(ASN1_STRING_length(string)));
    if (type == GEN_DNS) std::ranges::transform(name, name.begin(), lower);
    names.push_back((type == GEN_DNS ? "dns " : "ip ") + name);
  }
  policy_text text;
  text.add_set(std::move(names));
  return text.digest();
}

std::optional<policy_digest> digest_of_parts(std::initializer_list<std::string_view> parts) {
  policy_text text;
  for (const std::string_view each : parts) text.add(each);
  return text.digest();
}

bool enter_policy(SSL* ssl, const context_data& chosen, const identity_data* identity,
                  std::string_view server_name) noexcept try {
  // One buffer for all: this is done for each connection.
  std::array<char, 2 * std::tuple_size_v<policy_digest> + TLSEXT_MAXLEN_host_name> bytes;
  if (server_name.size() > TLSEXT_MAXLEN_host_name) return false;
  policy_digest names{};  // of no identity
  if (identity != nullptr) {
    const auto digest = identity->names_digest ? identity->names_digest : digest_of_names(identity->certificate.get());
    if (!digest) return false;
    names = *digest;
  }
  auto end = std::ranges::copy(text_of(chosen.policy), bytes.begin()).out;
  end = std::ranges::copy(text_of(names), end).out;
  end = std::ranges::transform(server_name, end, lower).out;
  const auto digest = digest_of({bytes.data(), static_cast<std::size_t>(end - bytes.begin())});
  return digest && SSL_set_session_id_context(ssl, digest->data(), static_cast<unsigned>(digest->size())) == 1;
} catch (const std::bad_alloc&) {
  return false;
}

}  // namespace sallyport::detail
