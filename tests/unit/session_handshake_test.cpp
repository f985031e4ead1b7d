// session: complete handshakes, however their bytes are cut, and their resumption.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/session.hpp>

#include "support/session_steps.hpp"
#include "support/test_servers.hpp"

#include <gtest/gtest.h>
#include <openssl/err.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace sallyport::test {
namespace {

const context& alpn_server() {
  static const context server = [] {
    ssl_configuration configuration = basic_configuration();
    configuration.alpn_protocols = {"h2", "http/1.1"};
    return make_context(configuration);
  }();
  return server;
}

memory_client_options client_of(int version) {
  return {.version = version,
          .server_name = "localhost",
          .alpn_protocols = {"http/1.1", "h2"},
          .ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384",
          .ciphersuites = "TLS_AES_256_GCM_SHA384",
          .trusted = test_ca().certificate};
}

// Both versions take the client two flights. What the client sends along with its second one is read afterwards.
void full_handshake(int version, const delivery& how) {
  const tls_version expected_version = version == TLS1_3_VERSION ? tls_version::tls_1_3 : tls_version::tls_1_2;
  const char* cipher = version == TLS1_3_VERSION ? "TLS_AES_256_GCM_SHA384" : "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384";

  session_steps steps(alpn_server(), client_of(version), how);
  EXPECT_EQ(steps.server().native_handle(), nullptr);
  steps.phase(handshake_phase::before_client_hello)
      .negotiated(tls_version::unknown, "", "", false)
      .client_handshake()
      .handshake(progress::want_input, {"started", "client_hello"})
      .phase(handshake_phase::in_handshake)
      .server_name("localhost")
      .negotiated(tls_version::unknown, "", "h2", false)
      .client_handshake()
      .handshake(progress::done, {})
      .phase(handshake_phase::complete)
      .server_name("localhost")
      .negotiated(expected_version, cipher, "h2", false)
      .client_is_connected()
      .client_sends("hello")
      .reads("hello")
      .writes("and welcome")
      .client_receives("and welcome");
  EXPECT_NE(steps.server().native_handle(), nullptr);
  io_window nothing;
  EXPECT_EQ(words(steps.server().handshake(nothing).what), "done");
  EXPECT_FALSE(steps.server().error());
  EXPECT_EQ(steps.server().error_detail(), "");
}

class session_handshake : public testing::TestWithParam<int> {
 protected:
  // The longer of the client's two flights: the positions at which they can be cut.
  static std::size_t longest_flight() {
    session_steps steps(alpn_server(), client_of(GetParam()));
    steps.client_handshake();
    std::size_t longest = steps.unread_input().size();
    steps.handshake(progress::want_input, {"started", "client_hello"}).client_handshake();
    return std::max(longest, steps.unread_input().size());
  }
};

INSTANTIATE_TEST_SUITE_P(versions, session_handshake, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& tested) { return tested.param == TLS1_3_VERSION ? "tls_1_3" : "tls_1_2"; });

TEST_P(session_handshake, in_one_piece) { full_handshake(GetParam(), {}); }

TEST_P(session_handshake, in_single_bytes) { full_handshake(GetParam(), single_bytes); }

TEST_P(session_handshake, cut_at_every_position) {
  const std::size_t end = longest_flight();
  ASSERT_GT(end, 100U);
  for (std::size_t position = 0; position < end && !HasFailure(); ++position) {
    SCOPED_TRACE(position);
    full_handshake(GetParam(), {.first_piece = position});
  }
}

TEST_P(session_handshake, in_pieces_of_every_small_size) {
  for (std::size_t size = 2; size <= 20 && !HasFailure(); ++size) {
    SCOPED_TRACE(size);
    full_handshake(GetParam(), {.first_piece = size, .piece = size});
  }
}

// Write calls need room for a record, so this is the handshake alone.
TEST_P(session_handshake, with_little_room_for_output) {
  for (const std::size_t room : {1, 2, 3, 5, 7, 100, 500, 1000}) {
    for (const std::size_t piece : {delivery::all, std::size_t{1}}) {
      SCOPED_TRACE(std::to_string(room) + " bytes of room, pieces of " + std::to_string(piece));
      session_steps(alpn_server(), client_of(GetParam()), {.first_piece = piece, .piece = piece, .output_room = room})
          .client_handshake()
          .handshake(progress::want_input, {"started", "client_hello"})
          .client_handshake()
          .handshake(progress::done, {})
          .client_is_connected();
    }
  }
}

TEST_P(session_handshake, without_room_wants_output_and_loses_nothing) {
  session_steps steps(alpn_server(), client_of(GetParam()));
  steps.client_handshake();
  const std::string hello = steps.unread_input();

  io_window window{.input = std::as_bytes(std::span(hello))};
  EXPECT_EQ(words(steps.server().handshake(window).what), "want_output");
  EXPECT_EQ(window.input.size(), 0U);
  EXPECT_EQ(steps.server().events().size(), 2U);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(words(steps.server().handshake(window).what), "want_output");
    EXPECT_TRUE(steps.server().events().empty());
  }
  steps.change_input([](std::string& input) { input.clear(); })
      .handshake(progress::want_input, {})
      .client_handshake()
      .handshake(progress::done, {})
      .client_is_connected();
}

TEST_P(session_handshake, fills_the_output_after_what_is_there) {
  session_steps steps(alpn_server(), client_of(GetParam()));
  steps.client_handshake();
  const std::string hello = steps.unread_input();
  std::string out = "before" + std::string(10000, '.');
  io_window window{
      .input = std::as_bytes(std::span(hello)), .output = std::as_writable_bytes(std::span(out)), .produced = 6};
  EXPECT_EQ(words(steps.server().handshake(window).what), "want_input");
  ASSERT_GT(window.produced, 6U);
  EXPECT_EQ(out.substr(0, 7), "before\x16");
  EXPECT_EQ(out.substr(window.produced), std::string(out.size() - window.produced, '.'));
}

TEST_P(session_handshake, without_input_wants_input) {
  session_steps(alpn_server(), client_of(GetParam()))
      .handshake(progress::want_input, {})
      .handshake(progress::want_input, {})
      .client_handshake()
      .handshake(progress::want_input, {"started", "client_hello"})
      .handshake(progress::want_input, {})
      .client_handshake()
      .handshake(progress::done, {});
}

TEST_P(session_handshake, half_a_client_hello_has_started_it) {
  std::string rest;
  session_steps(alpn_server(), client_of(GetParam()))
      .client_handshake()
      .change_input([&](std::string& input) {
        rest = input.substr(input.size() / 2);
        input.resize(input.size() / 2);
      })
      .handshake(progress::want_input, {"started"})
      .phase(handshake_phase::before_client_hello)
      .server_name("")
      .handshake(progress::want_input, {})
      .input(rest)
      .handshake(progress::want_input, {"client_hello"})
      .phase(handshake_phase::in_handshake)
      .server_name("localhost");
}

// As long as the first bytes could still be anything, they belong to the caller.
TEST_P(session_handshake, undecided_first_bytes_stay_in_the_window) {
  session_steps steps(alpn_server(), client_of(GetParam()));
  steps.client_handshake();
  const std::string hello = steps.unread_input();
  for (std::size_t size = 0; size < 9; ++size) {
    io_window window{.input = std::as_bytes(std::span(hello).first(size))};
    EXPECT_EQ(words(steps.server().handshake(window).what), "want_input");
    EXPECT_EQ(window.input.size(), size);
    EXPECT_TRUE(steps.server().events().empty());
    EXPECT_EQ(steps.server().native_handle(), nullptr) << "memory for OpenSSL after " << size << " bytes";
  }
  steps.handshake(progress::want_input, {"started", "client_hello"}).client_handshake().handshake(progress::done, {});
}

// RFC 8446 section 5.1: a message may be fragmented across records.
TEST_P(session_handshake, client_hello_in_many_records) {
  for (const std::size_t size : {1, 2, 3, 4, 5, 9, 100}) {
    SCOPED_TRACE(size);
    session_steps(alpn_server(), client_of(GetParam()))
        .client_handshake()
        .change_input([&](std::string& input) {
          const std::string hello = input.substr(5);
          input.clear();
          for (std::size_t at = 0; at < hello.size(); at += size) {
            const std::string part = hello.substr(at, size);
            input += std::string("\x16\x03\x01\x00", 4) + static_cast<char>(part.size()) + part;
          }
        })
        .handshake(progress::want_input, {"started", "client_hello"})
        .server_name("localhost")
        .client_handshake()
        .handshake(progress::done, {})
        .client_is_connected();
  }
}

// RFC 8446 section 4.6.1 lets the data follow Finished at once, and so it does.
TEST_P(session_handshake, data_behind_the_clients_finished_waits_for_read) {
  for (const delivery& how : {delivery{}, single_bytes}) {
    session_steps steps(alpn_server(), client_of(GetParam()), how);
    steps.client_handshake().handshake(progress::want_input, {"started", "client_hello"}).client_handshake();
    if (GetParam() == TLS1_3_VERSION) {  // a TLS 1.2 client has to wait for our Finished
      steps.client_sends("early bird").handshake(progress::done, {});
      EXPECT_NE(steps.unread_input(), "");
    } else {
      steps.handshake(progress::done, {}).client_is_connected().client_sends("early bird");
    }
    steps.reads("early bird");
  }
}

TEST_P(session_handshake, a_session_can_be_moved_between_steps) {
  session_steps steps(alpn_server(), client_of(GetParam()));
  const auto move_it = [&] {
    session elsewhere = std::move(steps.server());
    steps.server() = session(basic_server());
    steps.server() = std::move(elsewhere);
  };
  move_it();
  steps.client_handshake().handshake(progress::want_input, {"started", "client_hello"});
  move_it();
  steps.client_handshake().handshake(progress::done, {});
  move_it();
  steps.client_is_connected().client_sends("moved").reads("moved");
}

// A session keeps its context alive.
TEST_P(session_handshake, outlives_the_last_handle_of_its_context) {
  auto server = std::make_unique<context>(make_context(basic_configuration()));
  session_steps steps(*server, {.version = GetParam()});
  server.reset();
  steps.client_handshake()
      .handshake(progress::want_input, {"started", "client_hello"})
      .client_handshake()
      .handshake(progress::done, {});
}

TEST_P(session_handshake, sessions_of_one_context_on_different_threads) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      for (int round = 0; round < 10; ++round) full_handshake(GetParam(), {});
    });
  }
}

TEST_P(session_handshake, may_be_dropped_in_every_phase) {
  session_steps(alpn_server(), client_of(GetParam()));
  session_steps(alpn_server(), client_of(GetParam())).input("\x16\x03").handshake(progress::want_input, {});
  session_steps(alpn_server(), client_of(GetParam()))
      .client_handshake()
      .change_input([](std::string& input) { input.pop_back(); })
      .handshake(progress::want_input, {"started"});
  session_steps(alpn_server(), client_of(GetParam()))
      .client_handshake()
      .handshake(progress::want_input, {"started", "client_hello"});
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST_P(session_handshake, a_client_without_sni_and_alpn) {
  session_steps steps(alpn_server(), {.version = GetParam()});
  steps.client_handshake()
      .handshake(progress::want_input, {"started", "client_hello"})
      .client_handshake()
      .handshake(progress::done, {})
      .server_name("");
  EXPECT_EQ(steps.server().application_protocol(), "");
}

TEST_P(session_handshake, the_servers_order_of_protocols_counts) {
  for (const auto& [offered, expected] : {std::pair<std::vector<std::string>, std::string>{{"http/1.1", "h2"}, "h2"},
                                          {{"http/1.1"}, "http/1.1"},
                                          {{"x", "http/1.1"}, "http/1.1"}}) {
    session_steps steps(alpn_server(), {.version = GetParam(), .alpn_protocols = offered});
    steps.client_handshake()
        .handshake(progress::want_input, {"started", "client_hello"})
        .client_handshake()
        .handshake(progress::done, {});
    EXPECT_EQ(steps.server().application_protocol(), expected);
  }
}

// HelloRetryRequest: the server likes none of the key shares, and one of the other groups.
TEST(session_handshake_tls_1_3, a_second_client_hello_is_no_second_event) {
  for (const delivery& how : {delivery{}, single_bytes}) {
    ssl_configuration configuration = basic_configuration();
    configuration.groups = "P-384";
    session_steps(make_context(configuration),
                  {.version = TLS1_3_VERSION, .server_name = "localhost", .groups = "X25519:P-384"}, how)
        .client_handshake()
        .handshake(progress::want_input, {"started", "client_hello"})
        .client_handshake()
        .handshake(progress::want_input, {})
        .client_handshake()
        .handshake(progress::done, {})
        .server_name("localhost")
        .client_is_connected();
  }
}

TEST(session_handshake_tls_1_3, is_preferred) {
  session_steps(basic_server())
      .client_handshake()
      .handshake(progress::want_input, {"started", "client_hello"})
      .client_handshake()
      .handshake(progress::done, {})
      .negotiated(tls_version::tls_1_3, "TLS_AES_128_GCM_SHA256", "", false);
}

// ---- resumption ----

// The ticket travels with the last flight: one that came after a client's close would be answered with a reset, and
// cost the client what it hasn't read yet.
TEST_P(session_handshake, brings_exactly_one_ticket_with_its_last_step) {
  session_steps steps(basic_server(), {.version = GetParam()});
  steps.client_handshake()
      .handshake(progress::want_input, {"started", "client_hello"})
      .client_handshake()
      .handshake(progress::done, {});
  EXPECT_NE(steps.unsent_output(), "");
  steps.client_is_connected().client_receives("");
  EXPECT_EQ(steps.client().tickets().size(), 1U);

  steps.client_sends("ping").reads("ping").writes("pong").client_receives("pong");
  steps.shutdown(progress::done, {"alert_sent warning close_notify"}).client_saw_the_end();
  EXPECT_EQ(steps.client().tickets().size(), 1U);
}

TEST(session_resumption, tls_1_2) {
  const ssl_session_ptr ticket = ticket_of(basic_server(), TLS1_2_VERSION);
  ASSERT_NE(ticket, nullptr);
  for (const delivery& how : {delivery{}, single_bytes}) {
    session_steps steps(basic_server(), {.version = TLS1_2_VERSION, .resumed = ticket}, how);
    steps.client_handshake()
        .handshake(progress::want_input, {"started", "client_hello"})
        .client_handshake()  // Finished: in TLS 1.2 the server's comes first here
        .handshake(progress::done, {})
        .client_is_connected()
        .client_sends("again")
        .reads("again");
    EXPECT_TRUE(steps.server().resumed());
    EXPECT_TRUE(steps.client().resumed());
  }
}

TEST(session_resumption, tls_1_3) {
  for (const delivery& how : {delivery{}, single_bytes}) {
    const ssl_session_ptr ticket = ticket_of(basic_server(), TLS1_3_VERSION);  // a client uses it once
    ASSERT_NE(ticket, nullptr);
    session_steps steps(basic_server(), {.version = TLS1_3_VERSION, .resumed = ticket}, how);
    steps.client_handshake()
        .handshake(progress::want_input, {"started", "client_hello"})
        .client_handshake()
        .handshake(progress::done, {})
        .client_is_connected()
        .client_receives("")
        .client_sends("again")
        .reads("again");
    EXPECT_TRUE(steps.server().resumed());
    EXPECT_TRUE(steps.client().resumed());
    EXPECT_EQ(steps.client().tickets().size(), 1U) << "the ticket of the next connection";
  }
}

TEST_P(session_handshake, a_ticket_of_another_context_means_a_full_handshake) {
  const context other = make_context(basic_configuration());
  for (const delivery& how : {delivery{}, single_bytes}) {
    const ssl_session_ptr ticket = ticket_of(other, GetParam());
    ASSERT_NE(ticket, nullptr);
    session_steps steps(basic_server(), {.version = GetParam(), .resumed = ticket}, how);
    steps.client_handshake()
        .handshake(progress::want_input, {"started", "client_hello"})
        .client_handshake()
        .handshake(progress::done, {})
        .client_is_connected();
    EXPECT_FALSE(steps.server().resumed());
  }
}

TEST_P(session_handshake, a_damaged_ticket_is_no_failure) {
  const ssl_session_ptr session = ticket_of(basic_server(), GetParam());
  ASSERT_NE(session, nullptr);
  const unsigned char* data = nullptr;
  std::size_t size = 0;
  SSL_SESSION_get0_ticket(session.get(), &data, &size);
  const std::string ticket(reinterpret_cast<const char*>(data), size);
  ASSERT_GT(size, 64U);
  for (std::size_t at = 0; at < size; at += 7) {
    SCOPED_TRACE(at);
    session_steps steps(basic_server(), {.version = GetParam(), .resumed = session});
    steps.client_handshake()
        .change_input([&](std::string& input) {
          char& byte = input.at(input.find(ticket) + at);
          byte = static_cast<char>(byte ^ 1);
        })
        .handshake(progress::want_input, {"started", "client_hello"});
  }
}

// No 0-RTT: what a client sends in it can be replayed by others.
TEST(session_resumption, tickets_allow_no_early_data) {
  const ssl_session_ptr ticket = ticket_of(basic_server(), TLS1_3_VERSION);
  ASSERT_NE(ticket, nullptr);
  EXPECT_EQ(SSL_SESSION_get_max_early_data(ticket.get()), 0U);
}

// ---- client certificates ----

TEST_P(session_handshake, with_a_client_certificate_and_then_with_a_ticket) {
  const context server = make_context(client_certificate_configuration());
  const credentials mine = issue(test_ca(), {.common_name = "client", .extended_key_usage = "clientAuth"});
  for (const delivery& how : {delivery{}, single_bytes}) {
    session_steps steps(server, {.version = GetParam(), .certificate = mine}, how);
    steps.client_handshake()
        .handshake(progress::want_input, {"started", "client_hello"})
        .client_handshake()
        .handshake(progress::done, {})
        .client_is_connected()
        .client_sends("it is me")
        .reads("it is me")
        .writes("come in")
        .client_receives("come in");
    EXPECT_EQ(steps.client().tickets().size(), 1U);
  }
}

TEST_P(session_handshake, with_a_certificate_that_is_asked_for_and_not_required) {
  ssl_configuration configuration = client_certificate_configuration();
  configuration.verify_mode = peer_verify_mode::query;
  const context server = make_context(configuration);
  const credentials stranger = make_self_signed({.common_name = "stranger"});
  for (const auto& certificate : std::vector<std::optional<credentials>>{std::nullopt, stranger}) {
    for (const delivery& how : {delivery{}, single_bytes}) {
      session_steps steps(server, {.version = GetParam(), .certificate = certificate}, how);
      steps.client_handshake().handshake(progress::want_input, {"started", "client_hello"}).client_handshake();
      if (certificate) steps.asks(handshake_question::ssl_errors);
      steps.handshake(progress::done, {}).client_is_connected().client_receives("");
      EXPECT_EQ(steps.client().tickets().size(), certificate ? 0U : 1U) << "errors that were passed over";
    }
  }
}

// The signature that doesn't fit leaves an error on OpenSSL's queue. As it is overruled, it must not pass for the
// reason why the handshake stops when the certificate is all that has come yet.
TEST_P(session_handshake, with_a_forged_certificate_that_does_not_matter) {
  ssl_configuration configuration = client_certificate_configuration();
  configuration.verify_mode = peer_verify_mode::query;
  const context server = make_context(configuration);
  const credentials forged = forge(issue(test_ca(), {.common_name = "client"}));
  for (const delivery& how : {delivery{}, single_bytes}) {
    session_steps(server, {.version = GetParam(), .certificate = forged}, how)
        .client_handshake()
        .handshake(progress::want_input, {"started", "client_hello"})
        .client_handshake()
        .asks(handshake_question::ssl_errors)
        .handshake(progress::done, {})
        .client_is_connected();
  }
}

}  // namespace
}  // namespace sallyport::test
