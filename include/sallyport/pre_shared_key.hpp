// pre_shared_key: keys that a client and the server have agreed on beforehand, instead of certificates.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_PRE_SHARED_KEY_HPP
#define SALLYPORT_PRE_SHARED_KEY_HPP

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sallyport {

/// The hash that an external pre-shared key of TLS 1.3 is bound to (RFC 8446 section 4.2.11); it decides which cipher
/// suites can be used with it. TLS 1.2 doesn't know it.
enum class pre_shared_key_hash { sha256, sha384 };

/// A key; its bytes are wiped when it goes.
class pre_shared_key {
 public:
  pre_shared_key() noexcept = default;
  explicit pre_shared_key(std::span<const std::byte> key, pre_shared_key_hash hash = pre_shared_key_hash::sha256);
  pre_shared_key(pre_shared_key&& other) noexcept;
  pre_shared_key& operator=(pre_shared_key&& other) noexcept;
  ~pre_shared_key();

  bool empty() const noexcept { return bytes_.empty(); }
  std::span<const std::byte> bytes() const noexcept { return bytes_; }
  pre_shared_key_hash hash() const noexcept { return hash_; }

  /// In bytes; OpenSSL takes no longer ones.
  static constexpr std::size_t max_size = 512;

 private:
  std::vector<std::byte> bytes_;
  pre_shared_key_hash hash_ = pre_shared_key_hash::sha256;
};

/// What ssl_server::pre_shared_key_authentication_required asks its slot to fill in (QSslPreSharedKeyAuthenticator).
///
/// With no key set the client is refused, in the same way and after the same time as one whose key is wrong:
/// strangers can't find out which identities exist.
class ssl_pre_shared_key_authenticator {
 public:
  ssl_pre_shared_key_authenticator(std::string identity, std::string identity_hint)
      : identity_(std::move(identity)), identity_hint_(std::move(identity_hint)) {}

  /// Who the client says it is: bytes that the client chose, 1 to 65535 of them in TLS 1.3. Anything may be in them.
  const std::string& identity() const noexcept { return identity_; }
  /// ssl_configuration::pre_shared_key_identity_hint (TLS 1.2 sends it; TLS 1.3 has none).
  const std::string& identity_hint() const noexcept { return identity_hint_; }
  /// In bytes.
  std::size_t maximum_pre_shared_key_length() const noexcept { return pre_shared_key::max_size; }

  /// False, and no key is set (nor an earlier one kept), if the key is empty or longer than the maximum: a key cut
  /// short would be another one.
  bool set_pre_shared_key(pre_shared_key key) noexcept;
  bool set_pre_shared_key(std::span<const std::byte> key, pre_shared_key_hash hash = pre_shared_key_hash::sha256) {
    // One that is too long isn't even copied.
    return set_pre_shared_key(key.size() <= pre_shared_key::max_size ? pre_shared_key(key, hash) : pre_shared_key());
  }
  bool has_pre_shared_key() const noexcept { return !key_.empty(); }

  /// For the library's own use.
  pre_shared_key take_pre_shared_key() noexcept { return std::exchange(key_, {}); }

 private:
  std::string identity_;
  std::string identity_hint_;
  pre_shared_key key_;
};

}  // namespace sallyport

#endif
