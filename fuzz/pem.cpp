// pem: certificates and keys in PEM and DER, and everything that can be asked of a certificate.
//
// The first byte chooses who reads the rest, and what is answered for a passphrase. For an identity a NUL separates the
// chain from the key; without one the text is both.
//
// SPDX-License-Identifier: Apache-2.0
#include "byte_reader.hpp"
#include "certificate_promises.hpp"
#include "fixtures.hpp"
#include "require.hpp"
#include "slow_key.hpp"
#include "target.hpp"

#include <sallyport/identity.hpp>
#include <sallyport/trust_store.hpp>

#include <stdexcept>
#include <string>

namespace sallyport::fuzz {
namespace {

constexpr std::size_t longest_sentence = 1024;

enum class answer { none, right, wrong, exception };

struct refused_to_answer : std::exception {};

/// No window of the fixtures' keys or of the passphrase may be in a sentence.
void require_no_secrets(std::string_view sentence, std::string_view input) {
  constexpr std::size_t telling = 16;
  require(sentence.find(passphrase) == std::string_view::npos, "a sentence doesn't hold the passphrase");
  for (std::size_t at = 0; at + telling <= sentence.size(); ++at) {
    const std::string_view window = sentence.substr(at, telling);
    if (server.key.find(window) == std::string_view::npos || window.find("KEY") != std::string_view::npos) continue;
    // What the input has as a block's label is public.
    const bool in_label = input.find("-----BEGIN " + std::string(window)) != std::string_view::npos;
    require(in_label, "a sentence doesn't hold a part of a key");
  }
}

void check_refusal(const error& why, std::string_view input) {
  require(why.code.failed(), "a refusal has a code");
  require(why.code.category() == configuration_category(), "a refusal is a configuration_error");
  require_sentence(why.detail, longest_sentence);
  require_no_secrets(why.detail, input);
}

void check_identity(std::string_view text, answer answered) {
  const std::size_t end = text.find('\0');
  const std::string_view chain = text.substr(0, end);
  const std::string_view key = end == std::string_view::npos ? text : text.substr(end + 1);
  if (is_slow_to_decrypt(key)) return;

  unsigned asked = 0;
  const auto ask = [&](std::string_view name) -> std::string {
    ++asked;
    require(name == "private key", "the passphrase is asked for by name");
    if (answered == answer::exception) throw refused_to_answer();
    return std::string(answered == answer::right ? passphrase : "not it");
  };
  try {
    const auto made = identity::from_pem(chain, key, answered == answer::none ? passphrase_source() : ask);
    if (made) {
      for (const std::string& warning : made->warnings()) require_sentence(warning, longest_sentence);
      const std::string pem = made->certificate_pem();
      require(pem.starts_with("-----BEGIN CERTIFICATE-----"), "an identity shows its chain as PEM");
      require(pem.find("PRIVATE") == std::string::npos, "an identity doesn't show its key");
      made->matches("localhost");
      made->matches("127.0.0.1");
      made->matches(chain.substr(0, 32));
      const auto again = identity::from_pem(pem, key, answered == answer::none ? passphrase_source() : ask);
      require(again.has_value(), "the chain that an identity shows can be read back");
    } else {
      check_refusal(made.error(), text);
    }
    require(asked <= 2, "the passphrase is asked for once");
  } catch (const refused_to_answer&) {
    require(asked == 1, "what the passphrase's source throws is passed on at once");
  }
}

void check_trust_store(std::string_view text) {
  const auto made = trust_store::from_pem(text);
  if (!made) return check_refusal(made.error(), text);
  require(made->size() > 0, "a trust store holds a certificate");
  for (const std::string& warning : made->warnings()) require_sentence(warning, longest_sentence);
}

void check_certificate(const result<certificate>& made, std::string_view text) {
  if (!made) return check_refusal(made.error(), text);
  check_promises(*made);
  require(certificate::from_der(made->der()).has_value(), "a certificate's DER can be read back");
  require(certificate::from_pem(made->pem()).has_value(), "a certificate's PEM can be read back");
}

}  // namespace
}  // namespace sallyport::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  using namespace sallyport::fuzz;
  byte_reader input(data, size);
  const std::uint8_t choice = input.take();
  switch (choice & 3) {
    case 0:
      check_identity(input.text(), static_cast<answer>(choice >> 2 & 3));
      break;
    case 1:
      check_trust_store(input.text());
      break;
    case 2:
      check_certificate(certificate::from_pem(input.text()), input.text());
      break;
    case 3:
      check_certificate(certificate::from_der(std::as_bytes(input.rest())), input.text());
      break;
  }
  require_empty_error_queue();
  return 0;
}
