// pre_shared_key: keys that a client and the server have agreed on beforehand, instead of certificates.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/pre_shared_key.hpp>

#include <openssl/crypto.h>

namespace sallyport {

namespace {

void wipe(std::vector<std::byte>& bytes) noexcept {
  OPENSSL_cleanse(bytes.data(), bytes.size());
  bytes.clear();
}

}  // namespace

pre_shared_key::pre_shared_key(std::span<const std::byte> key, pre_shared_key_hash hash)
    : bytes_(key.begin(), key.end()), hash_(hash) {}

// A vector hands its memory over: no copy stays behind.
pre_shared_key::pre_shared_key(pre_shared_key&& other) noexcept
    : bytes_(std::exchange(other.bytes_, {})), hash_(other.hash_) {}

pre_shared_key& pre_shared_key::operator=(pre_shared_key&& other) noexcept {
  if (this == &other) return *this;
  wipe(bytes_);
  bytes_ = std::exchange(other.bytes_, {});
  hash_ = other.hash_;
  return *this;
}

pre_shared_key::~pre_shared_key() { wipe(bytes_); }

bool ssl_pre_shared_key_authenticator::set_pre_shared_key(pre_shared_key key) noexcept {
  const bool usable = !key.empty() && key.bytes().size() <= pre_shared_key::max_size;
  key_ = usable ? std::move(key) : pre_shared_key();
  return usable;
}

}  // namespace sallyport
