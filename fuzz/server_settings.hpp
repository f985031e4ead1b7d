// server_settings: the first bytes of an input of session_server: how the server is configured, how the driver treats
// it, and what the application answers. What follows is what the client sends.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_FUZZ_SERVER_SETTINGS_HPP
#define SALLYPORT_FUZZ_SERVER_SETTINGS_HPP

#include <sallyport/context.hpp>
#include <sallyport/ssl_configuration.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace sallyport::fuzz {

/// What the application does when a handshake has a question.
enum class answer : std::uint8_t {
  yes,                ///< continue, ignore all, or the right key: whatever is asked
  nothing,            ///< calls handshake() again, which means no
  refuse,             ///< refuse()
  refuse_with_alert,  ///< refuse() with an alert
  expect_all,         ///< ignore_ssl_errors() with the list of those found so far
  expect_first,       ///< the same with only the first of them
  wrong_key,          ///< a key that isn't the client's
  other_hash,         ///< the right key, for SHA-384
  empty_key,          ///< a key of no bytes
  longest_key,        ///< a key of the greatest length
  abandon,            ///< destroys the session while it waits
  move,               ///< moves the session, then yes
  other_question,     ///< answers the questions that weren't asked
  count,
};

struct server_settings {
  // Byte 0: the configuration.
  enum : std::uint8_t {
    verify_none = 0,
    verify_query = 1,
    verify_verify = 2,
    verify_certificate_required = 3,  ///< missing_certificate_is_fatal
    interrupt = 4,                    ///< without effect where no certificates are asked for
    pre_shared_keys = 8,
    alpn = 16,
    modern = 32,
    no_identity = 64,      ///< pre-shared keys alone; without effect where there are none
    ignore_unasked = 128,  ///< ignore_ssl_errors() before anything is asked. No part of the configuration
  };
  std::uint8_t configuration = 0;
  std::uint8_t piece = 0;      ///< byte 1: so many bytes come at a time; 0: all at once
  std::uint8_t room = 0;       ///< byte 2: how much room there is for output; 0: plenty
  std::uint8_t read_size = 0;  ///< byte 3: the reader's buffer; 0: 16 KiB
  // Byte 4: what the application does with the connection.
  enum : std::uint8_t {
    greets = 1,
    echoes = 2,
    writes_much = 4,
    shuts_down_first = 8,
    reads_nothing = 16,
    allows_alice = 32,  ///< a part of the configuration: a rule. Without effect unless certificates are verified
  };
  std::uint8_t behaviour = echoes;
  std::array<std::uint8_t, 3> answers{};  ///< bytes 5 to 7: six answers, the lower half first; then they repeat

  static constexpr std::size_t size = 8;

  static server_settings from_bytes(const std::uint8_t* bytes);  ///< `size` of them
  std::string to_bytes() const;

  peer_verify_mode verify_mode() const;
  bool interrupts() const { return has(interrupt) && verify_mode() != peer_verify_mode::none; }
  bool has_rule() const { return does(allows_alice) && verify_mode() == peer_verify_mode::verify; }
  bool has_identity() const { return !has(pre_shared_keys) || !has(no_identity); }
  bool has(std::uint8_t flag) const { return (configuration & flag) != 0; }
  bool does(std::uint8_t what) const { return (behaviour & what) != 0; }
  answer answer_to(std::size_t question) const;  ///< counted from 0
  static const access_rule& rule();  ///< the last of those that has_rule() is about; no other matches anybody
  std::size_t room_in_bytes() const;

  /// Made once for each configuration; the keys of its tickets don't depend on what was made before.
  const context& server_context() const;
};

}  // namespace sallyport::fuzz

#endif
