// cipher_names: checks of lists of ciphers, cipher suites and groups, name by name.
//
// SPDX-License-Identifier: Apache-2.0
#include "cipher_names.hpp"

#include "openssl.hpp"
#include "printable.hpp"

#include <algorithm>
#include <array>
#include <new>
#include <string_view>
#include <vector>

namespace sallyport::detail {

namespace {

// Words of the cipher list's language for which this OpenSSL has no cipher (left). Lists in use exclude them
// ("!RC4:!EXPORT"), and that is as harmless as it is vain.
constexpr std::array<std::string_view, 18> extinct{"3DES",  "DES",  "EXP",    "EXPORT", "EXPORT40", "EXPORT56",
                                                   "IDEA",  "LOW",  "MEDIUM", "RC2",    "RC4",      "SEED",
                                                   "SSLv2", "kDHd", "kDHr",   "kECDH",  "aECDH",    "aDH"};

// Those that come with OpenSSL 3.5 (draft-ietf-tls-ecdhe-mlkem, draft-ietf-tls-mlkem).
constexpr std::array<std::string_view, 6> post_quantum_groups{
    "X25519MLKEM768", "SecP256r1MLKEM768", "SecP384r1MLKEM1024", "MLKEM512", "MLKEM768", "MLKEM1024"};

std::vector<std::string> split(const std::string& list, const char* separators) {
  std::vector<std::string> names;
  std::size_t begin = 0;
  while (begin <= list.size()) {
    const std::size_t end = std::min(list.find_first_of(separators, begin), list.size());
    names.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return names;
}

std::string quoted(const std::string& name) { return "\"" + printable(name) + "\""; }

ssl_ctx_ptr new_scratch_context() {
  ssl_ctx_ptr scratch{SSL_CTX_new(TLS_server_method())};
  // Ciphers that are too weak to be used may still be named, to exclude them.
  if (scratch) SSL_CTX_set_security_level(scratch.get(), 0);
  return scratch;
}

bool is_tls13_suite(SSL_CTX* scratch, const std::string& name) {
  // Not by its result: this OpenSSL ignores unknown suites here, later ones may not.
  SSL_CTX_set_cipher_list(scratch, "ALL");
  if (SSL_CTX_set_ciphersuites(scratch, name.c_str()) != 1) return false;
  const STACK_OF(SSL_CIPHER)* ciphers = SSL_CTX_get_ciphers(scratch);
  for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); ++i) {
    if (SSL_CIPHER_get_name(sk_SSL_CIPHER_value(ciphers, i)) == name) return true;
  }
  return false;
}

// True if there is a cipher for TLS 1.2 that a server at security level 2 can use.
bool leaves_a_usable_cipher(SSL_CTX* scratch, const std::string& list, bool pre_shared_keys) {
  if (pre_shared_keys) {
    // Without one OpenSSL takes all that need a key for unusable. It is never called.
    SSL_CTX_set_psk_client_callback(scratch,
                                    [](SSL*, const char*, char*, unsigned, unsigned char*, unsigned) { return 0U; });
  }
  SSL_CTX_set_security_level(scratch, 2);
  SSL_CTX_set_min_proto_version(scratch, TLS1_2_VERSION);
  SSL_CTX_set_max_proto_version(scratch, TLS1_2_VERSION);
  if (SSL_CTX_set_cipher_list(scratch, list.c_str()) != 1) return false;
  const ssl_ptr ssl{SSL_new(scratch)};
  if (!ssl) return false;
  STACK_OF(SSL_CIPHER)* usable = SSL_get1_supported_ciphers(ssl.get());
  const bool any = sk_SSL_CIPHER_num(usable) > 0;
  sk_SSL_CIPHER_free(usable);
  return any;
}

std::string find_problem_of_ciphers(const std::string& list, bool pre_shared_keys) {
  const ssl_ctx_ptr scratch = new_scratch_context();
  if (!scratch) return "OpenSSL is out of memory";
  for (const std::string& word : split(list, ":,; ")) {
    if (word.empty()) continue;
    if (word.front() == '@') {
      if (word == "@STRENGTH") continue;
      return quoted(word) + " is not allowed: the security level is fixed";
    }
    const bool excludes = word.front() == '!' || word.front() == '-';
    const std::string name = excludes || word.front() == '+' ? word.substr(1) : word;
    if (excludes && std::ranges::find(extinct, name) != extinct.end()) continue;
    if (name.find('@') != std::string::npos) return quoted(word) + " is not allowed: the security level is fixed";
    if (is_tls13_suite(scratch.get(), name)) {
      return quoted(name) + " is a cipher suite of TLS 1.3: it belongs in ciphersuites";
    }
    if (name.empty() || SSL_CTX_set_cipher_list(scratch.get(), name.c_str()) != 1) {
      return quoted(word) + " is unknown to OpenSSL, or stands for no cipher that it has";
    }
  }
  if (!leaves_a_usable_cipher(scratch.get(), list, pre_shared_keys)) {
    return quoted(list) + " leaves no cipher for TLS 1.2 that is strong enough (security level 2)";
  }
  return {};
}

std::string find_problem_of_ciphersuites(const std::string& list) {
  const ssl_ctx_ptr scratch = new_scratch_context();
  if (!scratch) return "OpenSSL is out of memory";
  for (const std::string& name : split(list, ":")) {
    if (!is_tls13_suite(scratch.get(), name)) return quoted(name) + " is not a cipher suite of TLS 1.3";
  }
  return {};
}

bool has_group(SSL_CTX* scratch, const std::string& name) {
  return !name.empty() && SSL_CTX_set1_groups_list(scratch, name.c_str()) == 1;
}

// Whatever its case, as newer versions of OpenSSL take the names of groups.
bool is_post_quantum(const std::string& name) {
  return std::ranges::any_of(post_quantum_groups, [&](std::string_view known) {
    return name.size() == known.size() && OPENSSL_strncasecmp(name.data(), known.data(), known.size()) == 0;
  });
}

std::string find_problem_of_groups(const std::string& list) {
  const ssl_ctx_ptr scratch = new_scratch_context();
  if (!scratch) return "OpenSSL is out of memory";
  const std::vector<std::string> names = split(list, ":");
  bool any = false;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const bool is_there = has_group(scratch.get(), names[i]);
    any = any || is_there;
    if (!is_there && !is_post_quantum(names[i])) {
      return quoted(names[i]) + " is not a key exchange group that OpenSSL knows";
    }
    if (std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), names[i]) !=
        names.begin() + static_cast<std::ptrdiff_t>(i)) {
      return quoted(names[i]) + " is named twice";
    }
  }
  if (!any) return quoted(list) + " leaves no group: this OpenSSL has none of them";
  return {};
}

}  // namespace

std::string problem_of_ciphers(const std::string& list, bool pre_shared_keys) {
  std::string problem = find_problem_of_ciphers(list, pre_shared_keys);
  ERR_clear_error();
  return problem;
}

std::string problem_of_ciphersuites(const std::string& list) {
  std::string problem = find_problem_of_ciphersuites(list);
  ERR_clear_error();
  return problem;
}

std::string problem_of_groups(const std::string& list) {
  std::string problem = find_problem_of_groups(list);
  ERR_clear_error();
  return problem;
}

usable_groups usable_groups_of(const std::string& list) {
  const ssl_ctx_ptr scratch = new_scratch_context();
  if (!scratch) throw std::bad_alloc();
  usable_groups usable;
  for (const std::string& name : split(list, ":")) {
    if (!has_group(scratch.get(), name) && is_post_quantum(name)) {
      usable.missing.push_back(name);
    } else {
      usable.list += (usable.list.empty() ? "" : ":") + name;
    }
  }
  ERR_clear_error();
  return usable;
}

}  // namespace sallyport::detail
