// certificate: an X.509 certificate, to look at.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/certificate.hpp>

#include "asn1_time.hpp"
#include "certificate_data.hpp"
#include "der_encoding.hpp"
#include "pem.hpp"
#include "utf8.hpp"

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>

#include <array>
#include <climits>
#include <new>
#include <span>

#include <arpa/inet.h>

namespace sallyport {

namespace {

using detail::certificate_data;
using detail::general_names_ptr;
using detail::openssl_free;
using detail::x509_ptr;

using openssl_text = std::unique_ptr<char, decltype([](char* text) { OPENSSL_free(text); })>;

// Users look at certificates in slots too, which may run within a handshake: the queue stays as it was, whatever
// happens in this scope.
class queue_mark {
 public:
  queue_mark() noexcept { ERR_set_mark(); }
  queue_mark(const queue_mark&) = delete;
  queue_mark& operator=(const queue_mark&) = delete;
  ~queue_mark() { ERR_pop_to_mark(); }
};

std::string to_hex(std::span<const unsigned char> bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : bytes) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

// The length counts, not a NUL: "good.example\0.evil.example" mustn't come out as "good.example".
std::string text_of(const ASN1_STRING* value) {
  const auto* data = reinterpret_cast<const char*>(ASN1_STRING_get0_data(value));
  return {data, static_cast<std::size_t>(ASN1_STRING_length(value))};
}

// OpenSSL escapes as RFC 4514 says, but what isn't ASCII either wholly or not at all: that is left to us.
std::string text_of(const X509_NAME* name) {
  constexpr unsigned long style = XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB);
  const detail::bio_ptr bio{BIO_new(BIO_s_mem())};
  if (!bio) throw std::bad_alloc();
  if (X509_NAME_print_ex(bio.get(), name, 0, style) < 0) return "an unreadable name";
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return detail::escaped_for_log({data, static_cast<std::size_t>(size)});
}

// "" if it has neither an IPv4 address's length nor an IPv6 one's, and so is no address (RFC 5280 section 4.2.1.6).
std::string address_of(const ASN1_STRING* value) {
  const int length = ASN1_STRING_length(value);
  if (length != 4 && length != 16) return {};
  std::array<char, INET6_ADDRSTRLEN> text;
  const int family = length == 4 ? AF_INET : AF_INET6;
  return ::inet_ntop(family, ASN1_STRING_get0_data(value), text.data(), text.size()) ? text.data() : "";
}

std::vector<std::string> alternative_names(const certificate_data& data, int kind) {
  const queue_mark mark;
  const general_names_ptr names{
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(data.certificate.get(), NID_subject_alt_name, nullptr, nullptr))};
  std::vector<std::string> texts;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {  // -1 names if there is no such extension
    int type = 0;
    const void* value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names.get(), i), &type);
    if (type != kind) continue;
    const auto* string = static_cast<const ASN1_STRING*>(value);
    std::string text = kind == GEN_IPADD ? address_of(string) : text_of(string);
    if (kind != GEN_IPADD || !text.empty()) texts.push_back(std::move(text));
  }
  return texts;
}

error bad_certificate(const std::string& reason) {
  return {configuration_error::bad_certificate, "certificate: " + reason};
}

}  // namespace

certificate detail::certificate_of(X509* shared) {
  auto data = std::make_shared<certificate_data>();
  if (X509_up_ref(shared) != 1) throw std::bad_alloc();
  data->certificate.reset(shared);
  return certificate{std::move(data)};
}

result<certificate> certificate::from_pem(std::string_view pem) {
  auto parsed = detail::certificates_from_pem({.text = pem, .name = "certificate"});
  if (!parsed) return parsed.error();
  auto data = std::make_shared<certificate_data>();
  data->certificate = std::move(parsed->front());
  return certificate{std::move(data)};
}

result<certificate> certificate::from_der(std::span<const std::byte> der) {
  if (der.empty()) return bad_certificate("is empty");
  if (der.size() > INT_MAX) return bad_certificate("is larger than 2 GiB");
  const std::string_view text{reinterpret_cast<const char*>(der.data()), der.size()};
  if (text.starts_with("-----BEGIN")) return bad_certificate("is PEM, not DER");

  ERR_clear_error();
  const auto* in = reinterpret_cast<const unsigned char*>(der.data());
  const unsigned char* end = in + der.size();
  auto data = std::make_shared<certificate_data>();
  data->certificate.reset(d2i_X509(nullptr, &in, static_cast<long>(der.size())));
  // The flag: extensions that contradict each other. Asking for it also makes OpenSSL decode them now, and not when
  // threads share the certificate.
  if (!data->certificate || (X509_get_extension_flags(data->certificate.get()) & EXFLAG_INVALID) != 0) {
    const std::string reason = detail::take_openssl_error();
    return bad_certificate("doesn't parse" + (reason.empty() ? "" : " (" + reason + ")"));
  }
  ERR_clear_error();
  if (in != end) return bad_certificate("has " + std::to_string(end - in) + " more bytes after its end");
  return certificate{std::move(data)};
}

std::string certificate::subject() const {
  const queue_mark mark;
  return text_of(X509_get_subject_name(data_->certificate.get()));
}

std::string certificate::issuer() const {
  const queue_mark mark;
  return text_of(X509_get_issuer_name(data_->certificate.get()));
}

std::string certificate::common_name() const {
  const queue_mark mark;
  const X509_NAME* name = X509_get_subject_name(data_->certificate.get());
  int last = -1;
  for (int i = -1; (i = X509_NAME_get_index_by_NID(name, NID_commonName, i)) >= 0;) last = i;
  if (last < 0) return {};
  unsigned char* text = nullptr;
  const int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, last)));
  if (size < 0) return {};
  const openssl_text owned{reinterpret_cast<char*>(text)};
  return {owned.get(), static_cast<std::size_t>(size)};
}

std::string certificate::serial_number() const {
  const queue_mark mark;
  const std::unique_ptr<BIGNUM, openssl_free<BN_free>> number{
      ASN1_INTEGER_to_BN(X509_get0_serialNumber(data_->certificate.get()), nullptr)};
  if (!number) throw std::bad_alloc();
  if (BN_is_zero(number.get())) return "00";  // BN_bn2hex makes "0", and two digits of every other byte
  const openssl_text text{BN_bn2hex(number.get())};
  if (!text) throw std::bad_alloc();
  return text.get();
}

// A certificate whose dates can't be read is never valid.
std::chrono::system_clock::time_point certificate::not_before() const {
  return detail::time_of(X509_get0_notBefore(data_->certificate.get()))
      .value_or(std::chrono::system_clock::time_point::max());
}

std::chrono::system_clock::time_point certificate::not_after() const {
  return detail::time_of(X509_get0_notAfter(data_->certificate.get()))
      .value_or(std::chrono::system_clock::time_point::min());
}

std::vector<std::string> certificate::dns_names() const { return alternative_names(*data_, GEN_DNS); }

std::vector<std::string> certificate::ip_addresses() const { return alternative_names(*data_, GEN_IPADD); }

std::vector<std::string> certificate::uris() const { return alternative_names(*data_, GEN_URI); }

std::vector<std::string> certificate::email_addresses() const { return alternative_names(*data_, GEN_EMAIL); }

std::string certificate::key_type() const {
  const queue_mark untouched;
  EVP_PKEY* key = X509_get0_pubkey(data_->certificate.get());
  const char* name = key == nullptr ? nullptr : EVP_PKEY_get0_type_name(key);
  if (name == nullptr) return {};
  const std::string type = name;
  if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC) {
    std::array<char, 64> group{};
    if (EVP_PKEY_get_group_name(key, group.data(), group.size(), nullptr) != 1) return type;
    const char* nist = EC_curve_nid2nist(OBJ_txt2nid(group.data()));
    return type + " " + (nist != nullptr ? nist : group.data());
  }
  if (type.starts_with("RSA")) return type + " " + std::to_string(EVP_PKEY_get_bits(key));
  return type;
}

std::string certificate::sha256_fingerprint() const {
  const queue_mark mark;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  if (X509_digest(data_->certificate.get(), EVP_sha256(), digest.data(), &size) != 1) throw std::bad_alloc();
  return to_hex(std::span{digest}.first(size));
}

std::string certificate::pem() const {
  const queue_mark mark;
  std::string text = detail::to_pem(*data_->certificate);
  if (text.empty()) throw std::bad_alloc();
  return text;
}

std::vector<std::byte> certificate::der() const {
  const queue_mark mark;
  const detail::der_encoding encoded(data_->certificate.get());
  const auto bytes = std::as_bytes(std::span(encoded.bytes()));
  if (bytes.empty()) throw std::bad_alloc();
  return {bytes.begin(), bytes.end()};
}

// Not X509_cmp: a user says with it which certificate's errors don't matter, and X509_cmp compares by SHA-1 all that
// isn't signed. A failure (out of memory) is a difference.
bool operator==(const certificate& one, const certificate& other) noexcept {
  const X509* first = one.data_->certificate.get();
  const X509* second = other.data_->certificate.get();
  if (first == second) return true;
  const queue_mark mark;
  const detail::der_encoding left(first);
  const detail::der_encoding right(second);
  return !left.bytes().empty() && left.bytes() == right.bytes();
}

}  // namespace sallyport
