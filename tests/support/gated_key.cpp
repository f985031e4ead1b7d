// gated_key: a private key whose signatures wait until they are let go.
//
// SPDX-License-Identifier: Apache-2.0
#define OPENSSL_SUPPRESS_DEPRECATED  // a provider of its own would be OpenSSL 3's way, and much longer
#include "gated_key.hpp"

#include "tls/identity_data.hpp"

#include <openssl/ec.h>
#include <openssl/evp.h>

#include <chrono>
#include <stdexcept>

namespace sallyport::test {
namespace {

constexpr std::chrono::seconds patience{30};

using sign_function = int (*)(int, const unsigned char*, int, unsigned char*, unsigned*, const BIGNUM*, const BIGNUM*,
                              EC_KEY*);

int key_index() {
  static const int index = EC_KEY_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

int sign(int type, const unsigned char* digest, int digest_size, unsigned char* signature, unsigned* signature_size,
         const BIGNUM* inverse, const BIGNUM* r, EC_KEY* key) {
  if (!static_cast<gated_key*>(EC_KEY_get_ex_data(key, key_index()))->pass()) return 0;
  sign_function by_openssl = nullptr;
  EC_KEY_METHOD_get_sign(EC_KEY_OpenSSL(), &by_openssl, nullptr, nullptr);
  return by_openssl(type, digest, digest_size, signature, signature_size, inverse, r, key);
}

EC_KEY_METHOD* make_method() {
  EC_KEY_METHOD* const method = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
  int (*setup)(EC_KEY*, BN_CTX*, BIGNUM**, BIGNUM**) = nullptr;
  ECDSA_SIG* (*sign_sig)(const unsigned char*, int, const BIGNUM*, const BIGNUM*, EC_KEY*) = nullptr;
  EC_KEY_METHOD_get_sign(method, nullptr, &setup, &sign_sig);
  EC_KEY_METHOD_set_sign(method, sign, setup, sign_sig);
  return method;
}

}  // namespace

identity gated_key::guard(const credentials& both) {
  static EC_KEY_METHOD* const method = make_method();
  identity made = identity::from_pem(both.certificate, both.key).value();
  EVP_PKEY* const key = made.data().key.get();
  // The same key with a method of ours, in the same EVP_PKEY.
  EC_KEY* const ours = EVP_PKEY_get1_EC_KEY(key);
  if (ours == nullptr || EC_KEY_set_method(ours, method) != 1 || EC_KEY_set_ex_data(ours, key_index(), this) != 1 ||
      EVP_PKEY_set1_EC_KEY(key, ours) != 1) {
    throw std::runtime_error("gated_key: not an EC key");
  }
  EC_KEY_free(ours);
  return made;
}

void gated_key::let_all_go() {
  const std::lock_guard lock(mutex_);
  is_open_ = true;
  changed_.notify_all();
}

void gated_key::let_go(int signatures) {
  const std::lock_guard lock(mutex_);
  may_pass_ += signatures;
  changed_.notify_all();
}

int gated_key::begun() const {
  const std::lock_guard lock(mutex_);
  return begun_;
}

int gated_key::done() const {
  const std::lock_guard lock(mutex_);
  return done_;
}

std::set<std::thread::id> gated_key::threads() const {
  const std::lock_guard lock(mutex_);
  return threads_;
}

void gated_key::wait_until_begun(int signatures) const {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, patience, [&] { return begun_ >= signatures; }))
    throw std::runtime_error("waited in vain for a signature to begin");
}

bool gated_key::pass() {
  std::unique_lock lock(mutex_);
  ++begun_;
  threads_.insert(std::this_thread::get_id());
  changed_.notify_all();
  if (!changed_.wait_for(lock, patience, [this] { return is_open_ || may_pass_ > 0; })) return false;
  if (!is_open_) --may_pass_;
  ++done_;
  changed_.notify_all();
  lock.unlock();
  return !on_signature || on_signature();
}

}  // namespace sallyport::test
