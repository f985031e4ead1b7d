// pkcs12: certificates and key from a PKCS#12 structure (RFC 7292).
//
// PKCS12_parse() would do for files as OpenSSL writes them, but it doesn't tell a wrong passphrase from an algorithm
// that isn't there, takes the first of several keys, and leaves the certificates in the file's order.
//
// SPDX-License-Identifier: Apache-2.0
#include "pkcs12.hpp"

#include "checked_identity.hpp"
#include "file_contents.hpp"

#include <openssl/objects.h>
#include <openssl/pkcs12.h>
#include <openssl/pkcs7.h>

#include <climits>
#include <optional>
#include <utility>

namespace sallyport::detail {

namespace {

struct free_safes {
  void operator()(STACK_OF(PKCS7) * safes) const noexcept { sk_PKCS7_pop_free(safes, PKCS7_free); }
};
struct free_bags {
  void operator()(STACK_OF(PKCS12_SAFEBAG) * bags) const noexcept {
    sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
  }
};
using pkcs12_ptr = std::unique_ptr<PKCS12, openssl_free<PKCS12_free>>;
using pkcs8_ptr = std::unique_ptr<PKCS8_PRIV_KEY_INFO, openssl_free<PKCS8_PRIV_KEY_INFO_free>>;
using safes_ptr = std::unique_ptr<STACK_OF(PKCS7), free_safes>;
using bags_ptr = std::unique_ptr<STACK_OF(PKCS12_SAFEBAG), free_bags>;

std::string algorithm_name(const X509_ALGOR* algorithm) {
  const ASN1_OBJECT* object = nullptr;
  X509_ALGOR_get0(&object, nullptr, nullptr, algorithm);
  const int nid = object ? OBJ_obj2nid(object) : NID_undef;
  return nid == NID_undef ? "an unknown algorithm" : OBJ_nid2sn(nid);
}

const X509_ALGOR* algorithm_of(const PKCS7* safe) {
  const PKCS7_ENCRYPT* encrypted = safe->d.encrypted;
  return encrypted && encrypted->enc_data ? encrypted->enc_data->algorithm : nullptr;
}

const X509_ALGOR* algorithm_of(const PKCS12_SAFEBAG* bag) {
  const X509_ALGOR* algorithm = nullptr;
  if (const X509_SIG* encrypted = PKCS12_SAFEBAG_get0_pkcs8(bag)) X509_SIG_get0(encrypted, &algorithm, nullptr);
  return algorithm;
}

struct parts {
  std::vector<pkey_ptr> keys;
  std::vector<x509_ptr> certificates;  ///< in the file's order
};

// One try to open a file with one passphrase.
class pkcs12_reader {
 public:
  // `passphrase` may be null: there are two encodings of "none", of which files have one or the other.
  pkcs12_reader(const std::string& name, const char* passphrase, int size)
      : name_(name), passphrase_(passphrase), size_(size) {}

  // Whether the file was made with this passphrase, as far as its MAC says: wrong_passphrase if it wasn't.
  std::optional<error> check(PKCS12* file) {
    if (PKCS12_mac_present(file) != 1) return {};
    ERR_clear_error();
    if (PKCS12_verify_mac(file, passphrase_, size_) == 1) {
      passphrase_is_right_ = true;
      return {};
    }
    // A MAC that differs is no error in OpenSSL's queue; one that can't be computed is.
    const std::string reason = take_openssl_error();
    if (reason.empty()) return wrong_passphrase();
    return damaged("its MAC can't be checked (" + reason + ")");
  }

  std::optional<error> read(PKCS12* file) {
    const safes_ptr safes{PKCS12_unpack_authsafes(file)};
    if (!safes) return damaged("it doesn't parse (" + take_openssl_error() + ")");
    for (int i = 0; i < sk_PKCS7_num(safes.get()); ++i) {
      if (auto failure = read(sk_PKCS7_value(safes.get(), i))) return failure;
    }
    return {};
  }

  parts take() { return std::move(found_); }

 private:
  std::optional<error> read(PKCS7* safe) {
    ERR_clear_error();
    bags_ptr bags;
    if (PKCS7_type_is_data(safe)) {
      bags.reset(PKCS12_unpack_p7data(safe));
      if (!bags) return damaged("it doesn't parse (" + take_openssl_error() + ")");
    } else if (PKCS7_type_is_encrypted(safe)) {
      bags.reset(PKCS12_unpack_p7encdata(safe, passphrase_, size_));
      if (!bags) return cannot_decrypt(algorithm_of(safe));
    } else {
      return damaged("it is encrypted for a certificate and not with a passphrase");
    }
    return read(bags.get());
  }

  std::optional<error> read(const STACK_OF(PKCS12_SAFEBAG) * bags) {
    for (int i = 0; i < sk_PKCS12_SAFEBAG_num(bags); ++i) {
      if (auto failure = read(sk_PKCS12_SAFEBAG_value(bags, i))) return failure;
    }
    return {};
  }

  std::optional<error> read(PKCS12_SAFEBAG* bag) {
    ERR_clear_error();
    switch (PKCS12_SAFEBAG_get_nid(bag)) {
      case NID_keyBag:
        return add_key(PKCS12_SAFEBAG_get0_p8inf(bag));
      case NID_pkcs8ShroudedKeyBag: {
        const pkcs8_ptr decrypted{PKCS12_decrypt_skey(bag, passphrase_, size_)};
        if (!decrypted) return cannot_decrypt(algorithm_of(bag));
        return add_key(decrypted.get());
      }
      case NID_certBag: {
        if (PKCS12_SAFEBAG_get_bag_nid(bag) != NID_x509Certificate) return {};
        x509_ptr certificate{PKCS12_SAFEBAG_get1_cert(bag)};
        if (!certificate) {
          return error{configuration_error::bad_certificate, name_ + ": certificate " +
                                                                 std::to_string(found_.certificates.size() + 1) +
                                                                 " doesn't parse (" + take_openssl_error() + ")"};
        }
        found_.certificates.push_back(std::move(certificate));
        return {};
      }
      case NID_safeContentsBag:  // OpenSSL parses only 30 of them in each other
        return read(PKCS12_SAFEBAG_get0_safes(bag));
      default:
        return {};  // CRLs and secrets aren't ours
    }
  }

  std::optional<error> add_key(const PKCS8_PRIV_KEY_INFO* encoded) {
    pkey_ptr key{encoded ? EVP_PKCS82PKEY(encoded) : nullptr};
    if (!key) {
      return error{configuration_error::bad_private_key,
                   name_ + ": the private key doesn't parse (" + take_openssl_error() + ")"};
    }
    found_.keys.push_back(std::move(key));
    return {};
  }

  std::optional<error> cannot_decrypt(const X509_ALGOR* algorithm) {
    const std::string reason = take_unsupported_error();
    if (!reason.empty()) {
      const std::string name = algorithm ? algorithm_name(algorithm) : "an unknown algorithm";
      const bool is_old = name.find("RC2") != std::string::npos || name.find("RC4") != std::string::npos ||
                          name.find("DES-CBC") != std::string::npos;
      return error{configuration_error::bad_private_key,
                   name_ + ": this OpenSSL can't decrypt " + name + " (" + reason + ")" +
                       (is_old ? ", which needs OpenSSL's legacy provider: load that, or make the file again from what "
                                 "openssl pkcs12 -legacy reads"
                               : "")};
    }
    if (!passphrase_is_right_) return wrong_passphrase();
    return damaged("a part of it doesn't decrypt with the passphrase of its MAC");
  }

  error wrong_passphrase() const { return {configuration_error::wrong_passphrase, name_ + ": wrong passphrase"}; }
  error damaged(const std::string& reason) const {
    return {configuration_error::bad_pkcs12, name_ + ": is PKCS#12, but " + reason};
  }

  const std::string& name_;
  const char* passphrase_;
  int size_;
  bool passphrase_is_right_ = false;
  parts found_;
};

result<parts> open_with(PKCS12* file, const std::string& name, const char* passphrase, int size) {
  pkcs12_reader reading{name, passphrase, size};
  if (auto failure = reading.check(file)) return *failure;
  if (auto failure = reading.read(file)) return *failure;
  return reading.take();
}

result<parts> open(PKCS12* file, const std::string& name, const passphrase_source& passphrase) {
  const auto is_wrong = [](const result<parts>& tried) {
    return !tried && tried.error().code == configuration_error::wrong_passphrase;
  };
  auto contents = open_with(file, name, nullptr, 0);
  if (is_wrong(contents)) contents = open_with(file, name, "", 0);
  if (!is_wrong(contents)) return contents;
  if (!passphrase) {
    return error{configuration_error::passphrase_needed, name + ": is encrypted, and no passphrase is given"};
  }
  const secret_text answer{passphrase(name)};
  if (answer.view().size() > INT_MAX) return contents;
  return open_with(file, name, answer.view().data(), static_cast<int>(answer.view().size()));
}

// What the bytes are instead of PKCS#12.
std::string explain_not_pkcs12(std::string_view bytes) {
  if (bytes.empty()) return "is empty";
  if (bytes.find("-----BEGIN ") != std::string_view::npos) return "is PEM, not PKCS#12";
  return "is not PKCS#12, or only a part of it";
}

}  // namespace

result<pkcs12_contents> contents_of_pkcs12(const named_text& source, const passphrase_source& passphrase) {
  const std::string& name = source.name;
  ERR_clear_error();
  const auto* in = reinterpret_cast<const unsigned char*>(source.text.data());
  const pkcs12_ptr file{source.text.size() <= INT_MAX ? d2i_PKCS12(nullptr, &in, static_cast<long>(source.text.size()))
                                                      : nullptr};
  ERR_clear_error();
  if (!file) return error{configuration_error::bad_pkcs12, name + ": " + explain_not_pkcs12(source.text)};

  auto found = open(file.get(), name, passphrase);
  ERR_clear_error();
  if (!found) return found.error();
  if (found->keys.empty()) {
    return error{configuration_error::no_private_key,
                 name + ": no private key (found " + std::to_string(found->certificates.size()) +
                     (found->certificates.size() == 1 ? " certificate)" : " certificates)")};
  }
  if (found->keys.size() > 1) {
    return error{configuration_error::bad_pkcs12, name + ": holds " + std::to_string(found->keys.size()) +
                                                      " private keys, and it isn't known which one is meant"};
  }
  if (found->certificates.empty()) {
    return error{configuration_error::no_certificate, name + ": no certificate (found 1 private key)"};
  }

  pkcs12_contents contents;
  contents.key = std::move(found->keys.front());
  contents.certificates = take_chain_of(found->certificates, contents.key.get());
  const std::size_t others = found->certificates.size();
  ERR_clear_error();
  if (contents.certificates.empty()) {
    return error{configuration_error::key_mismatch, name + ": the key does not belong to any certificate in it"};
  }
  if (others > 0) {
    contents.warnings.push_back(name + ": " + std::to_string(others) +
                                (others == 1 ? " certificate is not of the server's chain and isn't sent"
                                             : " certificates are not of the server's chain and aren't sent"));
  }
  return contents;
}

}  // namespace sallyport::detail
