// configuration: see configuration.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "configuration.hpp"

#include "days.hpp"
#include "failure.hpp"
#include "identity_directory.hpp"
#include "passphrase.hpp"

#include <sallyport/identity.hpp>
#include <sallyport/ticket_keys.hpp>
#include <sallyport/trust_store.hpp>

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstddef>
#include <iterator>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

namespace sallyport::tool {
namespace {

constexpr std::chrono::days soon{14};
constexpr std::size_t max_ending_soon = 10;  // who forgets ten has forgotten all

// Says which option it is about, where the file's name alone doesn't.
template <class Value>
Value value_of(result<Value>&& read, const std::string& option = "") {
  if (read.has_error()) throw startup_failure(exit_usage, (option.empty() ? "" : option + ": ") + read.error().detail);
  return *std::move(read);
}

template <class Collection>
Collection read_file_or_directory(const std::filesystem::path& path, const std::string& option,
                                  result<Collection> (*from_file)(const std::filesystem::path&)) {
  std::error_code not_there;  // then from_file() says why
  const bool is_directory = std::filesystem::is_directory(path, not_there);
  return value_of(is_directory ? Collection::from_directory(path) : from_file(path), option);
}

trust_store read_client_ca(const std::filesystem::path& path) {
  return read_file_or_directory<trust_store>(path, "--client-ca", &trust_store::from_pem_file);
}

revocation_lists read_crl(const std::filesystem::path& path) {
  return read_file_or_directory<revocation_lists>(path, "--crl", &revocation_lists::from_file);
}

// A scheme (RFC 3986 section 3.1) of at least two characters.
bool is_uri(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon < 2) return false;
  if (std::isalpha(static_cast<unsigned char>(text.front())) == 0) return false;
  return std::ranges::all_of(text.substr(0, colon), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '+' || c == '-' || c == '.';
  });
}

// A URI may hold the PIN of the token (RFC 7512 section 2.4), which is for no log.
std::string without_pin(std::string text) {
  constexpr std::string_view attribute = "pin-value=";
  for (std::size_t at = 0; is_uri(text) && (at = text.find(attribute, at)) != std::string::npos;) {
    at += attribute.size();
    text.replace(at, std::min(text.find_first_of("&;", at), text.size()) - at, "...");
  }
  return text;
}

bool is_directory(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

class identity_reader {
 public:
  identity_reader(const service_options& options, loaded_configuration& to) : to_(to) {
    // Read even if no key turns out to be encrypted: a wrong name should be told now and not when the key is replaced.
    if (!options.passphrase_file) return;
    secret_.emplace(*options.passphrase_file);
    source_ = [this](std::string_view) { return secret_->text(); };
  }

  void read(const certificate_source& from) {
    if (is_directory(from.certificate)) return read_directory(from);
    identity read = read_one(from);
    if (!from.ocsp_response.empty()) {
      read = value_of(read.with_ocsp_response_file(from.ocsp_response), "--ocsp-response");
    }
    add(from.certificate, std::move(read));
  }

 private:
  void read_directory(const certificate_source& from) {
    if (!from.key.empty()) {
      throw startup_failure(exit_usage, "--key: " + from.certificate + " is a directory, where the keys are, too");
    }
    if (!from.ocsp_response.empty()) {
      throw startup_failure(exit_usage, "--ocsp-response: " + from.certificate +
                                            " is a directory: a response is beside its certificate, as NAME.ocsp");
    }
    for (const identity_files& files : identities_in(from.certificate)) {
      identity read = files.is_pkcs12()
                          ? checked(identity::from_pkcs12_file(files.certificate, source_))
                          : read_pem(files.certificate, files.key, "there is no such .key file beside it");
      if (!files.ocsp_response.empty()) read = value_of(read.with_ocsp_response_file(files.ocsp_response));
      add(files.certificate.string(), std::move(read));
    }
  }

  identity read_one(const certificate_source& from) {
    if (identity_files{from.certificate, {}, {}}.is_pkcs12()) {
      if (!from.key.empty()) {
        throw startup_failure(exit_usage, "--key: " + from.certificate + " is a PKCS#12 file, which has the key in it");
      }
      return checked(identity::from_pkcs12_file(from.certificate, source_));
    }
    const std::string& key = from.key.empty() ? from.certificate : from.key;
    if (is_uri(from.certificate) || is_uri(key)) return checked(identity::from_uris(from.certificate, key, source_));
    return read_pem(from.certificate, key, "name the key's file by --key");
  }

  // What helps, where the key is to be in the certificate's file and isn't.
  identity read_pem(const std::filesystem::path& certificate, const std::filesystem::path& key, const char* help) {
    auto read = identity::from_pem_files(certificate, key, source_);
    if (certificate == key && read.has_error() && read.error().code == configuration_error::no_private_key) {
      throw startup_failure(exit_usage, "--cert: " + read.error().detail + "; " + help);
    }
    return checked(std::move(read));
  }

  static identity checked(result<identity>&& read) {
    if (read.has_error() && read.error().code == configuration_error::passphrase_needed) {
      throw startup_failure(exit_usage, read.error().detail + " (see --passphrase-file)");
    }
    return value_of(std::move(read));
  }

  void add(std::string file, identity read) {
    to_.identities.push_back({without_pin(std::move(file)), read.leaf_certificate()});
    to_.tls.identities.push_back(std::move(read));
  }

  loaded_configuration& to_;
  std::optional<passphrase> secret_{};
  passphrase_source source_{};
};

void load_identities(const service_options& options, const loaded_configuration* former, loaded_configuration& to) {
  if (!options.self_signed) {
    identity_reader reader(options, to);
    for (const certificate_source& each : options.certificates) reader.read(each);
    return;
  }
  if (former != nullptr) {
    to.tls.identities = former->tls.identities;
    to.identities = former->identities;
    return;
  }
  auto made = identity::self_signed(self_signed_names(options.listen));
  if (made.has_error()) throw startup_failure(exit_failure, "--self-signed: " + made.error().detail);
  to.identities.push_back({"--self-signed", made->leaf_certificate()});
  to.tls.identities.push_back(*std::move(made));
}

void append(std::vector<std::string>& to, std::span<const std::string> more) {
  to.insert(to.end(), more.begin(), more.end());
}

// Without --ticket-secret the same keys for as long as we run: a reload must not end everybody's sessions.
ticket_keys load_ticket_keys(const service_options& options, const loaded_configuration* former) {
  if (options.ticket_secret) return value_of(ticket_keys::from_secret_file(*options.ticket_secret), "--ticket-secret");
  if (former != nullptr) return *former->tls.tickets;
  auto made = ticket_keys::random();
  if (made.has_error()) throw startup_failure(exit_failure, made.error().detail);
  return *std::move(made);
}

name_settings load_name_settings(const name_options& options) {
  name_settings to{.names = options.names,
                   .alpn_protocols = options.alpn,
                   .profile = options.profile,
                   .verify_mode = options.client_verify,
                   .allow = options.allow};
  if (options.client_ca) to.ca_certificates = read_client_ca(*options.client_ca);
  if (options.crl) to.revocation = read_crl(*options.crl);
  // Who isn't to prove who it is can't be judged by the rules for all.
  if (!to.allow && options.client_verify && *options.client_verify != peer_verify_mode::verify) to.allow.emplace();
  return to;
}

void load_pre_shared_keys(const service_options& options, loaded_configuration& to) {
  if (!options.psk_file) return;
  to.pre_shared_keys = std::make_shared<const psk_file>(*options.psk_file);
  to.tls.pre_shared_keys = true;
  if (!to.pre_shared_keys->warning().empty()) to.warnings.push_back(to.pre_shared_keys->warning());
  if (!to.identities.empty() && options.client_verify != peer_verify_mode::verify) {
    to.warnings.push_back(
        "--psk-file beside --cert: clients without a pre-shared key are let in too (leave --cert out, or ask them for "
        "certificates by --client-ca)");
  }
}

/// Sections that let other clients in than the rest does.
std::vector<std::string> sections_that_protect_nothing(const ssl_configuration& tls) {
  std::vector<std::string> sentences;
  for (const name_settings& each : tls.for_names) {
    if (!each.verify_mode && !each.ca_certificates && !each.revocation && !each.allow) continue;
    sentences.push_back("--for " + each.names.front() +
                        ": other clients are let in by this name than by the rest, and all names go to the same place: "
                        "whoever asks for another name gets there, too");
  }
  return sentences;
}

}  // namespace

std::vector<std::string> self_signed_names(const address& listen) {
  std::vector<std::string> names{"localhost", "127.0.0.1", "::1"};
  if (listen.is_unix() || listen.host.empty()) return names;
  boost::system::error_code not_an_address;
  const auto address = boost::asio::ip::make_address(listen.host, not_an_address);
  if (!not_an_address && address.is_unspecified()) return names;
  // Written as certificates compare it: "::1" for "0:0:0:0:0:0:0:1", and without a link's %zone.
  std::string name = not_an_address ? listen.host : address.to_string();
  name = name.substr(0, name.find('%'));
  if (name.ends_with('.')) name.pop_back();
  if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  return names;
}

std::size_t loaded_configuration::names() const {
  std::size_t all = 0;
  for (const identity_facts& each : identities) all += each.leaf.dns_names().size();
  return all;
}

loaded_configuration load_configuration(const service_options& options, const loaded_configuration* former) {
  loaded_configuration to;
  load_identities(options, former, to);
  to.tls.unknown_names = options.unknown_name;
  to.tls.alpn_protocols = options.alpn;
  to.tls.profile = options.profile;
  to.tls.groups = options.groups;
  to.tls.verify_mode = options.client_verify;
  if (options.client_ca) to.tls.ca_certificates = read_client_ca(*options.client_ca);
  if (options.crl) to.tls.revocation = read_crl(*options.crl);
  to.tls.missing_revocation_list = options.crl_policy;
  to.tls.allow = options.allow;
  for (const name_options& each : options.for_names) to.tls.for_names.push_back(load_name_settings(each));
  to.tls.tickets = load_ticket_keys(options, former);
  to.tls.resumption_lifetime = options.resumption_lifetime;
  load_pre_shared_keys(options, to);
  append(to.warnings, sections_that_protect_nothing(to.tls));
  append(to.warnings, ending_soon(to.identities));
  return to;
}

std::vector<std::string> all_warnings(const loaded_configuration& loaded, std::span<const std::string> of_context) {
  std::vector<std::string> all;
  std::set<std::string_view> seen;
  for (const std::span<const std::string> some : {of_context, std::span<const std::string>(loaded.warnings)}) {
    for (const std::string& sentence : some) {
      if (seen.insert(sentence).second) all.push_back(sentence);
    }
  }
  return all;
}

std::vector<std::string> ending_soon(const std::vector<identity_facts>& identities) {
  const auto now = std::chrono::system_clock::now();
  std::vector<std::pair<std::chrono::system_clock::time_point, const identity_facts*>> found;
  for (const identity_facts& each : identities) {
    const auto end = each.leaf.not_after();
    // Of those that have ended the identity itself tells.
    if (end > now && end < now + soon) found.emplace_back(end, &each);
  }
  std::ranges::stable_sort(found, {}, [](const auto& each) { return each.first; });
  std::vector<std::string> sentences;
  for (const auto& [end, each] : found) {
    if (sentences.size() == max_ending_soon) {
      sentences.push_back(std::to_string(found.size() - sentences.size()) + " more certificates end within " +
                          days_text(soon));
      break;
    }
    sentences.push_back(each->file + ": the certificate ends in " + days_text(end - now) + ", on " + date_text(end));
  }
  return sentences;
}

std::vector<std::filesystem::path> configuration_paths(const service_options& options) {
  std::vector<std::filesystem::path> paths;
  const auto add = [&](const std::string& path) {
    if (!path.empty() && !is_uri(path)) paths.emplace_back(path);
  };
  const auto add_if_any = [&](const std::optional<std::filesystem::path>& path) {
    if (path) paths.push_back(*path);
  };
  for (const certificate_source& each : options.certificates) {
    add(each.certificate);
    add(each.key);
    add(each.ocsp_response);
  }
  add_if_any(options.passphrase_file);
  add_if_any(options.client_ca);
  add_if_any(options.crl);
  for (const name_options& each : options.for_names) {
    add_if_any(each.client_ca);
    add_if_any(each.crl);
  }
  add_if_any(options.psk_file);
  add_if_any(options.ticket_secret);
  return paths;
}

}  // namespace sallyport::tool
