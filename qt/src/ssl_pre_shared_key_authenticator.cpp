// ssl_pre_shared_key_authenticator: see ssl_pre_shared_key_authenticator.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/qt/ssl_pre_shared_key_authenticator.hpp>

#include <utility>

namespace sallyport::qt {

void SslPreSharedKeyAuthenticator::swap(SslPreSharedKeyAuthenticator& other) noexcept {
  identity_hint_.swap(other.identity_hint_);
  identity_.swap(other.identity_);
  pre_shared_key_.swap(other.pre_shared_key_);
  std::swap(hash_, other.hash_);
  std::swap(maximum_identity_length_, other.maximum_identity_length_);
  std::swap(maximum_pre_shared_key_length_, other.maximum_pre_shared_key_length_);
}

}  // namespace sallyport::qt
