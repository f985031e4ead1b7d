// record_sealer: encrypts records that OpenSSL's client would never send.
//
// SPDX-License-Identifier: Apache-2.0
#include "record_sealer.hpp"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <array>
#include <memory>
#include <stdexcept>

namespace sallyport::test {
namespace {

constexpr std::size_t key_size = 16;
constexpr std::size_t tag_size = 16;

void require(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(std::string("record_sealer: ") + what + " failed");
}

OSSL_PARAM octets(const char* name, std::string& value) {
  return OSSL_PARAM_construct_octet_string(name, value.data(), value.size());
}

OSSL_PARAM text(const char* name, std::string& value) {
  return OSSL_PARAM_construct_utf8_string(name, value.data(), 0);
}

std::string derive(const char* function, const OSSL_PARAM* parameters, std::size_t size) {
  const std::unique_ptr<EVP_KDF, decltype(&EVP_KDF_free)> kdf(EVP_KDF_fetch(nullptr, function, nullptr), EVP_KDF_free);
  const std::unique_ptr<EVP_KDF_CTX, decltype(&EVP_KDF_CTX_free)> context(EVP_KDF_CTX_new(kdf.get()), EVP_KDF_CTX_free);
  std::string derived(size, '\0');
  require(EVP_KDF_derive(context.get(), reinterpret_cast<unsigned char*>(derived.data()), size, parameters) == 1,
          function);
  return derived;
}

// RFC 8446 section 7.1
std::string expand_label(std::string secret, std::string label, std::size_t size) {
  std::string digest = "SHA256";
  std::string prefix = "tls13 ";
  int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
  const std::array<OSSL_PARAM, 6> parameters = {
      text(OSSL_KDF_PARAM_DIGEST, digest), OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
      octets(OSSL_KDF_PARAM_KEY, secret),  octets(OSSL_KDF_PARAM_PREFIX, prefix),
      octets(OSSL_KDF_PARAM_LABEL, label), OSSL_PARAM_construct_end()};
  return derive("TLS13-KDF", parameters.data(), size);
}

// RFC 5246 section 6.3: client and server key, client and server IV
std::string key_block(const SSL* ssl) {
  std::string master(SSL_MAX_MASTER_KEY_LENGTH, '\0');
  master.resize(
      SSL_SESSION_get_master_key(SSL_get_session(ssl), reinterpret_cast<unsigned char*>(master.data()), master.size()));
  std::string seed = "key expansion";
  std::array<unsigned char, SSL3_RANDOM_SIZE> random;
  SSL_get_server_random(ssl, random.data(), random.size());
  seed.append(random.begin(), random.end());
  SSL_get_client_random(ssl, random.data(), random.size());
  seed.append(random.begin(), random.end());
  std::string digest = "SHA256";
  const std::array<OSSL_PARAM, 4> parameters = {text(OSSL_KDF_PARAM_DIGEST, digest),
                                                octets(OSSL_KDF_PARAM_SECRET, master),
                                                octets(OSSL_KDF_PARAM_SEED, seed), OSSL_PARAM_construct_end()};
  return derive("TLS1-PRF", parameters.data(), 2 * key_size + 2 * 4);
}

std::string from_hexadecimal(const std::string& digits) {
  std::string bytes;
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

std::string big_endian(std::uint64_t value, std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[size - 1 - i] = static_cast<char>(value >> (8 * i));
  return bytes;
}

std::string encrypt(const std::string& key, const std::string& nonce, const std::string& additional,
                    const std::string& plaintext) {
  const auto bytes = [](const std::string& from) { return reinterpret_cast<const unsigned char*>(from.data()); };
  const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(EVP_CIPHER_CTX_new(),
                                                                                EVP_CIPHER_CTX_free);
  EVP_CIPHER_CTX* ctx = context.get();
  std::string sealed(plaintext.size() + tag_size, '\0');
  auto* out = reinterpret_cast<unsigned char*>(sealed.data());
  int size = 0;
  require(EVP_EncryptInit_ex2(ctx, EVP_aes_128_gcm(), bytes(key), bytes(nonce), nullptr) == 1 &&
              EVP_EncryptUpdate(ctx, nullptr, &size, bytes(additional), static_cast<int>(additional.size())) == 1 &&
              EVP_EncryptUpdate(ctx, out, &size, bytes(plaintext), static_cast<int>(plaintext.size())) == 1 &&
              EVP_EncryptFinal_ex(ctx, out + plaintext.size(), &size) == 1 &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, tag_size, out + plaintext.size()) == 1,
          "AES-128-GCM");
  return sealed;
}

}  // namespace

record_sealer::record_sealer(const memory_client& client) : tls_1_3_(SSL_version(client.native()) == TLS1_3_VERSION) {
  require(client.connected() && SSL_CIPHER_get_cipher_nid(SSL_get_current_cipher(client.native())) == NID_aes_128_gcm,
          "a handshake with AES-128-GCM");
  if (tls_1_3_) {
    const std::string secret = from_hexadecimal(client.secret("CLIENT_TRAFFIC_SECRET_0"));
    key_ = expand_label(secret, "key", key_size);
    iv_ = expand_label(secret, "iv", 12);
    sequence_number_ = 0;
  } else {
    const std::string block = key_block(client.native());
    key_ = block.substr(0, key_size);
    iv_ = block.substr(2 * key_size, 4);
    sequence_number_ = 1;  // Finished was the first
  }
}

std::string record_sealer::seal(record_type type, std::string_view content) {
  const char outer_type = static_cast<char>(tls_1_3_ ? record_type::application_data : type);
  const std::string number = big_endian(sequence_number_++, 8);
  std::string plaintext(content);
  if (tls_1_3_) {  // RFC 8446 section 5.2 and 5.3
    plaintext += static_cast<char>(type);
    const std::string header = outer_type + std::string("\x03\x03") + big_endian(plaintext.size() + tag_size, 2);
    std::string nonce = iv_;
    for (std::size_t i = 0; i < number.size(); ++i) nonce[4 + i] = static_cast<char>(nonce[4 + i] ^ number[i]);
    return header + encrypt(key_, nonce, header, plaintext);
  }
  // RFC 5246 section 6.2.3.3, RFC 5288 section 3
  const std::string version = "\x03\x03";
  const std::string additional = number + outer_type + version + big_endian(plaintext.size(), 2);
  return outer_type + version + big_endian(number.size() + plaintext.size() + tag_size, 2) + number +
         encrypt(key_, iv_ + number, additional, plaintext);
}

}  // namespace sallyport::test
