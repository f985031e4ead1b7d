// first_record: what the first bytes of a connection are taken for, byte by byte.
//
// SPDX-License-Identifier: Apache-2.0
#include "tls/first_record.hpp"

#include "support/session_steps.hpp"
#include "support/test_servers.hpp"

#include <gtest/gtest.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::test {
namespace {

using detail::first_record;

first_record inspect(std::string_view bytes) { return detail::inspect_first_record(std::as_bytes(std::span(bytes))); }

std::string_view words(first_record what) {
  switch (what) {
    case first_record::undecided:
      return "undecided";
    case first_record::client_hello:
      return "client_hello";
    case first_record::plain_http:
      return "plain_http";
    case first_record::not_tls:
      return "not_tls";
    case first_record::oversized:
      return "oversized";
  }
  return "?";
}

std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text += static_cast<char>(value);
  return text;
}

struct row {
  std::string first_bytes;
  std::size_t decided_after;  ///< so many of them: fewer are undecided
  first_record what;
};

const std::vector<row>& table() {
  using enum first_record;
  static const std::vector<row> rows = {
      // A record of 512 bytes with a ClientHello of 508, as TLS 1.0 to 1.4 would head it.
      {bytes({22, 3, 0, 2, 0, 1, 0, 1, 252, 3, 3}), 9, client_hello},
      {bytes({22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3}), 9, client_hello},
      {bytes({22, 3, 2, 2, 0, 1, 0, 1, 252, 3, 3}), 9, client_hello},
      {bytes({22, 3, 3, 2, 0, 1, 0, 1, 252, 3, 3}), 9, client_hello},
      {bytes({22, 3, 4, 2, 0, 1, 0, 1, 252, 3, 3}), 9, client_hello},
      // The longest record, and a ClientHello in many of them.
      {bytes({22, 3, 1, 64, 0, 1, 0, 63, 252}), 9, client_hello},
      {bytes({22, 3, 1, 64, 0, 1, 0, 128, 0}), 9, client_hello},
      {bytes({22, 3, 1, 0, 4, 1, 0, 1, 252}), 9, client_hello},
      // A message header that goes on in the next record can't be judged here.
      {bytes({22, 3, 1, 0, 1, 1, 22, 3, 1}), 6, client_hello},
      {bytes({22, 3, 1, 0, 3, 1, 255, 255, 22}), 6, client_hello},
      // One byte more than a ClientHello may have, and the most that it can claim.
      {bytes({22, 3, 1, 64, 0, 1, 0, 128, 1}), 9, oversized},
      {bytes({22, 3, 1, 64, 0, 1, 1, 0, 0}), 9, oversized},
      {bytes({22, 3, 1, 64, 0, 1, 255, 255, 255}), 9, oversized},
      {bytes({22, 3, 1, 0, 4, 1, 255, 255, 255}), 9, oversized},
      // Empty and longer than a record can be.
      {bytes({22, 3, 1, 0, 0, 1}), 6, not_tls},
      {bytes({22, 3, 1, 64, 1, 1}), 6, not_tls},
      {bytes({22, 3, 1, 255, 255, 1}), 6, not_tls},
      // Other versions, other messages (HelloRequest, ServerHello, Finished).
      {bytes({22, 2, 1, 2, 0, 1}), 2, not_tls},
      {bytes({22, 4, 1, 2, 0, 1}), 2, not_tls},
      {bytes({22, 3, 5, 2, 0, 1}), 3, not_tls},
      {bytes({22, 3, 255, 2, 0, 1}), 3, not_tls},
      {bytes({22, 3, 1, 2, 0, 0}), 6, not_tls},
      {bytes({22, 3, 1, 2, 0, 2}), 6, not_tls},
      {bytes({22, 3, 1, 2, 0, 20}), 6, not_tls},
      // Other records (change_cipher_spec, alert, application_data), SSL 2, DTLS, and what else knocks.
      {bytes({20, 3, 1, 0, 1, 1}), 1, not_tls},
      {bytes({21, 3, 1, 0, 2, 1, 0}), 1, not_tls},
      {bytes({23, 3, 3, 0, 32}), 1, not_tls},
      {bytes({0x80, 0x2e, 1, 0, 2}), 1, not_tls},
      {bytes({22, 254, 253, 0, 0}), 2, not_tls},
      {bytes({0, 0, 0, 0}), 1, not_tls},
      {bytes({255}), 1, not_tls},
      {"\r\n", 1, not_tls},
      {" GET / HTTP/1.1\r\n", 1, not_tls},
      {"SSH-2.0-OpenSSH_9.2\r\n", 1, not_tls},
      {"EHLO localhost\r\n", 1, not_tls},
      {"QUIT\r\n", 1, not_tls},
      {"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", 3, not_tls},
      {"PROPFIND / HTTP/1.1\r\n", 3, not_tls},
      {"get / HTTP/1.1\r\n", 1, not_tls},
      {"GETX / HTTP/1.1\r\n", 4, not_tls},
      {"GET\t/", 4, not_tls},
      {"POSTAL", 5, not_tls},
      {"OPTIONSX", 8, not_tls},
      {std::string("GET\0 /", 6), 4, not_tls},
      // Plain HTTP: decided by the space behind the method.
      {"GET / HTTP/1.1\r\n", 4, plain_http},
      {"HEAD / HTTP/1.1\r\n", 5, plain_http},
      {"POST / HTTP/1.1\r\n", 5, plain_http},
      {"PUT / HTTP/1.1\r\n", 4, plain_http},
      {"DELETE / HTTP/1.1\r\n", 7, plain_http},
      {"CONNECT localhost:443 HTTP/1.1\r\n", 8, plain_http},
      {"OPTIONS * HTTP/1.1\r\n", 8, plain_http},
      {"TRACE / HTTP/1.1\r\n", 6, plain_http},
      {"PATCH / HTTP/1.1\r\n", 6, plain_http},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 4, plain_http},
  };
  return rows;
}

std::string name_of(const row& each) {
  std::string name;
  for (const char c : each.first_bytes) {
    const bool printable = c >= ' ' && c <= '~';
    name += printable ? std::string(1, c) : "<" + std::to_string(static_cast<unsigned char>(c)) + ">";
  }
  return name;
}

TEST(first_record, is_told_by_the_first_byte_that_shows_it) {
  EXPECT_EQ(words(inspect("")), "undecided");
  for (const row& each : table()) {
    SCOPED_TRACE(name_of(each));
    for (std::size_t size = 1; size <= each.first_bytes.size(); ++size) {
      const first_record expected = size < each.decided_after ? first_record::undecided : each.what;
      EXPECT_EQ(words(inspect(each.first_bytes.substr(0, size))), words(expected)) << size << " bytes";
    }
  }
}

TEST(first_record, nine_bytes_always_suffice) {
  for (const row& each : table()) EXPECT_LE(each.decided_after, 9U) << name_of(each);
  // Each first byte, with the others as open as they can be.
  for (int first = 0; first < 256; ++first) {
    for (const std::string& rest : {bytes({3, 1, 0, 4, 1, 0, 0, 0}), std::string("ET / HTT"), std::string(8, '\0')}) {
      EXPECT_NE(words(inspect(bytes({first}) + rest)), "undecided") << first;
    }
  }
}

// The same table through the session: nothing is taken from the window and nothing allocated for what isn't TLS.
TEST(first_record, decides_how_a_handshake_begins) {
  for (const row& each : table()) {
    SCOPED_TRACE(name_of(each));
    for (const delivery& how : {delivery{}, single_bytes}) {
      session_steps steps(basic_server(), {}, how);
      steps.input(each.first_bytes);
      switch (each.what) {
        case first_record::plain_http:
          steps.handshake_fails(handshake_error::plain_http, {});
          break;
        case first_record::not_tls:
          steps.handshake_fails(handshake_error::not_tls, {});
          break;
        case first_record::oversized:
          steps.handshake_fails(handshake_error::protocol_violation, {"started"});
          break;
        case first_record::client_hello:
          // What comes after the header may be wrong; that it has started is what counts here.
          steps.run([&](io_window& window) { return steps.server().handshake(window); });
          EXPECT_EQ(steps.seen().at(0), "started");
          continue;
        case first_record::undecided:
          ADD_FAILURE() << "no row ends like this";
      }
      EXPECT_EQ(steps.unread_input(), each.first_bytes);
      EXPECT_EQ(steps.unsent_output(), "");
      EXPECT_EQ(steps.server().native_handle(), nullptr);
      steps.phase(handshake_phase::before_client_hello);
    }
  }
}

}  // namespace
}  // namespace sallyport::test
