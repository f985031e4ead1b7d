// SslPreSharedKeyAuthenticator: what a slot fills in when the other side wants a pre-shared key.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_QT_SSL_PRE_SHARED_KEY_AUTHENTICATOR_HPP
#define SALLYPORT_QT_SSL_PRE_SHARED_KEY_AUTHENTICATOR_HPP

#include <sallyport/qt/export.hpp>

#include <sallyport/pre_shared_key.hpp>

#include <QtCore/QByteArray>

namespace sallyport::qt {

/// QSslPreSharedKeyAuthenticator, whose hint and limits no public function of Qt could set. A value.
class SALLYPORT_QT_EXPORT SslPreSharedKeyAuthenticator {
 public:
  /// Of no connection: all empty, the limits are 0.
  SslPreSharedKeyAuthenticator() = default;

  /// Clients: the server's hint (TLS 1.2). Servers: their own.
  QByteArray identityHint() const { return identity_hint_; }

  /// Servers: who the client says it is; bytes that it chose. Clients set it; one longer than maximumIdentityLength()
  /// is cut, as with Qt.
  QByteArray identity() const { return identity_; }
  void setIdentity(const QByteArray& identity) { identity_ = identity; }
  /// In bytes; 0 on servers.
  int maximumIdentityLength() const { return maximum_identity_length_; }

  /// One longer than maximumPreSharedKeyLength() is no key (with Qt it would be cut, which makes another key of it).
  /// Empty: the handshake fails in the same way as with a wrong key.
  QByteArray preSharedKey() const { return pre_shared_key_; }
  void setPreSharedKey(const QByteArray& preSharedKey) { pre_shared_key_ = preSharedKey; }
  /// In bytes.
  int maximumPreSharedKeyLength() const { return maximum_pre_shared_key_length_; }

  /// What a key of TLS 1.3 is bound to; TLS 1.2 doesn't know it. Default SHA-256.
  pre_shared_key_hash hash() const { return hash_; }
  void setHash(pre_shared_key_hash hash) { hash_ = hash; }

  void swap(SslPreSharedKeyAuthenticator& other) noexcept;

  friend bool operator==(const SslPreSharedKeyAuthenticator& one, const SslPreSharedKeyAuthenticator& other) = default;

 private:
  friend struct SslSocketPrivate;

  QByteArray identity_hint_;
  QByteArray identity_;
  QByteArray pre_shared_key_;
  pre_shared_key_hash hash_ = pre_shared_key_hash::sha256;
  int maximum_identity_length_ = 0;
  int maximum_pre_shared_key_length_ = 0;
};

}  // namespace sallyport::qt

#endif
