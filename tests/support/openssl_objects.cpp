// openssl_objects: see openssl_objects.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "openssl_objects.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <stdexcept>

namespace sallyport::test {

namespace {

int no_passphrase(char*, int, int, void*) { return -1; }

}  // namespace

void require(bool ok, const char* what) {
  if (ok) return;
  const char* reason = ERR_reason_error_string(ERR_get_error());
  ERR_clear_error();
  throw std::runtime_error(std::string(what) + ": " + (reason != nullptr ? reason : "failed"));
}

bio_ptr new_bio(const std::string& contents) {
  bio_ptr bio{BIO_new(BIO_s_mem())};
  const int size = static_cast<int>(contents.size());
  require(bio && BIO_write(bio.get(), contents.data(), size) == size, "BIO_new");
  return bio;
}

std::string contents_of(const bio_ptr& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

x509_ptr parse_certificate(const std::string& pem) {
  x509_ptr certificate{PEM_read_bio_X509(new_bio(pem).get(), nullptr, no_passphrase, nullptr)};
  require(certificate != nullptr, "parse certificate");
  return certificate;
}

pkey_ptr parse_key(const std::string& pem) {
  pkey_ptr key{PEM_read_bio_PrivateKey(new_bio(pem).get(), nullptr, no_passphrase, nullptr)};
  require(key != nullptr, "parse key");
  return key;
}

}  // namespace sallyport::test
