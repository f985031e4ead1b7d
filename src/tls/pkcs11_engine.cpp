// pkcs11_engine: keys and certificates in tokens (PKCS#11), by the engine "pkcs11" of libp11.
//
// Engines are deprecated in OpenSSL 3 and gone in OpenSSL 4: this file alone knows them.
//
// SPDX-License-Identifier: Apache-2.0
#define OPENSSL_SUPPRESS_DEPRECATED
#include "pkcs11_engine.hpp"

#include "object_uri.hpp"
#include "passphrase_prompt.hpp"

#include <openssl/opensslconf.h>
#ifndef OPENSSL_NO_ENGINE
#include <openssl/engine.h>
#endif

#include <mutex>
#include <string_view>

namespace sallyport::detail {

#ifdef OPENSSL_NO_ENGINE

namespace {
error no_provider(const std::string& name) {
  return {configuration_error::invalid_value, name + ": OpenSSL has no provider for PKCS#11 here"};
}
}  // namespace

result<pkey_ptr> private_key_from_pkcs11_engine(const std::string&, const std::string& name, const passphrase_source&) {
  return no_provider(name);
}
result<x509_ptr> certificate_from_pkcs11_engine(const std::string&, const std::string& name, const passphrase_source&) {
  return no_provider(name);
}

#else

namespace {

// A PIN is given to the engine for the call that comes next, so there can be only one at a time.
std::mutex one_at_a_time;

// The token whose PIN the engine may hold; empty if it holds none. libp11 tries it on any other token that wants a
// login, where wrong ones are counted, and has no way to be told to forget it: it can only be replaced.
std::string token_of_pin;
constexpr const char* no_token = "none";

// What to do, without a PIN, where the engine holds another token's.
enum class without_pin_do { refuse, take_what_needs_no_login };

// Null if there is none. Its references are never given back: keys need it as long as they are there.
ENGINE* engine() {
  static ENGINE* ready = nullptr;
  if (ready) return ready;
  UI_METHOD* const refusing = passphrase_prompt::method();
  ENGINE* found = ENGINE_by_id("pkcs11");
  if (!found) return nullptr;
  // Without a method of ours it would ask on the terminal: for certificates that need a login, and even while it signs,
  // for keys that want their PIN each time.
  if (!refusing || ENGINE_init(found) != 1 ||
      ENGINE_ctrl(found, ENGINE_CTRL_SET_USER_INTERFACE, 0, refusing, nullptr) != 1) {
    ENGINE_free(found);
    return nullptr;
  }
  ENGINE_ctrl_cmd_string(found, "QUIET", nullptr, 1);  // it explains itself on stderr
  ready = found;
  return ready;
}

enum class failure { wrong_pin, pin_locked, no_module, bad_uri, refused, not_found, other };

// The reasons of libp11's libraries have no names in headers: their numbers are PKCS#11's, or the words are told apart.
failure take_failure(std::string& words) {
  failure found = failure::not_found;
  while (const unsigned long code = ERR_get_error()) {
    const char* library = ERR_lib_error_string(code);
    const char* reason = ERR_reason_error_string(code);
    const std::string_view of = library ? library : "";
    const std::string_view why = reason ? reason : "";
    if (found != failure::not_found || why == "object not found" || of == "engine routines") continue;
    words = why;
    if (of == "PKCS#11 module") {
      const int number = ERR_GET_REASON(code);
      const bool is_pin = number >= 0xA0 && number <= 0xA3;  // CKR_PIN_INCORRECT, _INVALID, _LEN_RANGE, _EXPIRED
      found = is_pin ? failure::wrong_pin : number == 0xA4 ? failure::pin_locked : failure::other;
    } else if (ERR_GET_LIB(code) == ERR_LIB_UI) {
      found = failure::refused;
    } else if (why == "Unable to load PKCS#11 module") {
      found = failure::no_module;
    } else if (why == "invalid id") {
      found = failure::bad_uri;
    } else {
      found = failure::other;
    }
  }
  return found;
}

pkey_ptr load_key(ENGINE* from, const std::string& uri) {
  return pkey_ptr{ENGINE_load_private_key(from, uri.c_str(), passphrase_prompt::method(), nullptr)};
}

x509_ptr load_certificate(ENGINE* from, const std::string& uri) {
  struct {
    const char* uri;
    X509* certificate;
  } parameters{uri.c_str(), nullptr};
  ENGINE_ctrl_cmd(from, "LOAD_CERT_CTRL", 0, &parameters, nullptr, 1);
  return x509_ptr{parameters.certificate};
}

// An elliptic curve's private key says nothing about its public one: without an object of its own that isn't known.
bool has_public_part(EVP_PKEY* key) {
  unsigned char* encoded = nullptr;
  const bool has_some = EVP_PKEY_get1_encoded_public_key(key, &encoded) > 0;
  OPENSSL_free(encoded);
  ERR_clear_error();
  return has_some;
}

template <class Load>
error explain(ENGINE* from, const std::string& uri, const std::string& name, std::string_view kind,
              configuration_error none, Load load) {
  std::string words;
  switch (take_failure(words)) {
    case failure::wrong_pin:
      return {configuration_error::wrong_passphrase, name + ": wrong PIN"};
    case failure::pin_locked:
      return {configuration_error::wrong_passphrase, name + ": the token's PIN is locked after too many wrong ones"};
    case failure::refused:
      return {configuration_error::passphrase_needed, name + ": a PIN is needed, and none is given"};
    case failure::no_module:
      return {configuration_error::unreadable_file,
              name + ": the PKCS#11 module can't be loaded (PKCS11_MODULE_PATH says which one)"};
    case failure::bad_uri:
      return {configuration_error::invalid_value, name + ": is no pkcs11 URI (RFC 7512)"};
    case failure::other:
      return {none, name + ": can't be read (" + words + ")"};
    case failure::not_found:
      break;
  }
  // The engine doesn't say what is missing. If anything can be found in the token, the token is there.
  const bool is_token_there = load(from, token_of(uri)) != nullptr;
  ERR_clear_error();
  if (is_token_there) return {none, name + ": the token has no such " + std::string(kind)};
  return {none, name + ": there is no such token, or no " + std::string(kind) + " in it, or several tokens match"};
}

template <class Load>
auto load_from_engine(const std::string& uri, const std::string& name, std::string_view kind, configuration_error none,
                      const std::optional<secret_text>& pin, without_pin_do otherwise, Load load)
    -> result<decltype(load(nullptr, uri))> {
  const std::lock_guard lock{one_at_a_time};
  ERR_clear_error();
  ENGINE* const from = engine();
  ERR_clear_error();
  if (!from) {
    return error{configuration_error::invalid_value,
                 name +
                     ": OpenSSL has neither a provider nor an engine for PKCS#11 here "
                     "(Debian's is in libengine-pkcs11-openssl)"};
  }
  const std::string token = token_without_pin(uri);
  const error needs_pin{configuration_error::passphrase_needed, name + ": a PIN is needed, and none is given"};
  bool has_none = false;
  if (pin || has_pin(uri)) {
    // An empty one in place of the old, for a URI's own may be empty, which the engine passes over.
    ENGINE_ctrl_cmd_string(from, "PIN", pin ? std::string(pin->view()).c_str() : "", 0);
    token_of_pin = token;
  } else if (!token_of_pin.empty() && token_of_pin != token) {
    if (otherwise == without_pin_do::refuse) return needs_pin;
    // Tried only where a login is needed: at worst it is the wrong one, but nobody's secret.
    ENGINE_ctrl_cmd_string(from, "PIN", "", 0);
    token_of_pin = no_token;
    has_none = true;
  }
  auto loaded = load(from, uri);
  if (!loaded) {
    error why = explain(from, uri, name, kind, none, load);
    if (why.code != configuration_error::wrong_passphrase) return why;
    token_of_pin.clear();  // then it does forget
    return has_none ? needs_pin : why;
  }
  ERR_clear_error();
  return loaded;
}

}  // namespace

result<pkey_ptr> private_key_from_pkcs11_engine(const std::string& uri, const std::string& name,
                                                const passphrase_source& passphrase) {
  // Asked beforehand, as the engine may hold another token's.
  std::optional<secret_text> pin;
  if (passphrase && !has_pin(uri)) pin.emplace(passphrase(name));
  auto key = load_from_engine(uri, name, "private key", configuration_error::no_private_key, pin,
                              without_pin_do::refuse, load_key);
  if (key && EVP_PKEY_get_base_id(key->get()) == EVP_PKEY_EC && !has_public_part(key->get())) {
    return error{configuration_error::bad_private_key,
                 name + ": the token has no public key beside this one; store that there too, or the certificate"};
  }
  return key;
}

result<x509_ptr> certificate_from_pkcs11_engine(const std::string& uri, const std::string& name,
                                                const passphrase_source& passphrase) {
  const auto load = [&](const std::optional<secret_text>& pin) {
    // Where one can be asked for, that is better than to try an empty one.
    const auto otherwise = passphrase ? without_pin_do::refuse : without_pin_do::take_what_needs_no_login;
    return load_from_engine(uri, name, "certificate", configuration_error::no_certificate, pin, otherwise,
                            load_certificate);
  };
  // Most need none.
  auto certificate = load({});
  if (certificate || certificate.error().code != configuration_error::passphrase_needed || !passphrase)
    return certificate;
  return load(secret_text{passphrase(name)});
}

#endif

}  // namespace sallyport::detail
