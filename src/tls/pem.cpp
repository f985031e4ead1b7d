// pem: certificates, revocation lists and private keys, from text.
//
// SPDX-License-Identifier: Apache-2.0
#include "pem.hpp"

#include "file_contents.hpp"
#include "printable.hpp"

#include <openssl/crypto.h>
#include <openssl/decoder.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstring>
#include <span>
#include <utility>

namespace sallyport::detail {

namespace {

using x509_sig_ptr = std::unique_ptr<X509_SIG, openssl_free<X509_SIG_free>>;
using pkcs8_ptr = std::unique_ptr<PKCS8_PRIV_KEY_INFO, openssl_free<PKCS8_PRIV_KEY_INFO_free>>;
using decoder_ptr = std::unique_ptr<OSSL_DECODER_CTX, openssl_free<OSSL_DECODER_CTX_free>>;
using pkcs12_ptr = std::unique_ptr<PKCS12, openssl_free<PKCS12_free>>;

// ---- PEM blocks ----

/// What is looked for in a text, and how it is refused.
struct block_kind {
  std::string_view label;
  configuration_error none_at_all;  ///< the text isn't PEM
  configuration_error only_others;  ///< none of its blocks is one
  configuration_error damaged;
  const char* convert_from_der;
};

constexpr block_kind certificate_block{"CERTIFICATE", configuration_error::not_pem, configuration_error::no_certificate,
                                       configuration_error::bad_certificate, "openssl x509 -inform der -in "};
constexpr block_kind private_key_block{"PRIVATE KEY", configuration_error::not_pem, configuration_error::no_private_key,
                                       configuration_error::bad_private_key, "openssl pkey -inform der -in "};
constexpr block_kind revocation_list_block{"X509 CRL", configuration_error::bad_revocation_list,
                                           configuration_error::bad_revocation_list,
                                           configuration_error::bad_revocation_list, "openssl crl -inform der -in "};

struct pem_block {
  std::string label;                ///< "RSA PRIVATE KEY"
  std::string header;               ///< RFC 1421's, such as "Proc-Type: 4,ENCRYPTED"; empty for most
  std::vector<unsigned char> data;  ///< decoded, maybe still encrypted

  pem_block() = default;
  pem_block(pem_block&&) = default;
  pem_block& operator=(pem_block&&) = default;
  ~pem_block() { OPENSSL_cleanse(data.data(), data.size()); }

  bool is(const block_kind& kind) const {
    if (label == kind.label) return true;
    if (&kind == &certificate_block) return label == "X509 CERTIFICATE";
    if (&kind != &private_key_block) return false;
    return label == "ENCRYPTED PRIVATE KEY" || label == "RSA PRIVATE KEY" || label == "EC PRIVATE KEY";
  }
};

struct pem_blocks {
  std::vector<pem_block> blocks;
  std::string damage;  ///< why reading stopped before the end of the text; empty if it didn't
};

// PEM_read_bio only decodes: it neither decrypts nor asks for a passphrase.
pem_blocks read_blocks(std::string_view text) {
  pem_blocks found;
  ERR_clear_error();
  const bio_ptr bio{BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))};
  while (bio) {
    char* label = nullptr;
    char* header = nullptr;
    unsigned char* data = nullptr;
    long size = 0;
    if (PEM_read_bio(bio.get(), &label, &header, &data, &size) != 1) break;
    pem_block block;
    block.label = label;
    block.header = header;
    block.data.assign(data, data + size);
    OPENSSL_free(label);
    OPENSSL_free(header);
    OPENSSL_clear_free(data, static_cast<std::size_t>(size));
    found.blocks.push_back(std::move(block));
  }
  const unsigned long last = ERR_peek_last_error();
  const bool at_end = ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
  std::string reason = take_openssl_error();
  if (!at_end) found.damage = reason.empty() ? "out of memory" : std::move(reason);
  return found;
}

// "2 CERTIFICATE, 1 PRIVATE KEY": what a text holds instead of what was looked for.
std::string inventory(std::span<const pem_block> blocks) {
  constexpr std::size_t most_labels = 4;
  const auto is_plain = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ' '; };
  std::vector<std::pair<std::string, std::size_t>> counts;
  for (const pem_block& block : blocks) {
    // The label is whatever the file says: nothing else than a plain one belongs in a log line.
    const std::string label = std::ranges::all_of(block.label, is_plain) ? block.label : "unknown";
    const auto known = std::ranges::find(counts, label, &std::pair<std::string, std::size_t>::first);
    if (known != counts.end()) {
      ++known->second;
    } else {
      counts.emplace_back(label, 1);
    }
  }
  std::string text;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (i > 0) text += ", ";
    if (i == most_labels) return text + "and others";
    text += std::to_string(counts[i].second) + " " + counts[i].first;
  }
  return text;
}

// True if the text is one ASN.1 SEQUENCE from its first byte to its last.
bool is_der(std::string_view text) {
  const auto* begin = reinterpret_cast<const unsigned char*>(text.data());
  const unsigned char* in = begin;
  long length = 0;
  int tag = 0;
  int tag_class = 0;
  ERR_clear_error();
  const int form = ASN1_get_object(&in, &length, &tag, &tag_class, static_cast<long>(text.size()));
  ERR_clear_error();
  return (form & 0x80) == 0 && tag == V_ASN1_SEQUENCE && tag_class == V_ASN1_UNIVERSAL &&
         in + length == begin + text.size();
}

bool is_pkcs12(std::string_view text) {
  const auto* in = reinterpret_cast<const unsigned char*>(text.data());
  const pkcs12_ptr parsed{d2i_PKCS12(nullptr, &in, static_cast<long>(text.size()))};
  ERR_clear_error();
  return parsed != nullptr;
}

// Why a text without a single PEM block isn't what was wanted.
std::string explain_not_pem(const named_text& source, const block_kind& kind) {
  if (source.text.find_first_not_of(" \t\r\n") == std::string_view::npos) return "is empty";
  std::string command;
  std::string format;
  if (is_pkcs12(source.text)) {
    format = "PKCS#12";
    command = "openssl pkcs12 -in ";
  } else if (is_der(source.text)) {
    format = "DER";
    command = kind.convert_from_der;
  } else {
    return "is not PEM: it has no -----BEGIN line";
  }
  return "is " + format + ", not PEM" + (source.is_file ? "; convert it with: " + command + source.name : "");
}

// The blocks of one kind, at least one. A damaged block of any kind refuses the whole text: what comes after it
// can't be known.
result<std::vector<pem_block>> find_blocks(const named_text& source, const block_kind& kind) {
  const auto refuse = [&](configuration_error why, const std::string& reason) {
    return error{why, source.name + ": " + reason};
  };
  if (source.text.size() > INT_MAX) return refuse(configuration_error::file_too_large, "is larger than 2 GiB");

  // Some editors on Windows start a file with a byte order mark, which would hide the first block.
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  const std::size_t start = source.text.starts_with(byte_order_mark) ? byte_order_mark.size() : 0;
  pem_blocks found = read_blocks(source.text.substr(start));
  if (!found.damage.empty()) {
    return refuse(kind.damaged,
                  "PEM block " + std::to_string(found.blocks.size() + 1) + " is damaged (" + found.damage + ")");
  }
  if (found.blocks.empty()) return refuse(kind.none_at_all, explain_not_pem(source, kind));

  std::vector<pem_block> wanted;
  for (pem_block& block : found.blocks) {
    if (block.is(kind)) wanted.push_back(std::move(block));
  }
  if (wanted.empty()) {
    return refuse(kind.only_others, "no " + std::string(kind.label) + " block (found " + inventory(found.blocks) + ")");
  }
  return wanted;
}

// ---- private keys ----

error wrong_key_passphrase(const std::string& name) {
  return {configuration_error::wrong_passphrase, name + ": wrong passphrase"};
}

error cannot_decrypt(const std::string& name) {
  const std::string reason = take_unsupported_error();
  if (reason.empty()) return wrong_key_passphrase(name);
  return {configuration_error::bad_private_key, name + ": this OpenSSL can't decrypt the private key (" + reason + ")"};
}

error bad_key(const std::string& name) {
  const std::string reason = take_openssl_error();
  return {configuration_error::bad_private_key,
          name + ": the private key doesn't parse" + (reason.empty() ? "" : " (" + reason + ")")};
}

// PEM_do_header's way of asking: hand over what we have. It must be there, or OpenSSL asks on the terminal.
int give_passphrase(char* out, int size, int /*writing*/, void* passphrase) {
  const std::string_view text = static_cast<const secret_text*>(passphrase)->view();
  if (text.size() > static_cast<std::size_t>(size)) return -1;
  std::memcpy(out, text.data(), text.size());
  return static_cast<int>(text.size());
}

// EVP_PKCS82PKEY() of OpenSSL 3.0 makes the decoders of all types of keys for every key, which takes longer than to
// decode one whose type is told. Null where OpenSSL has no decoder of that type, or the key has faults.
pkey_ptr decode_of_type(const PKCS8_PRIV_KEY_INFO* parsed, std::span<const unsigned char> der) {
  const ASN1_OBJECT* algorithm = nullptr;
  std::array<char, 80> type{};
  if (PKCS8_pkey_get0(&algorithm, nullptr, nullptr, nullptr, parsed) != 1) return nullptr;
  const int length = OBJ_obj2txt(type.data(), static_cast<int>(type.size()), algorithm, 1);
  if (length <= 0 || static_cast<std::size_t>(length) >= type.size()) return nullptr;
  EVP_PKEY* key = nullptr;
  const decoder_ptr decoder{
      OSSL_DECODER_CTX_new_for_pkey(&key, "DER", "PrivateKeyInfo", type.data(), EVP_PKEY_KEYPAIR, nullptr, nullptr)};
  const unsigned char* in = der.data();
  std::size_t size = der.size();
  if (!decoder || OSSL_DECODER_from_data(decoder.get(), &in, &size) != 1) ERR_clear_error();
  return pkey_ptr{key};
}

pkey_ptr parse_pkcs8(const std::vector<unsigned char>& data) {
  const unsigned char* in = data.data();
  const pkcs8_ptr parsed{d2i_PKCS8_PRIV_KEY_INFO(nullptr, &in, static_cast<long>(data.size()))};
  if (!parsed) return nullptr;
  if (pkey_ptr key = decode_of_type(parsed.get(), data)) return key;
  return pkey_ptr{EVP_PKCS82PKEY(parsed.get())};
}

pkey_ptr parse_traditional(const std::string& label, const std::vector<unsigned char>& data) {
  const int type = label == "RSA PRIVATE KEY" ? EVP_PKEY_RSA : EVP_PKEY_EC;
  const unsigned char* in = data.data();
  return pkey_ptr{d2i_PrivateKey(type, nullptr, &in, static_cast<long>(data.size()))};
}

result<pkey_ptr> decrypt_pkcs8(const pem_block& block, const std::string& name, const secret_text& passphrase) {
  const unsigned char* in = block.data.data();
  const x509_sig_ptr encrypted{d2i_X509_SIG(nullptr, &in, static_cast<long>(block.data.size()))};
  if (!encrypted) return bad_key(name);
  const std::string_view text = passphrase.view();
  const pkcs8_ptr decrypted{PKCS8_decrypt(encrypted.get(), text.data(), static_cast<int>(text.size()))};
  if (!decrypted) return cannot_decrypt(name);
  pkey_ptr key{EVP_PKCS82PKEY(decrypted.get())};
  if (!key) return bad_key(name);
  return key;
}

result<pkey_ptr> decrypt_traditional(pem_block& block, const std::string& name, secret_text& passphrase) {
  EVP_CIPHER_INFO cipher{};
  if (PEM_get_EVP_CIPHER_INFO(block.header.data(), &cipher) != 1) return bad_key(name);
  long size = static_cast<long>(block.data.size());
  if (PEM_do_header(&cipher, block.data.data(), &size, give_passphrase, &passphrase) != 1) return cannot_decrypt(name);
  const auto decrypted_size = static_cast<std::size_t>(size);
  OPENSSL_cleanse(block.data.data() + decrypted_size, block.data.size() - decrypted_size);
  block.data.resize(decrypted_size);
  pkey_ptr key = parse_traditional(block.label, block.data);
  // The only check of the passphrase is the padding, which one wrong passphrase in 256 passes. What comes out then
  // is noise.
  if (!key) return wrong_key_passphrase(name);
  return key;
}

}  // namespace

result<std::vector<x509_ptr>> certificates_from_pem(const named_text& source) {
  auto blocks = find_blocks(source, certificate_block);
  if (!blocks) return blocks.error();
  std::vector<x509_ptr> certificates;
  for (const pem_block& block : *blocks) {
    ERR_clear_error();
    const unsigned char* in = block.data.data();
    x509_ptr certificate{d2i_X509(nullptr, &in, static_cast<long>(block.data.size()))};
    // The second test: bytes after the certificate. The third: extensions that contradict each other; it also makes
    // OpenSSL decode them now, and not when threads share the certificate.
    if (!certificate || in != block.data.data() + block.data.size() ||
        (X509_get_extension_flags(certificate.get()) & EXFLAG_INVALID) != 0) {
      const std::string reason = take_openssl_error();
      return error{configuration_error::bad_certificate,
                   source.name + ": certificate " + std::to_string(certificates.size() + 1) + " doesn't parse" +
                       (reason.empty() ? "" : " (" + reason + ")")};
    }
    certificates.push_back(std::move(certificate));
  }
  ERR_clear_error();
  return certificates;
}

result<std::vector<crl_ptr>> revocation_lists_from(const named_text& source) {
  const auto parse = [](std::span<const unsigned char> der) {
    ERR_clear_error();
    const unsigned char* in = der.data();
    crl_ptr list{d2i_X509_CRL(nullptr, &in, static_cast<long>(der.size()))};
    if (list && in != der.data() + der.size()) list.reset();
    return list;
  };
  const auto refuse = [&](std::size_t number) {
    const std::string reason = take_openssl_error();
    return error{configuration_error::bad_revocation_list, source.name + ": list " + std::to_string(number) +
                                                               " doesn't parse" +
                                                               (reason.empty() ? "" : " (" + reason + ")")};
  };
  std::vector<crl_ptr> lists;
  if (is_der(source.text)) {
    lists.push_back(parse({reinterpret_cast<const unsigned char*>(source.text.data()), source.text.size()}));
    if (!lists.front()) return refuse(1);
    return lists;
  }
  auto blocks = find_blocks(source, revocation_list_block);
  if (!blocks) return blocks.error();
  for (const pem_block& block : *blocks) {
    lists.push_back(parse(block.data));
    if (!lists.back()) return refuse(lists.size());
  }
  ERR_clear_error();
  return lists;
}

result<pkey_ptr> private_key_from_pem(const named_text& source, const passphrase_source& passphrase) {
  const std::string& name = source.name;
  auto blocks = find_blocks(source, private_key_block);
  if (!blocks) return blocks.error();
  pem_block& block = blocks->front();

  const bool encrypted_pkcs8 = block.label == "ENCRYPTED PRIVATE KEY";
  const bool encrypted_traditional =
      block.header.find("ENCRYPTED") != std::string::npos && block.label != "PRIVATE KEY";
  ERR_clear_error();
  if (!encrypted_pkcs8 && !encrypted_traditional) {
    pkey_ptr key = block.label == "PRIVATE KEY" ? parse_pkcs8(block.data) : parse_traditional(block.label, block.data);
    if (!key) return bad_key(name);
    ERR_clear_error();
    return key;
  }

  if (!passphrase) {
    return error{configuration_error::passphrase_needed, name + ": is encrypted, and no passphrase is given"};
  }
  secret_text answer{passphrase(name)};
  ERR_clear_error();
  auto key = encrypted_pkcs8 ? decrypt_pkcs8(block, name, answer) : decrypt_traditional(block, name, answer);
  ERR_clear_error();
  return key;
}

std::string take_unsupported_error() {
  std::string reason;
  while (const unsigned long code = ERR_get_error()) {
    const int why = ERR_GET_REASON(code);
    const bool missing =
        why == ERR_R_UNSUPPORTED || (ERR_GET_LIB(code) == ERR_LIB_EVP &&
                                     (why == EVP_R_UNSUPPORTED_ALGORITHM || why == EVP_R_UNKNOWN_PBE_ALGORITHM ||
                                      why == EVP_R_UNSUPPORTED_CIPHER || why == EVP_R_UNSUPPORTED_PRF));
    if (!missing || !reason.empty()) continue;
    const char* text = ERR_reason_error_string(code);
    reason = text ? text : "unsupported";
  }
  return reason;
}

std::string to_pem(const X509& certificate) {
  const bio_ptr bio{BIO_new(BIO_s_mem())};
  if (!bio || PEM_write_bio_X509(bio.get(), &certificate) != 1) {
    ERR_clear_error();
    return {};
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

std::string to_string(const X509_NAME* name) {
  const bio_ptr bio{BIO_new(BIO_s_mem())};
  if (!bio) return {};
  X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_ONELINE);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return printable({data, static_cast<std::size_t>(size)});
}

}  // namespace sallyport::detail
