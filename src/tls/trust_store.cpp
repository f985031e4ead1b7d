// trust_store: by whom a client's certificate must be signed.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/trust_store.hpp>

#include "asn1_time.hpp"
#include "directory.hpp"
#include "file_contents.hpp"
#include "pem.hpp"
#include "trust_store_data.hpp"

#include <openssl/x509v3.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <system_error>
#include <utility>

namespace sallyport {

namespace {

using detail::trust_store_data;
using detail::x509_ptr;

constexpr std::size_t store_file_limit = std::size_t{16} << 20;

std::string subject_of(const X509* certificate) { return detail::to_string(X509_get_subject_name(certificate)); }

// The store under construction.
class store_builder {
 public:
  store_builder() : data_(std::make_shared<trust_store_data>()) { data_->store.reset(X509_STORE_new()); }

  // False if OpenSSL is out of memory. A certificate that is there already is left out.
  bool add(std::vector<x509_ptr> certificates, const std::string& name) {
    if (!data_->store) return false;
    for (std::size_t i = 0; i < certificates.size(); ++i) {
      X509* certificate = certificates[i].get();
      const auto is_same = [&](const x509_ptr& other) { return X509_cmp(other.get(), certificate) == 0; };
      if (std::ranges::any_of(data_->certificates, is_same)) continue;
      if (X509_STORE_add_cert(data_->store.get(), certificate) != 1) return false;
      warn(certificate, name + ": certificate " + std::to_string(i + 1));
      data_->certificates.push_back(std::move(certificates[i]));
    }
    ERR_clear_error();
    return true;
  }

  void warn(std::string sentence) { data_->warnings.push_back(std::move(sentence)); }
  bool empty() const noexcept { return data_->certificates.empty(); }

  std::shared_ptr<const trust_store_data> finish() {
    for (const x509_ptr& certificate : data_->certificates) {
      if (!has_issuer(certificate.get())) {
        warn("CA certificate " + subject_of(certificate.get()) +
             " is an intermediate one: without the CA that issued it in the same trust store it is of no use");
      }
    }
    ERR_clear_error();
    return std::move(data_);
  }

 private:
  void warn(X509* certificate, const std::string& which) {
    const std::string problem = detail::validity_problem(*certificate);
    const bool is_ca = X509_check_ca(certificate) != 0;
    if (problem.empty() && is_ca) return;
    const std::string subject = which + " (" + subject_of(certificate) + ") ";
    if (!problem.empty()) warn(subject + problem);
    if (!is_ca) warn(subject + "is not a CA's: nothing that it signed is accepted");
  }

  // OpenSSL accepts a chain only if it ends at a certificate that is signed by itself.
  bool has_issuer(X509* certificate) const {
    const auto issued_it = [&](const x509_ptr& other) {
      return X509_check_issued(other.get(), certificate) == X509_V_OK;
    };
    return (X509_get_extension_flags(certificate) & EXFLAG_SS) != 0 || X509_check_ca(certificate) == 0 ||
           std::ranges::any_of(data_->certificates, issued_it);
  }

  std::shared_ptr<trust_store_data> data_;
};

error out_of_memory(const std::string& name) {
  const std::string reason = detail::take_openssl_error();
  return {configuration_error::internal, name + ": " + (reason.empty() ? "out of memory" : reason)};
}

result<void> add_file(store_builder& store, const std::filesystem::path& file) {
  const std::string name = file.string();
  const auto contents = detail::read_file(file, store_file_limit);
  if (!contents) return contents.error();
  auto parsed = detail::certificates_from_pem({.text = contents->text.view(), .name = name, .is_file = true});
  if (!parsed) return parsed.error();
  if (!store.add(std::move(*parsed), name)) return out_of_memory(name);
  return {};
}

// OpenSSL's own way: a variable of the environment, unless the program is setuid, else what it was built with.
std::string system_path(const char* variable, const char* built_in) {
  const char* value = ::secure_getenv(variable);
  return value ? value : built_in;
}

bool is_certificate_name(const std::string& name) {
  return name.ends_with(".pem") || name.ends_with(".crt") || name.ends_with(".cer") || detail::is_hash_name(name);
}

// `directories` is one or several with colons between them.
std::vector<std::filesystem::path> hashed_files(const std::string& directories) {
  std::vector<std::filesystem::path> files;
  std::istringstream list{directories};
  for (std::string directory; std::getline(list, directory, ':');) {
    std::error_code ignored;
    for (std::filesystem::directory_iterator entry{directory, ignored}, end; !ignored && entry != end;
         entry.increment(ignored)) {
      if (detail::is_hash_name(entry->path().filename().string())) files.push_back(entry->path());
    }
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace

result<trust_store> trust_store::from_pem(std::string_view certificates) {
  const std::string name = "CA certificates";
  auto parsed = detail::certificates_from_pem({.text = certificates, .name = name});
  if (!parsed) return parsed.error();
  store_builder store;
  if (!store.add(std::move(*parsed), name)) return out_of_memory(name);
  return trust_store{store.finish()};
}

result<trust_store> trust_store::from_pem_file(const std::filesystem::path& file) {
  store_builder store;
  if (auto added = add_file(store, file); !added) return added.error();
  return trust_store{store.finish()};
}

result<trust_store> trust_store::from_directory(const std::filesystem::path& directory) {
  const auto files = detail::files_of(directory, is_certificate_name);
  if (!files) return files.error();
  store_builder store;
  for (const std::filesystem::path& file : *files) {
    if (auto added = add_file(store, file); !added) return added.error();
  }
  if (store.empty()) {
    return error{configuration_error::no_certificate,
                 directory.string() + ": holds no CA certificates (looked for names that end in .pem, .crt or .cer, " +
                     "and for hashes as `openssl rehash` makes them)"};
  }
  return trust_store{store.finish()};
}

// OpenSSL's own default store reads its directory as certificates are looked for. This one is read at once: it can't
// change under a running server, and it can be counted.
result<trust_store> trust_store::system_default() {
  const std::string file = system_path(X509_get_default_cert_file_env(), X509_get_default_cert_file());
  const std::string directory = system_path(X509_get_default_cert_dir_env(), X509_get_default_cert_dir());
  std::vector<std::filesystem::path> files = hashed_files(directory);
  files.insert(files.begin(), file);

  store_builder store;
  for (const std::filesystem::path& each : files) {
    const auto contents = detail::read_file(each, store_file_limit);
    if (!contents) continue;  // that there is a directory but no file, or the other way round, is usual
    const std::string name = each.string();
    auto parsed = detail::certificates_from_pem({.text = contents->text.view(), .name = name, .is_file = true});
    if (!parsed) {
      store.warn(parsed.error().detail);
    } else if (!store.add(std::move(*parsed), name)) {
      return out_of_memory(name);
    }
  }
  if (store.empty()) {
    return error{configuration_error::no_certificate,
                 "the system has no CA certificates (looked in " + file + " and " + directory + ")"};
  }
  return trust_store{store.finish()};
}

std::size_t trust_store::size() const noexcept { return data_->certificates.size(); }

std::span<const std::string> trust_store::warnings() const noexcept { return data_->warnings; }

}  // namespace sallyport
