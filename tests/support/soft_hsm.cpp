// soft_hsm: an HSM for tests, made of SoftHSM: tokens with keys that OpenSSL can use and not see.
//
// SPDX-License-Identifier: Apache-2.0
#include "soft_hsm.hpp"

#include "program.hpp"

#include <cstdlib>
#include <stdexcept>
#include <system_error>

namespace sallyport::test {

namespace {

void run(const std::vector<std::string>& command) {
  const program_run ended = run_program(command);
  if (ended.exit_code != 0) throw std::runtime_error("soft_hsm: " + command[0] + ": " + ended.output);
}

bool is_there(const std::vector<std::string>& command, const std::string& says) {
  try {
    return run_program(command).output.find(says) != std::string::npos;
  } catch (const std::system_error&) {
    return false;
  }
}

}  // namespace

std::string soft_hsm::missing() {
  if (!is_there({"softhsm2-util", "--version"}, "2.")) return "softhsm2 is not installed";
  if (!is_there({"p11tool", "--version"}, "p11tool")) return "gnutls-bin is not installed";
  if (!is_there({"openssl", "engine", "-t", "pkcs11"}, "[ available ]")) {
    return "libengine-pkcs11-openssl is not installed";
  }
  return {};
}

soft_hsm::soft_hsm() {
  std::filesystem::create_directory(directory_.path() / "tokens");
  const std::string settings = directory_.write(
      "softhsm2.conf", "directories.tokendir = " + (directory_.path() / "tokens").string() + "\nlog.level = ERROR\n");
  ::setenv("SOFTHSM2_CONF", settings.c_str(), 1);
}

void soft_hsm::add_token(const std::string& token) const {
  run({"softhsm2-util", "--init-token", "--free", "--label", token, "--pin", pin_of(token), "--so-pin", "5678"});
}

void soft_hsm::add_key(const std::string& token, const std::string& object, const std::string& key) {
  run({"softhsm2-util", "--import", directory_.write("key.pem", key), "--token", token, "--label", object, "--id",
       next_id(), "--pin", pin_of(token)});
}

void soft_hsm::add_private_key(const std::string& token, const std::string& object, const std::string& key,
                               const std::vector<std::string>& options) {
  std::vector<std::string> command{"p11tool",
                                   "--batch",
                                   "--login",
                                   "--set-pin=" + pin_of(token),
                                   "--write",
                                   "--load-privkey",
                                   directory_.write("key.pem", key),
                                   "--label",
                                   object,
                                   "--id",
                                   next_id()};
  command.insert(command.end(), options.begin(), options.end());
  command.push_back("pkcs11:token=" + token);
  run(command);
}

void soft_hsm::add_certificate(const std::string& token, const std::string& object, const std::string& certificate) {
  run({"p11tool", "--batch", "--login", "--set-pin=" + pin_of(token), "--write", "--load-certificate",
       directory_.write("certificate.pem", certificate), "--label", object, "--id", next_id(),
       "pkcs11:token=" + token});
}

bool soft_hsm::has_counted_wrong_pins(const std::string& token) const {
  const std::string list = run_program({"p11tool", "--list-tokens"}).output;
  const std::size_t begin = list.find("\tLabel: " + token + "\n");
  if (begin == std::string::npos) throw std::runtime_error("soft_hsm: p11tool lists no token " + token);
  const std::string of_token = list.substr(begin, list.find("\tModule: ", begin) - begin);
  return of_token.find("uPIN low count") != std::string::npos;
}

// Two hexadecimal digits.
std::string soft_hsm::next_id() { return std::to_string(10 + ++last_id_); }

}  // namespace sallyport::test
