// identity_directory: a directory of certificates and keys, as --cert takes it.
//
// SPDX-License-Identifier: Apache-2.0
#include "identity_directory.hpp"

#include "failure.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <strings.h>

namespace sallyport::tool {

namespace {

using std::filesystem::path;

[[noreturn]] void refuse(const path& what, const std::string& reason) {
  throw startup_failure(exit_usage, "--cert: " + what.string() + ": " + reason);
}

// In capitals too, as Windows exports them.
bool is_pkcs12_name(const path& file) {
  const std::string extension = file.extension().string();
  return ::strcasecmp(extension.c_str(), ".p12") == 0 || ::strcasecmp(extension.c_str(), ".pfx") == 0;
}

// What the names in a directory say about one identity.
struct parts {
  path certificate;
  path key;
  path ocsp_response;
};

// Those with "default" for a name come first.
struct default_first {
  bool operator()(const std::string& left, const std::string& right) const {
    return std::pair(left != "default", std::string_view(left)) <
           std::pair(right != "default", std::string_view(right));
  }
};
using parts_by_name = std::map<std::string, parts, default_first>;

void set(path& part, const path& file) {
  if (!part.empty()) refuse(file, "is a second one of this name beside " + part.filename().string());
  part = file;
}

// What other programs put into a directory of its own.
struct layout {
  std::string_view certificate;
  std::string_view key;
};
constexpr std::array layouts{layout{"fullchain.pem", "privkey.pem"}, layout{"tls.crt", "tls.key"}};

bool is_there(const path& file) {
  std::error_code failure;
  const bool found = std::filesystem::exists(file, failure);
  if (failure) refuse(file, failure.message());
  return found;
}

// Nothing in `to` if the directory isn't laid out like one of these.
void look_for_layout(const path& directory, parts& to) {
  for (const layout& known : layouts) {
    const path certificate = directory / known.certificate;
    const path key = directory / known.key;
    if (is_there(certificate)) set(to.certificate, certificate);
    if (is_there(key)) set(to.key, key);
    if (!to.certificate.empty() || !to.key.empty()) return;
  }
}

// Those, and what stands beside them: parts of the chain, and the CA.
bool is_of_layout(std::string_view name) {
  constexpr std::array beside{std::string_view("cert.pem"), std::string_view("chain.pem"), std::string_view("ca.crt")};
  return std::ranges::find(beside, name) != beside.end() || std::ranges::any_of(layouts, [&](const layout& known) {
           return name == known.certificate || name == known.key;
         });
}

void look_at(const path& file, parts_by_name& found) {
  std::error_code failure;
  const auto type = std::filesystem::status(file, failure).type();
  if (type == std::filesystem::file_type::not_found) refuse(file, "is a symbolic link to nothing");
  if (failure) refuse(file, failure.message());
  if (type == std::filesystem::file_type::directory) {
    parts inside;
    look_for_layout(file, inside);
    parts& of_name = found[file.filename().string()];
    if (!inside.certificate.empty()) set(of_name.certificate, inside.certificate);
    if (!inside.key.empty()) set(of_name.key, inside.key);
    return;
  }
  const path extension = file.extension();
  if (extension == ".crt" || extension == ".pem" || is_pkcs12_name(file)) {
    set(found[file.stem().string()].certificate, file);
  } else if (extension == ".key") {
    set(found[file.stem().string()].key, file);
  } else if (extension == ".ocsp") {
    set(found[file.stem().string()].ocsp_response, file);
  }
}

identity_files whole(const parts& found) {
  identity_files files{.certificate = found.certificate, .key = found.key, .ocsp_response = found.ocsp_response};
  if (files.certificate.empty()) {
    if (!files.key.empty()) refuse(files.key, "there is no certificate for this key beside it");
    refuse(files.ocsp_response, "there is no certificate for this OCSP response beside it");
  }
  if (files.is_pkcs12()) {
    if (!files.key.empty())
      refuse(files.key, "is for " + files.certificate.filename().string() + ", which has a key in it");
    files.key = files.certificate;
  } else if (files.key.empty()) {
    // A .pem may hold the key too, which is seen when it is read.
    const bool may_hold_both =
        files.certificate.extension() == ".pem" && files.certificate.filename() != layouts[0].certificate;
    if (!may_hold_both) refuse(files.certificate, "there is no key for this certificate beside it");
    files.key = files.certificate;
  }
  return files;
}

}  // namespace

bool identity_files::is_pkcs12() const { return is_pkcs12_name(certificate); }

std::vector<identity_files> identities_in(const path& directory) {
  parts_by_name found;
  parts own;
  look_for_layout(directory, own);
  const bool has_layout = !own.certificate.empty() || !own.key.empty();
  if (has_layout) found.emplace("", own);

  std::error_code failure;
  for (std::filesystem::directory_iterator entry{directory, failure}, end; !failure && entry != end;
       entry.increment(failure)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with('.') || (has_layout && is_of_layout(name))) continue;
    look_at(entry->path(), found);
  }
  if (failure) refuse(directory, failure.message());

  std::vector<identity_files> identities;
  for (const auto& [name, each] : found) {
    if (each.certificate.empty() && each.key.empty() && each.ocsp_response.empty()) continue;
    identities.push_back(whole(each));
  }
  if (identities.empty()) refuse(directory, "no certificates in this directory");
  return identities;
}

}  // namespace sallyport::tool
