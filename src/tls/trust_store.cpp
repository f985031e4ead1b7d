// trust_store: by whom a client's certificate must be signed.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/trust_store.hpp>

#include "pem.hpp"
#include "printable.hpp"
#include "trust_store_data.hpp"

#include <openssl/x509v3.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <sstream>
#include <system_error>
#include <utility>

namespace sallyport {

namespace {

using detail::trust_store_data;
using detail::x509_ptr;

constexpr std::size_t file_limit = std::size_t{16} << 20;

// "CA Example Root" from "CN = CA Example Root": for warnings about one certificate of many.
std::string subject_of(const X509* certificate) {
  const detail::bio_ptr bio{BIO_new(BIO_s_mem())};
  if (!bio) return {};
  X509_NAME_print_ex(bio.get(), X509_get_subject_name(certificate), 0, XN_FLAG_ONELINE);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return detail::printable({data, static_cast<std::size_t>(size)});
}

// The store under construction.
class builder {
 public:
  builder() : data_(std::make_shared<trust_store_data>()) { data_->store.reset(X509_STORE_new()); }

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

// OpenSSL's own way: a variable of the environment, unless the program is setuid, else what it was built with.
std::string system_path(const char* variable, const char* built_in) {
  const char* value = ::secure_getenv(variable);
  return value ? value : built_in;
}

// The names under which OpenSSL looks for a certificate in a directory: "5ed36f99.0".
bool is_hash_name(const std::string& name) {
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const std::string_view view = name;
  return view.size() >= 10 && view[8] == '.' && std::ranges::all_of(view.substr(0, 8), is_hex) &&
         std::ranges::all_of(view.substr(9), is_digit);
}

bool is_certificate_name(const std::string& name) {
  return name.ends_with(".pem") || name.ends_with(".crt") || name.ends_with(".cer") || is_hash_name(name);
}

error unreadable_directory(const std::filesystem::path& directory, const std::error_code& why) {
  std::string reason = "cannot be read: " + why.message();
  if (why == std::errc::no_such_file_or_directory) reason = "no such directory";
  if (why == std::errc::not_a_directory) reason = "is not a directory";
  if (why == std::errc::permission_denied) reason = "permission denied";
  return {configuration_error::unreadable_file, directory.string() + ": " + reason};
}

// Each file once: `openssl rehash` makes a link beside each, and sentences name the file rather than the link.
std::vector<std::filesystem::path> each_once(std::vector<std::filesystem::path> files) {
  std::ranges::sort(files, {}, [](const std::filesystem::path& file) {
    std::error_code ignored;
    return std::pair{std::filesystem::is_symlink(file, ignored), file};
  });
  std::set<std::filesystem::path> seen;
  std::vector<std::filesystem::path> once;
  for (std::filesystem::path& file : files) {
    std::error_code failure;
    const std::filesystem::path target = std::filesystem::canonical(file, failure);
    // A link that leads nowhere is kept: reading it tells so.
    if (failure || seen.insert(target).second) once.push_back(std::move(file));
  }
  std::ranges::sort(once);
  return once;
}

// The files of one directory that are to hold certificates.
result<std::vector<std::filesystem::path>> certificate_files(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> files;
  std::error_code failure;
  for (std::filesystem::directory_iterator entry{directory, failure}, end; !failure && entry != end;
       entry.increment(failure)) {
    std::error_code ignored;
    const auto type = entry->status(ignored).type();
    if (!is_certificate_name(entry->path().filename().string())) continue;
    if (type == std::filesystem::file_type::directory) continue;
    // A pipe, above all, would be waited for.
    if (type != std::filesystem::file_type::regular && type != std::filesystem::file_type::not_found) {
      return error{configuration_error::unreadable_file, entry->path().string() + ": is not a regular file"};
    }
    files.push_back(entry->path());
  }
  if (failure) return unreadable_directory(directory, failure);
  return each_once(std::move(files));
}

// `directories` is one or several with colons between them.
std::vector<std::filesystem::path> hashed_files(const std::string& directories) {
  std::vector<std::filesystem::path> files;
  std::istringstream list{directories};
  for (std::string directory; std::getline(list, directory, ':');) {
    std::error_code ignored;
    for (std::filesystem::directory_iterator entry{directory, ignored}, end; !ignored && entry != end;
         entry.increment(ignored)) {
      if (is_hash_name(entry->path().filename().string())) files.push_back(entry->path());
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
  builder store;
  if (!store.add(std::move(*parsed), name)) return out_of_memory(name);
  return trust_store{store.finish()};
}

result<trust_store> trust_store::from_pem_file(const std::filesystem::path& file) {
  const std::string name = file.string();
  const auto contents = detail::read_file(file, file_limit);
  if (!contents) return contents.error();
  auto parsed = detail::certificates_from_pem({.text = contents->text.view(), .name = name, .is_file = true});
  if (!parsed) return parsed.error();
  builder store;
  if (!store.add(std::move(*parsed), name)) return out_of_memory(name);
  return trust_store{store.finish()};
}

result<trust_store> trust_store::from_directory(const std::filesystem::path& directory) {
  const auto files = certificate_files(directory);
  if (!files) return files.error();
  builder store;
  for (const std::filesystem::path& file : *files) {
    const std::string name = file.string();
    const auto contents = detail::read_file(file, file_limit);
    if (!contents) return contents.error();
    auto parsed = detail::certificates_from_pem({.text = contents->text.view(), .name = name, .is_file = true});
    if (!parsed) return parsed.error();
    if (!store.add(std::move(*parsed), name)) return out_of_memory(name);
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

  builder store;
  for (const std::filesystem::path& each : files) {
    const auto contents = detail::read_file(each, file_limit);
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
