// revocation_lists: which clients' certificates have been revoked (CRLs, RFC 5280 section 5).
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/revocation_lists.hpp>

#include "asn1_time.hpp"
#include "directory.hpp"
#include "file_contents.hpp"
#include "pem.hpp"
#include "revocation_lists_data.hpp"

#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <utility>

namespace sallyport {

namespace {

using detail::crl_ptr;
using detail::revocation_list;
using detail::revocation_lists_data;

using distribution_point_ptr = std::unique_ptr<ISSUING_DIST_POINT, detail::openssl_free<ISSUING_DIST_POINT_free>>;
using integer_ptr = std::unique_ptr<ASN1_INTEGER, detail::openssl_free<ASN1_INTEGER_free>>;

constexpr std::size_t lists_file_limit = std::size_t{64} << 20;

std::string text_of(const ASN1_OBJECT* type) {
  std::array<char, 80> text{};
  OBJ_obj2txt(text.data(), text.size(), type, 0);
  return text.data();
}

// RFC 5280 section 5.2.5. OpenSSL looks at these lists only if it is told to follow CRL issuers other than the
// certificate's own, and would never come to one here.
std::string problem_of_scope(const X509_CRL* list) {
  int found = 0;
  const distribution_point_ptr scope{
      static_cast<ISSUING_DIST_POINT*>(X509_CRL_get_ext_d2i(list, NID_issuing_distribution_point, &found, nullptr))};
  if (!scope) return found == -1 ? "" : "has an issuing distribution point that can't be read";
  if (scope->indirectCRL > 0) return "is an indirect list, for certificates of several issuers: these aren't supported";
  if (scope->onlysomereasons != nullptr) return "is only for some reasons of revocation: such lists aren't supported";
  if (scope->onlyattr > 0) return "is only for attribute certificates";
  return {};
}

// Why a list that parses can't be used at all; empty if it can. OpenSSL would take a delta list for a complete one, and
// so whoever is on the complete one for not revoked.
std::string problem_of(const X509_CRL* list) {
  if (X509_CRL_get_ext_by_NID(list, NID_delta_crl, -1) >= 0) {
    return "is a delta list, which only says what has changed: give the complete one";
  }
  if (std::string problem = problem_of_scope(list); !problem.empty()) return problem;
  for (int i = 0; i < X509_CRL_get_ext_count(list); ++i) {
    X509_EXTENSION* const extension = X509_CRL_get_ext(list, i);
    const ASN1_OBJECT* const type = X509_EXTENSION_get_object(extension);
    const int nid = OBJ_obj2nid(type);
    const bool known = nid == NID_issuing_distribution_point || nid == NID_authority_key_identifier;
    if (X509_EXTENSION_get_critical(extension) != 0 && !known) {
      return "has a critical extension that isn't supported (" + text_of(type) + ")";
    }
  }
  const ASN1_TIME* const next_update = X509_CRL_get0_nextUpdate(list);
  if (!detail::time_of(X509_CRL_get0_lastUpdate(list)) || (next_update != nullptr && !detail::time_of(next_update))) {
    return "has a date that can't be read";
  }
  return {};
}

// What is odd about a list that can be used.
std::string oddity_of(const X509_CRL* list) {
  const ASN1_TIME* const begin = X509_CRL_get0_lastUpdate(list);
  const ASN1_TIME* const end = X509_CRL_get0_nextUpdate(list);
  if (X509_cmp_current_time(begin) > 0) return "is not valid before " + detail::to_string(begin);
  if (end == nullptr) return "doesn't say until when it is good, and will never count as out of date";
  if (X509_cmp_current_time(end) < 0) return "has been out of date since " + detail::to_string(end);
  return {};
}

// An issuer may have several lists, each for some of its certificates; those aren't of the same scope.
std::vector<unsigned char> scope_of(const X509_CRL* list) {
  const int at = X509_CRL_get_ext_by_NID(list, NID_issuing_distribution_point, -1);
  if (at < 0) return {};
  const ASN1_OCTET_STRING* const bytes = X509_EXTENSION_get_data(X509_CRL_get_ext(list, at));
  return {ASN1_STRING_get0_data(bytes), ASN1_STRING_get0_data(bytes) + ASN1_STRING_length(bytes)};
}

// Sorts the list by serial numbers now, which OpenSSL would else do when it is first used, by several threads.
void sort_serial_numbers(X509_CRL* list) {
  const integer_ptr any{ASN1_INTEGER_new()};
  X509_REVOKED* ignored = nullptr;
  if (any) X509_CRL_get0_by_serial(list, &ignored, any.get());
}

// The set under construction.
class lists_builder {
 public:
  lists_builder() : data_(std::make_shared<revocation_lists_data>()) {}

  result<void> add(const detail::named_text& source) {
    auto parsed = detail::revocation_lists_from(source);
    if (!parsed) return parsed.error();
    for (std::size_t i = 0; i < parsed->size(); ++i) {
      const std::string number = source.name + ": list " + std::to_string(i + 1);
      revocation_list added{.crl = std::move((*parsed)[i]), .digest = {}, .name = number};
      X509_CRL* const list = added.crl.get();
      added.name += " (" + detail::to_string(added.issuer()) + ")";
      const std::string problem = problem_of(list);
      ERR_clear_error();
      if (!problem.empty()) return error{configuration_error::bad_revocation_list, added.name + " " + problem};
      if (X509_CRL_digest(list, EVP_sha256(), added.digest.data(), nullptr) != 1) {
        return error{configuration_error::internal, number + ": " + detail::take_openssl_error()};
      }
      sort_serial_numbers(list);
      take(std::move(added));
    }
    ERR_clear_error();
    return {};
  }

  bool empty() const noexcept { return data_->lists.empty(); }

  std::shared_ptr<const revocation_lists_data> finish() {
    std::ranges::sort(data_->lists, [](const revocation_list& one, const revocation_list& other) {
      const int order = X509_NAME_cmp(one.issuer(), other.issuer());
      return order != 0 ? order < 0 : one.digest < other.digest;
    });
    return std::move(data_);
  }

 private:
  void take(revocation_list added) {
    for (const revocation_list& other : data_->lists) {
      if (other.digest == added.digest) return;
    }
    const X509_CRL* const list = added.crl.get();
    if (const std::string oddity = oddity_of(list); !oddity.empty()) warn(added.name + " " + oddity);
    for (const revocation_list& other : data_->lists) {
      if (X509_NAME_cmp(other.issuer(), added.issuer()) != 0 || scope_of(other.crl.get()) != scope_of(list)) continue;
      warn(added.name + " is of the same issuer as " + other.name + ": the later one counts");
      break;
    }
    const auto end = detail::time_of(X509_CRL_get0_nextUpdate(list));
    if (end && (!data_->next_update || *end < *data_->next_update)) data_->next_update = end;
    data_->lists.push_back(std::move(added));
  }

  void warn(std::string sentence) { data_->warnings.push_back(std::move(sentence)); }

  std::shared_ptr<revocation_lists_data> data_;
};

result<void> add_file(lists_builder& set, const std::filesystem::path& file) {
  const auto contents = detail::read_file(file, lists_file_limit, "revocation list");
  if (!contents) return contents.error();
  return set.add({.text = contents->text.view(), .name = file.string(), .is_file = true});
}

bool is_list_name(const std::string& name) {
  return name.ends_with(".pem") || name.ends_with(".crl") || detail::is_hash_name(name, ".r");
}

}  // namespace

std::span<const revocation_list> detail::revocation_lists_data::of(const X509_NAME* issuer) const noexcept {
  const auto before = [](const X509_NAME* one, const X509_NAME* other) { return X509_NAME_cmp(one, other) < 0; };
  const auto found = std::ranges::equal_range(lists, issuer, before, &revocation_list::issuer);
  return {found.begin(), found.end()};
}

result<revocation_lists> revocation_lists::from_bytes(std::string_view lists) {
  lists_builder set;
  if (auto added = set.add({.text = lists, .name = "revocation lists"}); !added) return added.error();
  return revocation_lists{set.finish()};
}

result<revocation_lists> revocation_lists::from_file(const std::filesystem::path& file) {
  lists_builder set;
  if (auto added = add_file(set, file); !added) return added.error();
  return revocation_lists{set.finish()};
}

result<revocation_lists> revocation_lists::from_directory(const std::filesystem::path& directory) {
  const auto files = detail::files_of(directory, is_list_name);
  if (!files) return files.error();
  lists_builder set;
  for (const std::filesystem::path& file : *files) {
    if (auto added = add_file(set, file); !added) return added.error();
  }
  if (set.empty()) {
    return error{configuration_error::bad_revocation_list,
                 directory.string() +
                     ": holds no revocation lists (looked for names that end in .pem or .crl, and for " +
                     "hashes as `openssl rehash` makes them)"};
  }
  return revocation_lists{set.finish()};
}

std::size_t revocation_lists::size() const noexcept { return data_->lists.size(); }

std::optional<std::chrono::system_clock::time_point> revocation_lists::next_update() const {
  return data_->next_update;
}

std::span<const std::string> revocation_lists::warnings() const noexcept { return data_->warnings; }

}  // namespace sallyport
