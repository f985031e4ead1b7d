// A server that is asked for names which it doesn't know: its application brings an identity, at once, later, or not.
//
// SPDX-License-Identifier: Apache-2.0
#include "gate_fixture.hpp"

#include <openssl/ssl.h>

namespace sallyport::test {
namespace {

const std::string unknown = "new.example";

identity identity_for(const std::string& name) { return identity::self_signed({name}).value(); }

class server_name : public gate_fixture, public testing::WithParamInterface<int> {
 protected:
  server_name() { server->set_handshake_timeout(patience); }

  void open_and_ask(unknown_name_policy policy) {
    ssl_configuration configuration = make_configuration();
    configuration.ask_about_unknown_names = true;
    configuration.unknown_names = policy;
    open(configuration);
  }

  std::future<fate> ask_for(const std::string& name) const {
    return knock(port, {.version = GetParam(), .server_name = name});
  }

  /// The identity's own certificate is whom this client trusts.
  std::future<fate> ask_for(const std::string& name, const identity& expected) const {
    return knock(port, {.version = GetParam(), .server_name = name, .trusted = expected.certificate_pem()});
  }

  void expect_refusal(const fate& seen) {
    EXPECT_EQ(seen.alerts, std::vector<std::string>{"fatal unrecognized name"});
    EXPECT_EQ(seen.end, stream_end::fin);
    EXPECT_EQ(keeper.let_in, 0);
    expect_the_books_to_balance();
  }
};
INSTANTIATE_TEST_SUITE_P(versions, server_name, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) { return version.param == TLS1_2_VERSION ? "tls_1_2" : "tls_1_3"; });

TEST_P(server_name, gets_the_identity_that_a_slot_brings) {
  const identity brought = identity_for(unknown);
  std::vector<std::string> asked;
  server->unknown_server_name.connect([&](ssl_socket& socket, std::string_view name) {
    asked.emplace_back(name);
    EXPECT_EQ(socket.server_name(), name);
    socket.use_identity(brought);
  });
  open_and_ask(unknown_name_policy::refuse);
  auto client = ask_for(unknown, brought);
  EXPECT_EQ(run_until_done(client).echoed, "hello");
  auto known = ask_for("localhost");
  EXPECT_EQ(run_until_done(known).echoed, "hello");
  EXPECT_EQ(asked, std::vector<std::string>{unknown});
  expect_the_books_to_balance();
}

TEST_P(server_name, gets_the_identity_that_another_thread_brings_later) {
  const identity brought = identity_for(unknown);
  std::optional<deferred_identity> held;
  server->unknown_server_name.connect([&](ssl_socket& socket, std::string_view) {
    held = socket.defer_identity();
    EXPECT_EQ(held->server_name(), unknown);
    EXPECT_EQ(held->id(), socket.id());
    // Whoever has deferred has no second say.
    socket.use_identity(identity_for("wrong.example"));
    socket.defer_identity().refuse();
  });
  open_and_ask(unknown_name_policy::refuse);
  auto client = ask_for(unknown, brought);
  run_until([&] { return held.has_value(); });
  EXPECT_EQ(server->handshakes_in_progress(), 1U);
  auto bringing = in_background([&] { held->answer(brought); });
  EXPECT_EQ(run_until_done(client).echoed, "hello");
  expect_the_books_to_balance();
}

TEST_P(server_name, is_refused_where_the_decision_is_dropped) {
  std::optional<deferred_identity> held;
  server->unknown_server_name.connect([&](ssl_socket& socket, std::string_view) { held = socket.defer_identity(); });
  open_and_ask(unknown_name_policy::use_default);
  auto client = ask_for(unknown);
  run_until([&] { return held.has_value(); });
  auto dropping = in_background([&] { held.reset(); });
  expect_refusal(run_until_done(client));
  EXPECT_EQ(keeper.reasons, (std::map<std::string, int>{{"unknown_server_name", 1}}));
}

TEST_P(server_name, is_refused_where_nobody_decides_in_time) {
  server->set_handshake_timeout(1s);
  std::optional<deferred_identity> held;
  server->unknown_server_name.connect([&](ssl_socket& socket, std::string_view) { held = socket.defer_identity(); });
  open_and_ask(unknown_name_policy::use_default);
  auto client = ask_for(unknown);
  expect_refusal(run_until_done(client));
  EXPECT_EQ(keeper.reasons, (std::map<std::string, int>{{"timeout_in_handshake", 1}}));
  held->answer(identity_for(unknown));
  expect_the_books_to_balance();
}

TEST_P(server_name, is_what_the_policy_says_without_an_answer) {
  open_and_ask(unknown_name_policy::use_default);
  auto client = ask_for(unknown);
  EXPECT_EQ(run_until_done(client).echoed, "hello");

  ssl_configuration configuration = server->configuration();
  configuration.unknown_names = unknown_name_policy::refuse;
  server->set_configuration(configuration).value();
  auto refused = ask_for(unknown);
  EXPECT_EQ(run_until_done(refused).alerts, std::vector<std::string>{"fatal unrecognized name"});
  EXPECT_EQ(keeper.reasons, (std::map<std::string, int>{{"unknown_server_name", 1}}));
}

TEST_P(server_name, of_a_slot_that_throws_gets_nobody_in) {
  server->unknown_server_name.connect([](ssl_socket& socket, std::string_view) {
    socket.use_identity(identity_for(unknown));
    throw slot_threw();
  });
  open_and_ask(unknown_name_policy::use_default);
  auto client = ask_for(unknown);
  EXPECT_EQ(run_until_done(client).echoed, "");
  EXPECT_EQ(thrown, 1);
  EXPECT_EQ(keeper.let_in, 0);
  expect_the_books_to_balance();
}

TEST_P(server_name, means_nothing_elsewhere) {
  server->started_encryption_handshake.connect([](ssl_socket& socket) {
    socket.use_identity(identity_for(unknown));
    socket.defer_identity().refuse();
  });
  open_and_ask(unknown_name_policy::use_default);
  auto client = ask_for(unknown);
  EXPECT_EQ(run_until_done(client).echoed, "hello");
}

}  // namespace
}  // namespace sallyport::test
