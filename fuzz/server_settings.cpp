// server_settings: how the server of session_server is configured and treated.
//
// SPDX-License-Identifier: Apache-2.0
#include "server_settings.hpp"

#include "fixed_world.hpp"
#include "fixtures.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace sallyport::fuzz {

server_settings server_settings::from_bytes(const std::uint8_t* bytes) {
  return {.configuration = bytes[0],
          .piece = bytes[1],
          .room = bytes[2],
          .read_size = bytes[3],
          .behaviour = bytes[4],
          .answers = {bytes[5], bytes[6], bytes[7]}};
}

std::string server_settings::to_bytes() const {
  std::string bytes;
  for (const std::uint8_t byte :
       {configuration, piece, room, read_size, behaviour, answers[0], answers[1], answers[2]}) {
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

peer_verify_mode server_settings::verify_mode() const {
  switch (configuration & verify_certificate_required) {
    case verify_none:
      return peer_verify_mode::none;
    case verify_query:
      return peer_verify_mode::query;
    default:
      return peer_verify_mode::verify;
  }
}

answer server_settings::answer_to(std::size_t question) const {
  const std::size_t which = question % 6;
  const unsigned half = answers[which / 2] >> (which % 2 * 4) & 15;
  return static_cast<answer>(half % static_cast<unsigned>(answer::count));
}

std::size_t server_settings::room_in_bytes() const {
  if (room == 0) return 65536;
  // The smallest ones, and around a record's greatest size.
  return room < 128 ? room : std::size_t{room} * 140 - 17408;
}

const access_rule& server_settings::rule() {
  static const access_rule alice_alone = access_rule::parse("cn=alice").value();
  return alice_alone;
}

const context& server_settings::server_context() const {
  const auto what = static_cast<std::uint8_t>(configuration & ~ignore_unasked);
  static std::map<std::pair<std::uint8_t, bool>, context> made;
  if (const auto known = made.find({what, has_rule()}); known != made.end()) return known->second;

  const fixed_randomness randomness(what);
  static const identity own = identity::from_pem(server.chain, server.key).value();
  static const trust_store trusted = trust_store::from_pem(ca.chain).value();
  ssl_configuration settings;
  settings.pre_shared_keys = has(pre_shared_keys);
  if (has_identity()) settings.identities = {own};
  if (has(alpn)) settings.alpn_protocols = {"h2", "http/1.1"};
  if (has(modern)) settings.profile = security_profile::modern;
  settings.verify_mode = verify_mode();
  settings.ca_certificates = trusted;
  settings.missing_certificate_is_fatal = (configuration & verify_certificate_required) == verify_certificate_required;
  settings.handshake_must_interrupt_on_error = interrupts();
  if (has(pre_shared_keys)) settings.pre_shared_key_identity_hint = "hint";
  if (has_rule()) settings.allow = {access_rule::parse("dns=*.sallyport.example").value(), rule()};
  return made.emplace(std::pair(what, has_rule()), context::make(settings).value()).first->second;
}

}  // namespace sallyport::fuzz
