// Contract section 5: who is asked for a certificate, what is told about it, and who is let in.
//
// SPDX-License-Identifier: Apache-2.0
#include "contract_fixture.hpp"

#include <functional>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

namespace sallyport::test {
namespace {

std::string name_of(alert_type type) { return std::string(to_string(type)); }

std::string name_of(peer_verify_mode mode) {
  switch (mode) {
    case peer_verify_mode::none:
      return "none";
    case peer_verify_mode::query:
      return "query";
    case peer_verify_mode::verify:
      break;
  }
  return "verify";
}

/// RFC 8446 section 6.2 has an alert for it, TLS 1.2 hasn't.
alert_type alert_for_no_certificate(tls_version version) {
  return version == tls_version::tls_1_3 ? alert_type::certificate_required : alert_type::handshake_failure;
}

constexpr auto about_stranger = "unable_to_get_local_issuer_certificate unable_to_verify_first_certificate";

/// What is told about a client whom nobody in the trust store has issued, up to the decision.
events told_about_stranger() {
  return {"started", "peer_verify_error unable_to_get_local_issuer_certificate",
          "peer_verify_error unable_to_verify_first_certificate", std::string("ssl_errors ") + about_stranger};
}
events refused_as_stranger(events told, alert_type alert = alert_type::unknown_ca) {
  told.push_back("alert_sent fatal " + name_of(alert));
  told.push_back("error client_certificate_unknown_ca");
  return told;
}
events let_in(events told) {
  told.push_back("available");
  return told;
}

// --- the table ---

enum class sent { nothing, bad, good };

std::string name_of(sent certificate) {
  switch (certificate) {
    case sent::nothing:
      return "no_certificate";
    case sent::bad:
      return "a_bad_one";
    case sent::good:
      break;
  }
  return "a_good_one";
}

class peer_verify_mode_table : public contract_fixture,
                               public testing::WithParamInterface<std::tuple<peer_verify_mode, sent, tls_version>> {
 protected:
  wire_client_options client(const credentials& bad) const {
    switch (certificate) {
      case sent::nothing:
        return only(version);
      case sent::bad:
        return with_certificate(version, bad);
      case sent::good:
        break;
    }
    return with_certificate(version, clients().alice);
  }
  bool is_let_in() const { return mode != peer_verify_mode::verify || certificate == sent::good; }

  const peer_verify_mode mode = std::get<0>(GetParam());
  const sent certificate = std::get<1>(GetParam());
  const tls_version version = std::get<2>(GetParam());
};

TEST_P(peer_verify_mode_table, certificate_is_asked_for_unless_the_mode_is_none) {
  use(make_verifying_configuration(mode));
  EXPECT_EQ(run(client(clients().stranger)).requested_cas.has_value(), mode != peer_verify_mode::none);
}

TEST_P(peer_verify_mode_table, what_is_told_and_who_is_let_in) {
  use(make_verifying_configuration(mode));
  const auto view = run(client(clients().expired));

  events expected{"started"};
  const bool is_asked = mode != peer_verify_mode::none;
  if (is_asked && certificate == sent::bad)
    expected.insert(expected.end(), {"peer_verify_error certificate_expired", "ssl_errors certificate_expired"});
  if (mode == peer_verify_mode::verify && certificate == sent::nothing)
    expected.insert(expected.end(), {"peer_verify_error no_peer_certificate", "ssl_errors no_peer_certificate"});
  if (is_let_in()) {
    expected.push_back("available");
  } else if (certificate == sent::nothing) {
    expected.insert(expected.end(),
                    {"alert_sent fatal " + name_of(alert_for_no_certificate(version)), "error no_client_certificate"});
  } else {
    expected.insert(expected.end(), {"alert_sent fatal certificate_expired", "error client_certificate_expired"});
  }
  EXPECT_EQ(trace, expected);
  EXPECT_EQ(view.let_in, is_let_in());
  EXPECT_EQ(accepted.has_value(), is_let_in());
}

TEST_P(peer_verify_mode_table, several_errors_are_told_one_by_one_and_then_together) {
  use(make_verifying_configuration(mode));
  const auto view = run(client(clients().stranger));
  EXPECT_EQ(view.let_in, is_let_in());
  if (certificate != sent::bad) return;
  if (mode == peer_verify_mode::none)
    EXPECT_EQ(trace, (events{"started", "available"}));
  else if (mode == peer_verify_mode::query)
    EXPECT_EQ(trace, let_in(told_about_stranger()));
  else
    EXPECT_EQ(trace, refused_as_stranger(told_about_stranger()));
}

TEST_P(peer_verify_mode_table, the_refused_client_reads_the_alert) {
  use(make_verifying_configuration(mode));
  const auto view = run(client(clients().expired));
  if (is_let_in())
    EXPECT_EQ(view.alert, "");
  else if (certificate == sent::nothing)
    EXPECT_EQ(view.alert, to_string(alert_for_no_certificate(version)));
  else
    EXPECT_EQ(view.alert, "certificate_expired");
}

TEST_P(peer_verify_mode_table, peer_certificate_is_the_one_that_was_sent) {
  use(make_verifying_configuration(mode));
  run(client(clients().expired));
  if (!accepted) return;
  const bool shown = mode != peer_verify_mode::none && certificate != sent::nothing;
  ASSERT_EQ(accepted->peer_certificate().has_value(), shown);
  EXPECT_EQ(accepted->peer_certificate_chain().size(), shown ? 1U : 0U);
  if (shown) {
    EXPECT_EQ(accepted->peer_certificate()->common_name(), certificate == sent::good ? "alice" : "expired");
  }
}

TEST_P(peer_verify_mode_table, whoever_is_refused_has_no_socket_and_no_place) {
  use(make_verifying_configuration(mode));
  run(client(clients().stranger));
  EXPECT_EQ(server.handshakes_in_progress(), 0U);
  EXPECT_EQ(server.pending_connections(), 0U);
  // What lingers, so that the alert arrives, isn't the user's.
  EXPECT_EQ(accepted.has_value(), is_let_in());
}

INSTANTIATE_TEST_SUITE_P(contract, peer_verify_mode_table,
                         testing::Combine(testing::Values(peer_verify_mode::none, peer_verify_mode::query,
                                                          peer_verify_mode::verify),
                                          testing::Values(sent::nothing, sent::bad, sent::good), both_versions()),
                         [](const auto& info) {
                           return name_of(std::get<0>(info.param)) + "_" + name_of(std::get<1>(info.param)) + "_" +
                                  (std::get<2>(info.param) == tls_version::tls_1_2 ? "tls_1_2" : "tls_1_3");
                         });

class peer_verify_mode_contract : public contract_in_both_versions {
 protected:
  /// A server that refuses strangers unless a slot says otherwise.
  void verify() { use(make_verifying_configuration(peer_verify_mode::verify)); }
  client_view run_stranger() { return run(with_certificate(version(), clients().stranger)); }

  void on_started(std::function<void(ssl_socket&)> slot) { server.started_encryption_handshake.connect(slot); }
  void on_errors(std::function<void(ssl_socket&, std::span<const ssl_error>)> slot) { server.ssl_errors.connect(slot); }

  /// The errors that are told about a stranger.
  std::vector<ssl_error> errors_about(const credentials& client) {
    std::vector<ssl_error> found;
    const boost::signals2::scoped_connection slot = server.ssl_errors.connect(
        [&](ssl_socket&, std::span<const ssl_error> errors) { found.assign(errors.begin(), errors.end()); });
    run(with_certificate(version(), client));
    trace.clear();
    return found;
  }
};
INSTANTIATE_TEST_SUITE_P(both, peer_verify_mode_contract, both_versions(), name_of_version);

// --- the modes ---

// QSslSocket's default is AutoVerifyPeer, which asks.
TEST_P(peer_verify_mode_contract, default_is_none_and_asks_for_nothing) {
  EXPECT_EQ(ssl_configuration().verify_mode, peer_verify_mode::none);
  use(make_configuration());
  const auto view = run(with_certificate(version(), clients().alice));
  EXPECT_TRUE(view.let_in);
  EXPECT_FALSE(view.requested_cas.has_value());
  EXPECT_EQ(trace, (events{"started", "available"}));
}

TEST_P(peer_verify_mode_contract, host_name_is_never_checked) {
  verify();
  const auto elsewhere =
      issue(clients().ca, {.common_name = "elsewhere.example", .names = {"elsewhere.example", "192.0.2.1"}});
  EXPECT_TRUE(run(with_certificate(version(), elsewhere)).let_in);
  EXPECT_EQ(trace, (events{"started", "available"}));
}

TEST_P(peer_verify_mode_contract, each_bad_certificate_has_its_errors_and_its_alert) {
  verify();
  struct refusal {
    const credentials& client;
    std::string error;
    alert_type alert;
    std::string reason;
  };
  const auto& kinds = clients();
  for (const auto& [client, error, alert, reason] :
       {refusal{kinds.expired, "certificate_expired", alert_type::certificate_expired, "client_certificate_expired"},
        refusal{kinds.not_yet_valid, "certificate_not_yet_valid", alert_type::certificate_expired,
                "client_certificate_expired"},
        refusal{kinds.self_signed, "self_signed_certificate", alert_type::unknown_ca, "client_certificate_unknown_ca"},
        refusal{kinds.wrong_purpose, "invalid_purpose", alert_type::unsupported_certificate,
                "client_certificate_rejected"}}) {
    trace.clear();
    const auto view = run(with_certificate(version(), client));
    EXPECT_FALSE(view.let_in) << error;
    EXPECT_EQ(view.alert, to_string(alert));
    EXPECT_EQ(trace, (events{"started", "peer_verify_error " + error, "ssl_errors " + error,
                             "alert_sent fatal " + name_of(alert), "error " + reason}));
  }
}

TEST_P(peer_verify_mode_contract, errors_name_their_certificate_and_its_depth) {
  verify();
  const auto errors = errors_about(clients().stranger);
  ASSERT_EQ(errors.size(), 2U);
  for (const auto& error : errors) {
    EXPECT_EQ(error.depth, 0);
    ASSERT_TRUE(error.certificate.has_value());
    EXPECT_EQ(error.certificate->common_name(), "stranger");
    EXPECT_THAT(error.error_string(), testing::HasSubstr("stranger"));
  }
}

TEST_P(peer_verify_mode_contract, error_about_no_certificate_has_no_certificate) {
  verify();
  std::vector<ssl_error> found;
  on_errors([&](ssl_socket&, std::span<const ssl_error> errors) { found.assign(errors.begin(), errors.end()); });
  run(only(version()));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].code, ssl_error_code::no_peer_certificate);
  EXPECT_FALSE(found[0].certificate.has_value());
}

// --- missing_certificate_is_fatal ---

TEST_P(peer_verify_mode_contract, missing_certificate_is_fatal_refuses_without_ssl_errors) {
  auto configuration = make_verifying_configuration(peer_verify_mode::verify);
  configuration.missing_certificate_is_fatal = true;
  use(configuration);
  const auto view = run(only(version()));
  const auto alert = alert_for_no_certificate(version());
  EXPECT_FALSE(view.let_in);
  EXPECT_EQ(view.alert, to_string(alert));
  EXPECT_EQ(trace, (events{"started", "alert_sent fatal " + name_of(alert), "error no_client_certificate"}));
}

TEST_P(peer_verify_mode_contract, missing_certificate_is_fatal_cannot_be_ignored) {
  auto configuration = make_verifying_configuration(peer_verify_mode::verify);
  configuration.missing_certificate_is_fatal = true;
  use(configuration);
  on_started([](ssl_socket& socket) { socket.ignore_ssl_errors(); });
  EXPECT_FALSE(run(only(version())).let_in);
  EXPECT_EQ(trace.back(), "error no_client_certificate");
}

TEST_P(peer_verify_mode_contract, missing_certificate_is_fatal_concerns_verify_alone) {
  auto configuration = make_verifying_configuration(peer_verify_mode::query);
  configuration.missing_certificate_is_fatal = true;
  use(configuration);
  EXPECT_TRUE(run(only(version())).let_in);
  EXPECT_EQ(trace, (events{"started", "available"}));
}

TEST_P(peer_verify_mode_contract, missing_certificate_is_fatal_changes_nothing_about_a_bad_one) {
  auto configuration = make_verifying_configuration(peer_verify_mode::verify);
  configuration.missing_certificate_is_fatal = true;
  use(configuration);
  EXPECT_FALSE(run_stranger().let_in);
  EXPECT_EQ(trace, refused_as_stranger(told_about_stranger()));
}

// --- ignore_ssl_errors() ---

TEST_P(peer_verify_mode_contract, ignore_ssl_errors_in_the_slot_of_ssl_errors_lets_in) {
  verify();
  ignore_all_ssl_errors();
  EXPECT_TRUE(run_stranger().let_in);
  EXPECT_EQ(trace, let_in(told_about_stranger()));
}

TEST_P(peer_verify_mode_contract, ignore_ssl_errors_before_the_errors_lets_in) {
  verify();
  on_started([](ssl_socket& socket) { socket.ignore_ssl_errors(); });
  EXPECT_TRUE(run_stranger().let_in);
  EXPECT_EQ(trace, let_in(told_about_stranger()));
}

TEST_P(peer_verify_mode_contract, ignore_ssl_errors_in_the_slot_of_peer_verify_error_lets_in) {
  verify();
  server.peer_verify_error.connect([](ssl_socket& socket, const ssl_error&) { socket.ignore_ssl_errors(); });
  EXPECT_TRUE(run_stranger().let_in);
  EXPECT_EQ(trace, let_in(told_about_stranger()));
}

TEST_P(peer_verify_mode_contract, ignore_ssl_errors_lets_in_who_has_no_certificate) {
  verify();
  ignore_all_ssl_errors();
  EXPECT_TRUE(run(only(version())).let_in);
  EXPECT_EQ(trace, (events{"started", "peer_verify_error no_peer_certificate", "ssl_errors no_peer_certificate",
                           "available"}));
  EXPECT_FALSE(accepted->peer_certificate().has_value());
}

TEST_P(peer_verify_mode_contract, ignore_ssl_errors_is_for_one_connection) {
  verify();
  bool ignores = true;
  on_errors([&](ssl_socket& socket, std::span<const ssl_error>) {
    if (std::exchange(ignores, false)) socket.ignore_ssl_errors();
  });
  EXPECT_TRUE(run_stranger().let_in);
  trace.clear();
  EXPECT_FALSE(run_stranger().let_in);
  EXPECT_EQ(trace, refused_as_stranger(told_about_stranger()));
}

TEST_P(peer_verify_mode_contract, ignore_ssl_errors_after_the_refusal_has_no_effect) {
  verify();
  server.error_occurred.connect([](ssl_socket& socket, error_code) { socket.ignore_ssl_errors(); });
  server.alert_sent.connect(
      [](ssl_socket& socket, alert_level, alert_type, std::string_view) { socket.ignore_ssl_errors(); });
  EXPECT_FALSE(run_stranger().let_in);
  EXPECT_EQ(trace, refused_as_stranger(told_about_stranger()));
}

// --- ignore_ssl_errors(list) ---

TEST_P(peer_verify_mode_contract, ignored_list_with_all_errors_lets_in) {
  verify();
  const auto expected = errors_about(clients().stranger);
  on_errors([&](ssl_socket& socket, std::span<const ssl_error>) { socket.ignore_ssl_errors(expected); });
  EXPECT_TRUE(run_stranger().let_in);
  EXPECT_EQ(trace, let_in(told_about_stranger()));
}

TEST_P(peer_verify_mode_contract, ignored_list_may_come_before_the_handshake_and_in_any_order) {
  verify();
  const auto found = errors_about(clients().stranger);
  const std::vector<ssl_error> expected(found.rbegin(), found.rend());
  on_started([&](ssl_socket& socket) { socket.ignore_ssl_errors(expected); });
  EXPECT_TRUE(run_stranger().let_in);
  EXPECT_EQ(trace, let_in(told_about_stranger()));
}

TEST_P(peer_verify_mode_contract, ignored_list_without_one_of_the_errors_refuses) {
  verify();
  const auto expected = errors_about(clients().stranger);
  ASSERT_EQ(expected.size(), 2U);
  for (const auto& only_one : expected) {
    trace.clear();
    const boost::signals2::scoped_connection slot =
        server.ssl_errors.connect([&](ssl_socket& socket, std::span<const ssl_error>) {
          socket.ignore_ssl_errors({&only_one, 1});
        });
    EXPECT_FALSE(run_stranger().let_in);
    EXPECT_EQ(trace, refused_as_stranger(told_about_stranger()));
  }
}

TEST_P(peer_verify_mode_contract, ignored_list_that_is_not_empty_decides_alone) {
  verify();
  const auto expected = errors_about(clients().stranger);
  ASSERT_EQ(expected.size(), 2U);
  on_errors([&](ssl_socket& socket, std::span<const ssl_error>) {
    socket.ignore_ssl_errors();
    socket.ignore_ssl_errors({expected.data(), 1});
    socket.ignore_ssl_errors();
  });
  EXPECT_FALSE(run_stranger().let_in);
  EXPECT_EQ(trace, refused_as_stranger(told_about_stranger()));
}

TEST_P(peer_verify_mode_contract, ignored_list_that_is_empty_leaves_the_decision_to_the_flag) {
  verify();
  for (const bool flag : {true, false}) {
    trace.clear();
    const boost::signals2::scoped_connection slot =
        server.ssl_errors.connect([&](ssl_socket& socket, std::span<const ssl_error>) {
          if (flag) socket.ignore_ssl_errors();
          socket.ignore_ssl_errors({});
        });
    EXPECT_EQ(run_stranger().let_in, flag);
    EXPECT_EQ(trace, flag ? let_in(told_about_stranger()) : refused_as_stranger(told_about_stranger()));
  }
}

TEST_P(peer_verify_mode_contract, ignored_list_replaces_the_former_one) {
  verify();
  const auto expected = errors_about(clients().stranger);
  ASSERT_EQ(expected.size(), 2U);
  on_started([&](ssl_socket& socket) { socket.ignore_ssl_errors({expected.data(), 1}); });
  on_errors([&](ssl_socket& socket, std::span<const ssl_error>) { socket.ignore_ssl_errors(expected); });
  EXPECT_TRUE(run_stranger().let_in);

  trace.clear();
  on_errors([&](ssl_socket& socket, std::span<const ssl_error>) { socket.ignore_ssl_errors({}); });
  EXPECT_FALSE(run_stranger().let_in);
  EXPECT_EQ(trace, refused_as_stranger(told_about_stranger()));
}

TEST_P(peer_verify_mode_contract, ignored_list_compares_code_and_certificate) {
  verify();
  const auto about_another = errors_about(issue(clients().other_ca, {.common_name = "another stranger"}));
  ASSERT_EQ(about_another.size(), 2U);
  on_errors([&](ssl_socket& socket, std::span<const ssl_error>) { socket.ignore_ssl_errors(about_another); });
  EXPECT_FALSE(run_stranger().let_in);
  EXPECT_EQ(trace, refused_as_stranger(told_about_stranger()));
}

TEST_P(peer_verify_mode_contract, ignored_list_can_expect_that_there_is_no_certificate) {
  verify();
  const ssl_error missing{.code = ssl_error_code::no_peer_certificate};
  on_started([&](ssl_socket& socket) { socket.ignore_ssl_errors({&missing, 1}); });
  EXPECT_TRUE(run(only(version())).let_in);
  trace.clear();
  EXPECT_FALSE(run_stranger().let_in);
  EXPECT_EQ(trace, refused_as_stranger(told_about_stranger()));
}

TEST_P(peer_verify_mode_contract, ignored_list_does_not_refuse_in_query) {
  use(make_verifying_configuration(peer_verify_mode::query));
  const ssl_error missing{.code = ssl_error_code::no_peer_certificate};
  on_started([&](ssl_socket& socket) { socket.ignore_ssl_errors({&missing, 1}); });
  EXPECT_TRUE(run_stranger().let_in);
  EXPECT_EQ(trace, let_in(told_about_stranger()));
}

// --- a slot that ends it ---

TEST_P(peer_verify_mode_contract, abort_in_the_slot_of_ssl_errors_lets_nobody_in) {
  for (const auto mode : {peer_verify_mode::query, peer_verify_mode::verify}) {
    trace.clear();
    use(make_verifying_configuration(mode));
    const boost::signals2::scoped_connection slot =
        server.ssl_errors.connect([&](ssl_socket& socket, std::span<const ssl_error>) {
          socket.ignore_ssl_errors();
          socket.abort();
        });
    EXPECT_FALSE(run_stranger().let_in);
    auto expected = told_about_stranger();
    expected.push_back("error aborted");
    EXPECT_EQ(trace, expected);
  }
}

TEST_P(peer_verify_mode_contract, a_slot_of_ssl_errors_that_throws_lets_nobody_in) {
  use(make_verifying_configuration(peer_verify_mode::query));
  on_errors([](ssl_socket& socket, std::span<const ssl_error>) {
    socket.ignore_ssl_errors();
    throw std::domain_error("thrown by a slot");
  });
  auto client = in_background([this, port = port()] {
    return run_client(raw_client::to_port(port), with_certificate(version(), clients().stranger));
  });
  EXPECT_THROW(serve(client), std::domain_error);
  EXPECT_FALSE(serve(client).let_in);
  EXPECT_EQ(server.pending_connections(), 0U);
  EXPECT_FALSE(accepted.has_value());
}

// --- handshake_must_interrupt_on_error ---

class interruption_contract : public peer_verify_mode_contract {
 protected:
  void interrupt(peer_verify_mode mode) {
    auto configuration = make_verifying_configuration(mode);
    configuration.handshake_must_interrupt_on_error = true;
    use(configuration);
  }
  void on_interrupted(std::function<void(ssl_socket&, const ssl_error&)> slot) {
    server.handshake_interrupted_on_error.connect(slot);
  }
  static events interrupted_twice() {
    return {"started", "handshake_interrupted_on_error unable_to_get_local_issuer_certificate",
            "handshake_interrupted_on_error unable_to_verify_first_certificate",
            std::string("ssl_errors ") + about_stranger};
  }
  static events interrupted_once() {
    return {"started", "handshake_interrupted_on_error unable_to_get_local_issuer_certificate"};
  }
};
INSTANTIATE_TEST_SUITE_P(both, interruption_contract, both_versions(), name_of_version);

TEST_P(interruption_contract, not_continued_is_refused_without_ssl_errors) {
  for (const auto mode : {peer_verify_mode::query, peer_verify_mode::verify}) {
    trace.clear();
    interrupt(mode);
    const auto view = run_stranger();
    EXPECT_FALSE(view.let_in);
    EXPECT_EQ(view.alert, "unknown_ca");
    EXPECT_EQ(trace, refused_as_stranger(interrupted_once()));
  }
}

TEST_P(interruption_contract, the_alert_follows_the_error) {
  interrupt(peer_verify_mode::query);
  EXPECT_EQ(run(with_certificate(version(), clients().expired)).alert, "certificate_expired");
  EXPECT_EQ(trace, (events{"started", "handshake_interrupted_on_error certificate_expired",
                           "alert_sent fatal certificate_expired", "error client_certificate_expired"}));
}

TEST_P(interruption_contract, continued_goes_on_to_ssl_errors_without_peer_verify_error) {
  interrupt(peer_verify_mode::verify);
  on_interrupted([](ssl_socket& socket, const ssl_error&) { socket.continue_interrupted_handshake(); });
  EXPECT_FALSE(run_stranger().let_in);
  EXPECT_EQ(trace, refused_as_stranger(interrupted_twice()));
}

TEST_P(interruption_contract, continued_needs_ignore_ssl_errors_too_in_verify) {
  interrupt(peer_verify_mode::verify);
  on_interrupted([](ssl_socket& socket, const ssl_error&) { socket.continue_interrupted_handshake(); });
  ignore_all_ssl_errors();
  EXPECT_TRUE(run_stranger().let_in);
  EXPECT_EQ(trace, let_in(interrupted_twice()));
}

TEST_P(interruption_contract, continued_is_enough_in_query) {
  interrupt(peer_verify_mode::query);
  on_interrupted([](ssl_socket& socket, const ssl_error&) { socket.continue_interrupted_handshake(); });
  EXPECT_TRUE(run_stranger().let_in);
  EXPECT_EQ(trace, let_in(interrupted_twice()));
}

TEST_P(interruption_contract, continue_outside_its_slot_has_no_effect) {
  interrupt(peer_verify_mode::verify);
  on_started([](ssl_socket& socket) { socket.continue_interrupted_handshake(); });
  ignore_all_ssl_errors();
  EXPECT_FALSE(run_stranger().let_in);
  EXPECT_EQ(trace, refused_as_stranger(interrupted_once()));
}

TEST_P(interruption_contract, continue_is_for_one_error) {
  interrupt(peer_verify_mode::verify);
  bool continues = true;
  on_interrupted([&](ssl_socket& socket, const ssl_error&) {
    if (std::exchange(continues, false)) socket.continue_interrupted_handshake();
  });
  ignore_all_ssl_errors();
  EXPECT_FALSE(run_stranger().let_in);
  auto told = interrupted_once();
  told.push_back("handshake_interrupted_on_error unable_to_verify_first_certificate");
  EXPECT_EQ(trace, refused_as_stranger(told));
}

TEST_P(interruption_contract, continue_in_the_slot_of_ssl_errors_does_not_ignore_them) {
  interrupt(peer_verify_mode::verify);
  on_interrupted([](ssl_socket& socket, const ssl_error&) { socket.continue_interrupted_handshake(); });
  on_errors([](ssl_socket& socket, std::span<const ssl_error>) { socket.continue_interrupted_handshake(); });
  EXPECT_FALSE(run_stranger().let_in);
  EXPECT_EQ(trace, refused_as_stranger(interrupted_twice()));
}

TEST_P(interruption_contract, ignore_ssl_errors_does_not_continue) {
  interrupt(peer_verify_mode::verify);
  on_interrupted([](ssl_socket& socket, const ssl_error&) { socket.ignore_ssl_errors(); });
  EXPECT_FALSE(run_stranger().let_in);
  EXPECT_EQ(trace, refused_as_stranger(interrupted_once()));
}

TEST_P(interruption_contract, a_missing_certificate_interrupts_in_verify) {
  interrupt(peer_verify_mode::verify);
  on_interrupted([](ssl_socket& socket, const ssl_error& error) {
    EXPECT_FALSE(error.certificate.has_value());
    socket.continue_interrupted_handshake();
  });
  ignore_all_ssl_errors();
  EXPECT_TRUE(run(only(version())).let_in);
  EXPECT_EQ(trace, (events{"started", "handshake_interrupted_on_error no_peer_certificate",
                           "ssl_errors no_peer_certificate", "available"}));
}

TEST_P(interruption_contract, a_missing_certificate_does_not_interrupt_in_query) {
  interrupt(peer_verify_mode::query);
  EXPECT_TRUE(run(only(version())).let_in);
  EXPECT_EQ(trace, (events{"started", "available"}));
}

TEST_P(interruption_contract, a_good_certificate_does_not_interrupt) {
  interrupt(peer_verify_mode::verify);
  EXPECT_TRUE(run(with_certificate(version(), clients().alice)).let_in);
  EXPECT_EQ(trace, (events{"started", "available"}));
}

// --- deciding later: what QSslSocket's PauseOnSslErrors and resume() are for ---

class deferral_contract : public interruption_contract {
 protected:
  deferral_contract() { interrupt(peer_verify_mode::verify); }

  /// A stranger whose handshake has just been deferred, and what it saw in the end.
  std::future<client_view> start_stranger() {
    slot = server.handshake_interrupted_on_error.connect([this](ssl_socket& socket, const ssl_error&) {
      // The later errors are none of the test's concern.
      if (deferred)
        socket.continue_interrupted_handshake();
      else
        deferred = socket.defer_interrupted_handshake();
    });
    auto client = in_background([this, port = port()] {
      return run_client(raw_client::to_port(port), with_certificate(version(), clients().stranger));
    });
    run_until([&] { return deferred.has_value(); });
    EXPECT_EQ(trace, interrupted_once());
    EXPECT_EQ(server.handshakes_in_progress(), 1U);
    return client;
  }

  std::optional<interrupted_handshake> deferred;
  boost::signals2::scoped_connection slot;
};
INSTANTIATE_TEST_SUITE_P(both, deferral_contract, both_versions(), name_of_version);

TEST_P(deferral_contract, knows_the_connection_and_the_error) {
  std::uint64_t id = 0;
  on_started([&](ssl_socket& socket) { id = socket.id(); });
  auto client = start_stranger();
  EXPECT_EQ(deferred->id(), id);
  EXPECT_EQ(deferred->error().code, ssl_error_code::unable_to_get_local_issuer_certificate);
  deferred->abort();
  EXPECT_FALSE(serve(client).let_in);
}

TEST_P(deferral_contract, resumed_and_ignored_lets_in) {
  ignore_all_ssl_errors();
  auto client = start_stranger();
  deferred->resume();
  EXPECT_TRUE(serve(client).let_in);
  EXPECT_EQ(trace, let_in(interrupted_twice()));
}

TEST_P(deferral_contract, resumed_and_not_ignored_refuses) {
  auto client = start_stranger();
  deferred->resume();
  const auto view = serve(client);
  EXPECT_FALSE(view.let_in);
  EXPECT_EQ(view.alert, "unknown_ca");
  EXPECT_EQ(trace, refused_as_stranger(interrupted_twice()));
}

TEST_P(deferral_contract, resumed_from_another_thread_lets_in) {
  ignore_all_ssl_errors();
  auto client = start_stranger();
  std::thread([&] { deferred->resume(); }).join();
  EXPECT_TRUE(serve(client).let_in);
  EXPECT_EQ(trace, let_in(interrupted_twice()));
}

TEST_P(deferral_contract, others_are_served_meanwhile) {
  ignore_all_ssl_errors();
  auto stranger = start_stranger();
  auto alice = in_background([this, port = port()] {
    return run_client(raw_client::to_port(port), with_certificate(version(), clients().alice));
  });
  auto socket = accept();
  write(socket, welcome);
  EXPECT_TRUE(run_until_done(alice).let_in);
  EXPECT_EQ(server.handshakes_in_progress(), 1U);
  deferred->resume();
  EXPECT_TRUE(serve(stranger).let_in);
}

TEST_P(deferral_contract, aborted_sends_the_alert_of_the_error) {
  auto client = start_stranger();
  deferred->abort();
  EXPECT_EQ(serve(client).alert, "unknown_ca");
  EXPECT_EQ(trace, refused_as_stranger(interrupted_once()));
}

TEST_P(deferral_contract, aborted_with_another_alert_sends_that) {
  for (const auto& [chosen, on_the_wire] :
       {std::pair(certificate_alert::handshake_failure, alert_type::handshake_failure),
        std::pair(certificate_alert::bad_certificate, alert_type::bad_certificate),
        std::pair(certificate_alert::unsupported_certificate, alert_type::unsupported_certificate),
        std::pair(certificate_alert::certificate_revoked, alert_type::certificate_revoked),
        std::pair(certificate_alert::certificate_expired, alert_type::certificate_expired),
        std::pair(certificate_alert::certificate_unknown, alert_type::certificate_unknown),
        std::pair(certificate_alert::unknown_ca, alert_type::unknown_ca),
        std::pair(certificate_alert::decrypt_error, alert_type::decrypt_error),
        std::pair(certificate_alert::internal_error, alert_type::internal_error)}) {
    trace.clear();
    deferred.reset();
    auto client = start_stranger();
    deferred->abort(chosen);
    EXPECT_EQ(serve(client).alert, to_string(on_the_wire));
    EXPECT_EQ(trace, refused_as_stranger(interrupted_once(), on_the_wire));
  }
}

TEST_P(deferral_contract, dropped_is_aborted) {
  ignore_all_ssl_errors();
  auto client = start_stranger();
  deferred.reset();
  // What was dropped isn't asked for again: the slot of start_stranger() isn't called a second time.
  EXPECT_EQ(serve(client).alert, "unknown_ca");
  EXPECT_FALSE(deferred.has_value());
  EXPECT_EQ(trace, refused_as_stranger(interrupted_once()));
}

TEST_P(deferral_contract, a_later_decision_has_no_effect) {
  ignore_all_ssl_errors();
  auto client = start_stranger();
  deferred->abort();
  deferred->resume();
  EXPECT_FALSE(serve(client).let_in);
  EXPECT_EQ(trace, refused_as_stranger(interrupted_once()));
}

TEST_P(deferral_contract, undecided_until_the_deadline_is_aborted) {
  server.set_handshake_timeout(400ms);
  ignore_all_ssl_errors();
  auto client = start_stranger();
  const auto view = serve(client);
  EXPECT_EQ(view.alert, "unknown_ca");
  auto expected = interrupted_once();
  expected.insert(expected.end(), {"alert_sent fatal unknown_ca", "error timeout_in_handshake"});
  EXPECT_EQ(trace, expected);
  deferred->resume();
  run_ready();
  EXPECT_EQ(trace, expected);
  EXPECT_FALSE(server.has_pending_connections());
}

TEST_P(deferral_contract, undecided_when_the_server_closes_is_aborted) {
  ignore_all_ssl_errors();
  auto client = start_stranger();
  server.close();
  EXPECT_FALSE(serve(client).let_in);
  auto expected = interrupted_once();
  expected.push_back("error aborted");
  EXPECT_EQ(trace, expected);
  deferred->resume();
  run_ready();
  EXPECT_FALSE(server.has_pending_connections());
}

TEST_P(deferral_contract, deferred_twice_the_first_decides) {
  ignore_all_ssl_errors();
  std::optional<interrupted_handshake> second;
  on_interrupted([&](ssl_socket& socket, const ssl_error&) {
    if (!deferred) deferred = socket.defer_interrupted_handshake();
    if (!second) second = socket.defer_interrupted_handshake();
  });
  auto client = in_background([this, port = port()] {
    return run_client(raw_client::to_port(port), with_certificate(version(), clients().stranger));
  });
  run_until([&] { return second.has_value(); });
  second->resume();
  run_ready();
  EXPECT_EQ(trace, interrupted_once());
  deferred->abort();
  EXPECT_FALSE(serve(client).let_in);
  EXPECT_EQ(trace, refused_as_stranger(interrupted_once()));
}

TEST_P(deferral_contract, continue_after_deferring_has_no_effect) {
  ignore_all_ssl_errors();
  on_interrupted([&](ssl_socket& socket, const ssl_error&) {
    if (!deferred) deferred = socket.defer_interrupted_handshake();
    socket.continue_interrupted_handshake();
  });
  auto client = in_background([this, port = port()] {
    return run_client(raw_client::to_port(port), with_certificate(version(), clients().stranger));
  });
  run_until([&] { return deferred.has_value(); });
  run_ready();
  EXPECT_EQ(trace, interrupted_once());
  deferred->abort();
  EXPECT_FALSE(serve(client).let_in);
  EXPECT_EQ(trace, refused_as_stranger(interrupted_once()));
}

TEST_P(deferral_contract, deferring_outside_its_slot_has_no_effect) {
  // The handshake neither waits for such an object nor goes on because of it.
  std::vector<interrupted_handshake> useless;
  on_started([&](ssl_socket& socket) { useless.push_back(socket.defer_interrupted_handshake()); });
  on_interrupted([&](ssl_socket& socket, const ssl_error&) { socket.continue_interrupted_handshake(); });
  on_errors([&](ssl_socket& socket, std::span<const ssl_error>) {
    useless.push_back(socket.defer_interrupted_handshake());
    for (auto& each : useless) each.resume();
  });
  EXPECT_FALSE(run_stranger().let_in);
  EXPECT_EQ(useless.size(), 2U);
  EXPECT_EQ(trace, refused_as_stranger(interrupted_twice()));
}

// --- as other people's clients see it ---

class peer_verify_mode_programs : public contract_fixture {};

TEST_F(peer_verify_mode_programs, openssl_s_client_reads_the_alert_of_a_refused_certificate) {
  use(make_verifying_configuration(peer_verify_mode::verify));
  const auto [certificate, key] = files_of(clients().expired);
  for (const std::string version : {"-tls1_2", "-tls1_3"}) {
    const auto client = run_s_client({version, "-ign_eof", "-cert", certificate, "-key", key});
    EXPECT_THAT(client.output, testing::HasSubstr("SSL alert number 45"));
    EXPECT_THAT(client.output, testing::Not(testing::HasSubstr("welcome")));
    EXPECT_NE(client.exit_code, 0);
  }
}

TEST_F(peer_verify_mode_programs, openssl_s_client_reads_the_alert_for_no_certificate) {
  use(make_verifying_configuration(peer_verify_mode::verify));
  EXPECT_THAT(run_s_client({"-tls1_2", "-ign_eof"}).output, testing::HasSubstr("SSL alert number 40"));
  EXPECT_THAT(run_s_client({"-tls1_3", "-ign_eof"}).output, testing::HasSubstr("SSL alert number 116"));
}

TEST_F(peer_verify_mode_programs, openssl_s_client_with_a_good_certificate_is_let_in) {
  use(make_verifying_configuration(peer_verify_mode::verify));
  const auto [certificate, key] = files_of(clients().alice);
  for (const std::string version : {"-tls1_2", "-tls1_3"}) {
    EXPECT_THAT(run_s_client({version, "-ign_eof", "-cert", certificate, "-key", key}).output,
                testing::AllOf(testing::HasSubstr("Client CA"), testing::HasSubstr("welcome")));
    EXPECT_EQ(accepted->peer_certificate()->common_name(), "alice");
  }
}

TEST_F(peer_verify_mode_programs, gnutls_cli_reads_the_alert_of_a_refused_certificate) {
  use(make_verifying_configuration(peer_verify_mode::verify));
  const auto [certificate, key] = files_of(clients().expired);
  for (const std::string version : {"NORMAL:-VERS-ALL:+VERS-TLS1.2", "NORMAL:-VERS-ALL:+VERS-TLS1.3"}) {
    const auto client = run_gnutls_cli({"--priority", version, "--x509certfile", certificate, "--x509keyfile", key});
    EXPECT_THAT(client.output, testing::HasSubstr("Received alert [45]")) << version;
    EXPECT_THAT(client.output, testing::Not(testing::HasSubstr("welcome")));
    EXPECT_EQ(trace.back(), "error client_certificate_expired");
  }
}

TEST_F(peer_verify_mode_programs, gnutls_cli_with_a_good_certificate_is_let_in) {
  use(make_verifying_configuration(peer_verify_mode::verify));
  const auto [certificate, key] = files_of(clients().alice);
  for (const std::string version : {"NORMAL:-VERS-ALL:+VERS-TLS1.2", "NORMAL:-VERS-ALL:+VERS-TLS1.3"}) {
    EXPECT_THAT(run_gnutls_cli({"--priority", version, "--x509certfile", certificate, "--x509keyfile", key}).output,
                testing::HasSubstr("welcome"))
        << version;
    EXPECT_EQ(accepted->peer_certificate()->common_name(), "alice");
  }
}

}  // namespace
}  // namespace sallyport::test
