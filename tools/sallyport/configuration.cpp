// configuration: see configuration.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "configuration.hpp"

#include "failure.hpp"

#include <sallyport/identity.hpp>
#include <sallyport/trust_store.hpp>

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string_view>
#include <system_error>

namespace sallyport::tool {
namespace {

constexpr std::size_t max_passphrase = 1024;  // OpenSSL's own limit

[[noreturn]] void refuse_passphrase_file(const std::filesystem::path& file, const std::string& reason) {
  throw startup_failure(exit_usage, "--passphrase-file: " + file.string() + ": " + reason);
}

// Erases what it holds, so that no core dump tells it later.
class passphrase {
 public:
  explicit passphrase(std::string text) : text_(std::move(text)) {}
  ~passphrase() { explicit_bzero(text_.data(), text_.size()); }
  passphrase(const passphrase&) = delete;
  passphrase& operator=(const passphrase&) = delete;

  const std::string& text() const noexcept { return text_; }

 private:
  std::string text_;
};

std::string read_first_line(const std::filesystem::path& file) {
  const auto reason = [] { return std::generic_category().message(errno); };
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> stream(std::fopen(file.c_str(), "rbe"), &std::fclose);
  if (!stream) refuse_passphrase_file(file, reason());
  // Without a buffer of its own, which would keep a copy of the passphrase.
  std::setvbuf(stream.get(), nullptr, _IONBF, 0);

  std::string line;
  line.reserve(max_passphrase + 2);  // growing would leave copies behind
  int byte = 0;
  while ((byte = std::fgetc(stream.get())) != EOF && byte != '\n') {
    line.push_back(static_cast<char>(byte));
    if (line.size() > max_passphrase + 1) break;
  }
  if (std::ferror(stream.get()) != 0) refuse_passphrase_file(file, reason());
  if (line.ends_with('\r')) line.pop_back();
  if (line.empty()) refuse_passphrase_file(file, "its first line is empty");
  if (line.size() > max_passphrase) {
    refuse_passphrase_file(file, "its first line is longer than " + std::to_string(max_passphrase) + " bytes");
  }
  return line;
}

identity make_self_signed(const address& listen) {
  auto made = identity::self_signed(self_signed_names(listen));
  if (made.has_error()) throw startup_failure(exit_failure, "--self-signed: " + made.error().detail);
  return *made;
}

trust_store read_client_ca(const std::filesystem::path& path) {
  std::error_code not_there;  // then from_pem_file() says why
  const bool is_directory = std::filesystem::is_directory(path, not_there);
  auto read = is_directory ? trust_store::from_directory(path) : trust_store::from_pem_file(path);
  if (read.has_error()) throw startup_failure(exit_usage, "--client-ca: " + read.error().detail);
  return *read;
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

ssl_configuration make_configuration(const service_options& options) {
  ssl_configuration configuration;
  configuration.alpn_protocols = options.alpn;
  configuration.profile = options.profile;
  configuration.verify_mode = options.client_verify;
  if (options.client_ca) configuration.ca_certificates = read_client_ca(*options.client_ca);
  configuration.pre_shared_keys = options.psk_file.has_value();
  if (options.self_signed) {
    configuration.identities.push_back(make_self_signed(options.listen));
    return configuration;
  }

  // Read even if no key turns out to be encrypted: a wrong name should be told now and not when the key is replaced.
  std::unique_ptr<passphrase> secret;
  passphrase_source source;
  if (options.passphrase_file) {
    secret = std::make_unique<passphrase>(read_first_line(*options.passphrase_file));
    source = [&secret](std::string_view) { return secret->text(); };
  }
  for (const certificate_files& files : options.certificates) {
    auto read = identity::from_pem_files(files.certificate, files.key, source);
    if (read.has_error()) {
      std::string sentence = read.error().detail;
      if (read.error().code == configuration_error::passphrase_needed) sentence += " (see --passphrase-file)";
      throw startup_failure(exit_usage, sentence);
    }
    configuration.identities.push_back(*read);
  }
  return configuration;
}

}  // namespace sallyport::tool
