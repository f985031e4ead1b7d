// registry_names: the tables.
//
// SPDX-License-Identifier: Apache-2.0
#include "registry_names.hpp"

#include "openssl.hpp"

#include <array>
#include <span>
#include <string_view>

namespace sallyport::detail {
namespace {

struct entry {
  std::uint16_t number;
  std::string_view name;
};

// Versions as OpenSSL, and so everybody's commands, write them.
constexpr std::array known_versions{
    entry{0x0002, "SSLv2"},   entry{0x0300, "SSLv3"},   entry{0x0301, "TLSv1"},
    entry{0x0302, "TLSv1.1"}, entry{0x0303, "TLSv1.2"}, entry{0x0304, "TLSv1.3"},
};

// What the oldest clients offer, and OpenSSL is usually built without.
constexpr std::array extinct_cipher_suites{
    entry{0x0004, "TLS_RSA_WITH_RC4_128_MD5"},          entry{0x0005, "TLS_RSA_WITH_RC4_128_SHA"},
    entry{0x0009, "TLS_RSA_WITH_DES_CBC_SHA"},          entry{0x000a, "TLS_RSA_WITH_3DES_EDE_CBC_SHA"},
    entry{0x0013, "TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA"}, entry{0x0016, "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA"},
    entry{0xc007, "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA"},  entry{0xc008, "TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA"},
    entry{0xc011, "TLS_ECDHE_RSA_WITH_RC4_128_SHA"},    entry{0xc012, "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA"},
};

// NIST's curves as ssl_configuration::groups and the documentation of most programs write them.
constexpr std::array known_groups{
    entry{0x0013, "P-192"},
    entry{0x0015, "P-224"},
    entry{0x0016, "secp256k1"},
    entry{0x0017, "P-256"},
    entry{0x0018, "P-384"},
    entry{0x0019, "P-521"},
    entry{0x001a, "brainpoolP256r1"},
    entry{0x001b, "brainpoolP384r1"},
    entry{0x001c, "brainpoolP512r1"},
    entry{0x001d, "X25519"},
    entry{0x001e, "X448"},
    entry{0x001f, "brainpoolP256r1tls13"},
    entry{0x0020, "brainpoolP384r1tls13"},
    entry{0x0021, "brainpoolP512r1tls13"},
    entry{0x0029, "curveSM2"},
    entry{0x0100, "ffdhe2048"},
    entry{0x0101, "ffdhe3072"},
    entry{0x0102, "ffdhe4096"},
    entry{0x0103, "ffdhe6144"},
    entry{0x0104, "ffdhe8192"},
    entry{0x0200, "MLKEM512"},
    entry{0x0201, "MLKEM768"},
    entry{0x0202, "MLKEM1024"},
    entry{0x11eb, "SecP256r1MLKEM768"},
    entry{0x11ec, "X25519MLKEM768"},
    entry{0x11ed, "SecP384r1MLKEM1024"},
    entry{0x6399, "X25519Kyber768Draft00"},
    entry{0x639a, "SecP256r1Kyber768Draft00"},
};

// RFC 8446 section 4.2.3, and those of TLS 1.2 (hash and signature) named in the same way.
constexpr std::array known_signature_algorithms{
    entry{0x0101, "rsa_pkcs1_md5"},
    entry{0x0201, "rsa_pkcs1_sha1"},
    entry{0x0202, "dsa_sha1"},
    entry{0x0203, "ecdsa_sha1"},
    entry{0x0301, "rsa_pkcs1_sha224"},
    entry{0x0302, "dsa_sha224"},
    entry{0x0303, "ecdsa_sha224"},
    entry{0x0401, "rsa_pkcs1_sha256"},
    entry{0x0402, "dsa_sha256"},
    entry{0x0403, "ecdsa_secp256r1_sha256"},
    entry{0x0501, "rsa_pkcs1_sha384"},
    entry{0x0502, "dsa_sha384"},
    entry{0x0503, "ecdsa_secp384r1_sha384"},
    entry{0x0601, "rsa_pkcs1_sha512"},
    entry{0x0602, "dsa_sha512"},
    entry{0x0603, "ecdsa_secp521r1_sha512"},
    entry{0x0804, "rsa_pss_rsae_sha256"},
    entry{0x0805, "rsa_pss_rsae_sha384"},
    entry{0x0806, "rsa_pss_rsae_sha512"},
    entry{0x0807, "ed25519"},
    entry{0x0808, "ed448"},
    entry{0x0809, "rsa_pss_pss_sha256"},
    entry{0x080a, "rsa_pss_pss_sha384"},
    entry{0x080b, "rsa_pss_pss_sha512"},
    entry{0x081a, "ecdsa_brainpoolP256r1tls13_sha256"},
    entry{0x081b, "ecdsa_brainpoolP384r1tls13_sha384"},
    entry{0x081c, "ecdsa_brainpoolP512r1tls13_sha512"},
    entry{0x0904, "mldsa44"},
    entry{0x0905, "mldsa65"},
    entry{0x0906, "mldsa87"},
};

std::string in_hexadecimal(std::uint16_t number) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text = "0x";
  for (int shift = 12; shift >= 0; shift -= 4) text += digits[(number >> shift) & 0xfu];
  return text;
}

std::string name_in(std::span<const entry> table, std::uint16_t number) {
  for (const entry& each : table) {
    if (each.number == number) return std::string(each.name);
  }
  return in_hexadecimal(number);
}

// OpenSSL looks a cipher up for an SSL alone, though the answer is the same for all. This one is made at the first
// call and never changed, so that threads can share it; null when there was no memory for it.
SSL* any_ssl() {
  static const ssl_ptr ssl = [] {
    ERR_set_mark();
    const ssl_ctx_ptr ctx{SSL_CTX_new(TLS_server_method())};
    ssl_ptr made{ctx ? SSL_new(ctx.get()) : nullptr};
    ERR_pop_to_mark();
    return made;
  }();
  return ssl.get();
}

}  // namespace

std::string version_name(std::uint16_t number) { return name_in(known_versions, number); }

std::string cipher_suite_name(std::uint16_t number) {
  const unsigned char bytes[] = {static_cast<unsigned char>(number >> 8), static_cast<unsigned char>(number)};
  SSL* ssl = any_ssl();
  const SSL_CIPHER* cipher = ssl ? SSL_CIPHER_find(ssl, bytes) : nullptr;
  const char* name = cipher ? SSL_CIPHER_standard_name(cipher) : nullptr;
  return name ? name : name_in(extinct_cipher_suites, number);
}

std::string group_name(std::uint16_t number) { return name_in(known_groups, number); }

std::string signature_algorithm_name(std::uint16_t number) { return name_in(known_signature_algorithms, number); }

}  // namespace sallyport::detail
