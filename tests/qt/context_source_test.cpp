// context_source: what each of Qt's settings is to the engine, and what is refused with which sentence.
//
// SPDX-License-Identifier: Apache-2.0
#include "context_source.hpp"

#include "ssl_configuration_data.hpp"
#include "support/qt_certificates.hpp"
#include "support/revisit.hpp"
#include "support/session_steps.hpp"
#include "support/test_revocation.hpp"
#include "support/test_servers.hpp"

#include <QtCore/QByteArray>
#include <QtCore/QString>
#include <QtNetwork/QSslCipher>
#include <QtNetwork/QSslDiffieHellmanParameters>
#include <QtNetwork/QSslEllipticCurve>
#include <QtNetwork/QSslSocket>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace sallyport::qt {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using test::credentials;
using test::test_ca;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

const credentials& shown() {
  static const credentials made = test::issue(test_ca(), {.common_name = "server", .names = {"localhost"}});
  return made;
}

const credentials& alice() {
  static const credentials made = test::issue(test_ca(), {.common_name = "alice", .extended_key_usage = "clientAuth"});
  return made;
}

/// Qt's defaults, with a certificate for localhost.
SslConfiguration server() { return test::server_configuration(shown()); }

/// The same, for which clients need a certificate of the test CA.
SslConfiguration verifying_server() {
  SslConfiguration configuration = server();
  configuration.setPeerVerifyMode(::QSslSocket::VerifyPeer);
  configuration.setCaCertificates({test::qt_certificate(test_ca())});
  return configuration;
}

context made(const SslConfiguration& configuration, bool pre_shared_keys = false) {
  const made_context outcome = make_server_context(configuration, pre_shared_keys);
  if (!outcome.made) throw std::runtime_error(outcome.error.toStdString());
  EXPECT_TRUE(outcome.error.isEmpty()) << outcome.error.toStdString();
  return *outcome.made;
}

/// What the engine is told.
ssl_configuration told(const SslConfiguration& configuration, bool pre_shared_keys = false) {
  return made(configuration, pre_shared_keys).configuration();
}

/// The sentence with which it is refused; "" if it isn't.
std::string refusal(const SslConfiguration& configuration, bool pre_shared_keys = false) {
  const made_context outcome = make_server_context(configuration, pre_shared_keys);
  EXPECT_NE(outcome.made.has_value(), !outcome.error.isEmpty());
  return outcome.error.toStdString();
}

/// What a client comes to.
struct handshake_outcome {
  bool complete = false;
  tls_version version{};
  std::string cipher;
  std::string group;
  std::string protocol;
  error_code error;
  std::vector<std::string> alerts;  ///< that the client got
};

handshake_outcome shake_hands(const context& server, const test::memory_client_options& client) {
  test::session_steps steps(server, client);
  step last{progress::want_input};
  for (int i = 0; i < 5 && last.what == progress::want_input; ++i) {
    steps.client_handshake();
    last = steps.run([&](io_window& window) { return steps.server().handshake(window); });
  }
  steps.client_handshake();
  const session& session = steps.server();
  return {.complete = last.what == progress::done,
          .version = session.version(),
          .cipher = std::string(session.cipher()),
          .group = session.key_exchange_group(),
          .protocol = std::string(session.application_protocol()),
          .error = session.error(),
          .alerts = steps.client().alerts()};
}

constexpr int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

// ---- who the server is ----

TEST(qt_server_context, shows_the_local_certificate_chain) {
  const credentials intermediate = test::issue(test_ca(), {.common_name = "Intermediate", .is_ca = true});
  const credentials leaf = test::issue(intermediate, {.common_name = "leaf", .names = {"localhost"}});
  SslConfiguration configuration;
  test::set_identity(configuration, leaf, {test::qt_certificate(intermediate)});
  const ssl_configuration engine = told(configuration);
  ASSERT_EQ(engine.identities.size(), 1u);
  EXPECT_EQ(engine.identities[0].certificate_pem(), leaf.certificate + intermediate.certificate);
  EXPECT_FALSE(engine.pre_shared_keys);
  for (const int version : versions) {
    EXPECT_TRUE(shake_hands(made(configuration), {.version = version, .trusted = test_ca().certificate}).complete);
  }
}

TEST(qt_server_context, takes_every_kind_of_key_that_qt_knows) {
  for (const auto type : {test::key_type::rsa_2048, test::key_type::ec_p256, test::key_type::ec_p384}) {
    const credentials own = test::issue(test_ca(), {.names = {"localhost"}, .key = type});
    EXPECT_TRUE(shake_hands(made(test::server_configuration(own)), {.trusted = test_ca().certificate}).complete);
  }
}

TEST(qt_server_context, the_local_certificate_is_the_first_identity) {
  const identity other = identity::self_signed({"other.example"}).value();
  SslConfiguration configuration = server();
  configuration.setIdentities({other});
  const ssl_configuration engine = told(configuration);
  ASSERT_EQ(engine.identities.size(), 2u);
  EXPECT_EQ(engine.identities[0].certificate_pem(), shown().certificate);
  EXPECT_EQ(engine.identities[1].certificate_pem(), other.certificate_pem());

  SslConfiguration without;
  without.setIdentities({other});
  ASSERT_EQ(told(without).identities.size(), 1u);
  EXPECT_EQ(told(without).identities[0].certificate_pem(), other.certificate_pem());
}

TEST(qt_server_context, a_certificate_needs_its_key) {
  SslConfiguration without_key = server();
  without_key.setPrivateKey({});
  EXPECT_EQ(refusal(without_key), "privateKey: localCertificateChain has a certificate, and there is no key for it");

  SslConfiguration with_anothers = server();
  with_anothers.setPrivateKey(test::qt_key(alice()));
  EXPECT_THAT(refusal(with_anothers), StartsWith("privateKey: "));
  EXPECT_THAT(refusal(with_anothers), HasSubstr("does not belong"));

  SslConfiguration without_certificate = server();
  without_certificate.setLocalCertificateChain({});
  EXPECT_EQ(refusal(without_certificate),
            "privateKey: there is a key, and no certificate for it in localCertificateChain");
  without_certificate.setLocalCertificate(QSslCertificate());
  EXPECT_EQ(refusal(without_certificate),
            "privateKey: there is a key, and no certificate for it in localCertificateChain");
}

TEST(qt_server_context, a_key_by_its_handle_is_taken_if_qt_gives_it_out) {
  SslConfiguration configuration = server();
  configuration.setPrivateKey(test::opaque_qt_key(shown()));
  EXPECT_TRUE(shake_hands(made(configuration), {.trusted = test_ca().certificate}).complete);

  const credentials edwards = test::issue(test_ca(), {.names = {"localhost"}, .key = test::key_type::ed25519});
  configuration.setLocalCertificate(test::qt_certificate(edwards));
  configuration.setPrivateKey(test::opaque_qt_key(edwards));
  ASSERT_FALSE(configuration.privateKey().isNull());
  EXPECT_THAT(refusal(configuration), StartsWith("privateKey: Qt doesn't give out what an opaque key holds"));
}

TEST(qt_server_context, a_null_certificate_in_the_chain_is_named) {
  SslConfiguration configuration = server();
  configuration.setLocalCertificateChain({test::qt_certificate(shown()), QSslCertificate()});
  EXPECT_EQ(refusal(configuration), "localCertificateChain: certificate 2 is null");
}

TEST(qt_server_context, a_weak_key_is_refused_by_name) {
  const std::string sentence =
      refusal(test::server_configuration(test::issue(test_ca(), {.key = test::key_type::rsa_1024})));
  EXPECT_THAT(sentence, testing::AnyOf(StartsWith("localCertificateChain: "), StartsWith("privateKey: ")));
}

TEST(qt_server_context, without_identity_every_handshake_fails) {
  for (SslConfiguration configuration :
       {SslConfiguration(), SslConfiguration(::QSslConfiguration::defaultConfiguration())}) {
    configuration.setPreSharedKeyIdentityHint("of no use");
    for (const bool pre_shared_keys : {false, true}) {
      const context context = made(configuration, pre_shared_keys);
      for (const int version : versions) {
        const handshake_outcome outcome = shake_hands(context, {.version = version});
        EXPECT_FALSE(outcome.complete);
        EXPECT_THAT(outcome.alerts, ElementsAre("fatal handshake failure"));
      }
    }
  }
}

TEST(qt_server_context, without_identity_pre_shared_keys_work) {
  const context context = made(SslConfiguration(), true);
  for (const int version : versions) {
    const auto outcome =
        test::visit(context, {.version = version, .identity = "alice", .key = "0123456789abcdef"}, [](session& asked) {
          const std::string_view key = "0123456789abcdef";
          asked.set_pre_shared_key(pre_shared_key(std::as_bytes(std::span(key))));
          asked.ignore_ssl_errors();
        });
    EXPECT_TRUE(outcome.let_in) << outcome.why;
    EXPECT_EQ(outcome.identity, "alice");
  }
}

// ---- what is stapled ----

TEST(qt_server_context, staples_its_ocsp_response) {
  SslConfiguration configuration;
  test::set_identity(configuration, shown(), {test::qt_certificate(test_ca())});
  configuration.setOcspResponse(QByteArray::fromStdString(test::make_ocsp_response(test_ca(), shown().certificate)));
  EXPECT_TRUE(told(configuration).identities.at(0).ocsp_response_end().has_value());
  configuration.setOcspStaplingEnabled(true);
  EXPECT_EQ(refusal(configuration), "");

  configuration.setOcspResponse("nonsense");
  EXPECT_THAT(refusal(configuration), StartsWith("ocspResponse: "));
  configuration.setOcspResponse({});
  EXPECT_EQ(refusal(configuration), "ocspStaplingEnabled: a server needs something to staple; set ocspResponse");
  configuration.setOcspStaplingEnabled(false);
  EXPECT_EQ(refusal(configuration), "");
}

TEST(qt_server_context, an_ocsp_response_is_about_the_local_certificate) {
  SslConfiguration configuration;
  configuration.setOcspResponse(QByteArray::fromStdString(test::make_ocsp_response(test_ca(), shown().certificate)));
  EXPECT_EQ(refusal(configuration), "ocspResponse: there is no localCertificateChain that it could be about");
}

// ---- versions ----

QT_WARNING_PUSH
QT_WARNING_DISABLE_DEPRECATED

TEST(qt_server_context, protocol_says_which_versions_are_spoken) {
  const struct {
    QSsl::SslProtocol protocol;
    bool tls_1_2, tls_1_3;
  } rows[] = {
      {QSsl::TlsV1_2, true, false},        {QSsl::TlsV1_3, false, true},        {QSsl::TlsV1_2OrLater, true, true},
      {QSsl::TlsV1_3OrLater, false, true}, {QSsl::SecureProtocols, true, true}, {QSsl::AnyProtocol, true, true},
      {QSsl::TlsV1_0OrLater, true, true},  {QSsl::TlsV1_1OrLater, true, true},  {QSsl::UnknownProtocol, true, true},
  };
  for (const auto& row : rows) {
    SslConfiguration configuration = server();
    configuration.setProtocol(row.protocol);
    const context context = made(configuration);
    EXPECT_EQ(shake_hands(context, {.version = TLS1_2_VERSION}).complete, row.tls_1_2) << row.protocol;
    EXPECT_EQ(shake_hands(context, {.version = TLS1_3_VERSION}).complete, row.tls_1_3) << row.protocol;
  }
}

TEST(qt_server_context, protocols_that_are_not_spoken_are_refused) {
  for (const auto protocol : {QSsl::TlsV1_0, QSsl::TlsV1_1}) {
    SslConfiguration configuration = server();
    configuration.setProtocol(protocol);
    EXPECT_THAT(refusal(configuration), StartsWith("protocol: TLS 1.0 and 1.1 are broken"));
  }
  for (const auto protocol : {QSsl::DtlsV1_0, QSsl::DtlsV1_0OrLater, QSsl::DtlsV1_2, QSsl::DtlsV1_2OrLater}) {
    SslConfiguration configuration = server();
    configuration.setProtocol(protocol);
    EXPECT_EQ(refusal(configuration), "protocol: DTLS is not for TCP");
  }
  SslConfiguration configuration = server();
  configuration.setProtocol(static_cast<QSsl::SslProtocol>(15));
  EXPECT_EQ(refusal(configuration), "protocol: 15 is no QSsl::SslProtocol");
}

QT_WARNING_POP

// ---- ciphers and groups ----

QList<QSslCipher> ciphers(std::initializer_list<const char*> names) {
  QList<QSslCipher> all;
  for (const char* name : names) all.append(QSslCipher(QString::fromLatin1(name)));
  return all;
}

TEST(qt_server_context, qts_own_list_of_ciphers_is_the_engines_own) {
  SslConfiguration configuration = server();
  for (const auto& list : {::QSslConfiguration::defaultConfiguration().ciphers(), ::QSslConfiguration().ciphers(),
                           ::QSslConfiguration::supportedCiphers(), QList<QSslCipher>()}) {
    configuration.setCiphers(list);
    EXPECT_EQ(told(configuration).ciphers, "");
    EXPECT_EQ(told(configuration).ciphersuites, "");
  }
}

TEST(qt_server_context, the_programs_default_list_of_ciphers_is_its_choice) {
  struct restore_default {
    ::QSslConfiguration before = ::QSslConfiguration::defaultConfiguration();
    ~restore_default() { ::QSslConfiguration::setDefaultConfiguration(before); }
  } restore;
  ::QSslConfiguration narrow = restore.before;
  narrow.setCiphers(ciphers({"ECDHE-ECDSA-AES256-GCM-SHA384"}));
  ::QSslConfiguration::setDefaultConfiguration(narrow);
  EXPECT_EQ(told(server()).ciphers, "ECDHE-ECDSA-AES256-GCM-SHA384");
}

TEST(qt_server_context, ciphers_are_those_of_both_versions) {
  SslConfiguration configuration = server();
  configuration.setCiphers(ciphers({"TLS_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
                                    "ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_AES_128_GCM_SHA256"}));
  EXPECT_EQ(told(configuration).ciphers, "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256");
  EXPECT_EQ(told(configuration).ciphersuites, "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256");
  const context context = made(configuration);
  EXPECT_EQ(shake_hands(context, {.version = TLS1_2_VERSION}).cipher, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
  EXPECT_EQ(shake_hands(context, {.version = TLS1_3_VERSION}).cipher, "TLS_CHACHA20_POLY1305_SHA256");
}

TEST(qt_server_context, ciphers_of_one_version_leave_the_others_default) {
  SslConfiguration configuration = server();
  configuration.setCiphers(ciphers({"ECDHE-ECDSA-AES256-GCM-SHA384"}));
  EXPECT_EQ(told(configuration).ciphersuites, "");
  EXPECT_TRUE(shake_hands(made(configuration), {.version = TLS1_3_VERSION}).complete);
  configuration.setCiphers(ciphers({"TLS_AES_256_GCM_SHA384"}));
  EXPECT_EQ(told(configuration).ciphers, "");
  EXPECT_TRUE(shake_hands(made(configuration), {.version = TLS1_2_VERSION}).complete);
}

TEST(qt_server_context, ciphers_of_a_version_that_is_not_spoken_are_no_mistake) {
  SslConfiguration configuration = server();
  configuration.setCiphers(ciphers({"TLS_AES_256_GCM_SHA384", "PSK-AES128-GCM-SHA256"}));  // of no use without keys
  EXPECT_THAT(refusal(configuration), StartsWith("ciphers: "));
  configuration.setProtocol(QSsl::TlsV1_3);
  EXPECT_EQ(told(configuration).ciphers, "");
  EXPECT_EQ(shake_hands(made(configuration), {.version = TLS1_3_VERSION}).cipher, "TLS_AES_256_GCM_SHA384");
  configuration.setCiphers(ciphers({"TLS_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"}));
  configuration.setProtocol(QSsl::TlsV1_2);
  EXPECT_EQ(told(configuration).ciphersuites, "");
  EXPECT_EQ(shake_hands(made(configuration), {.version = TLS1_2_VERSION}).cipher,
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
}

TEST(qt_server_context, ciphers_that_do_not_work_are_refused) {
  SslConfiguration configuration = server();
  configuration.setCiphers(ciphers({"TLS_AES_256_GCM_SHA384", "NONSENSE"}));
  EXPECT_EQ(refusal(configuration), "ciphers: number 2 is null");
  configuration.setCiphers(ciphers({"PSK-AES128-GCM-SHA256"}));
  EXPECT_THAT(refusal(configuration), StartsWith("ciphers: "));
  EXPECT_EQ(refusal(configuration, true), "");
}

TEST(qt_server_context, elliptic_curves_are_the_groups) {
  EXPECT_EQ(told(server()).groups, "");
  const struct {
    std::vector<const char*> names;
    const char* used;
  } rows[] = {{{"prime256v1"}, "secp256r1"},
              {{"secp384r1", "prime256v1"}, "secp384r1"},
              {{"X25519", "prime256v1"}, "x25519"},
              {{"secp521r1"}, "secp521r1"}};
  for (const auto& row : rows) {
    SslConfiguration configuration = server();
    QList<QSslEllipticCurve> curves;
    for (const char* name : row.names) curves.append(QSslEllipticCurve::fromShortName(QString::fromLatin1(name)));
    configuration.setEllipticCurves(curves);
    const context context = made(configuration);
    for (const int version : versions) {
      EXPECT_EQ(shake_hands(context, {.version = version, .groups = "X25519:P-256:P-384:P-521"}).group, row.used);
    }
  }
}

TEST(qt_server_context, an_invalid_curve_is_refused) {
  SslConfiguration configuration = server();
  configuration.setEllipticCurves({QSslEllipticCurve::fromShortName(QStringLiteral("X25519")), QSslEllipticCurve()});
  EXPECT_EQ(refusal(configuration), "ellipticCurves: number 2 is invalid");
  configuration.setEllipticCurves({QSslEllipticCurve::fromShortName(QStringLiteral("Oakley-EC2N-3"))});
  EXPECT_THAT(refusal(configuration), StartsWith("ellipticCurves: "));
}

TEST(qt_server_context, finite_field_groups_are_refused) {
  SslConfiguration configuration = server();
  configuration.setDiffieHellmanParameters(QSslDiffieHellmanParameters());
  EXPECT_EQ(refusal(configuration), "");
  configuration.setDiffieHellmanParameters(QSslDiffieHellmanParameters::fromEncoded("nonsense", QSsl::Der));
  EXPECT_THAT(refusal(configuration), StartsWith("diffieHellmanParameters: finite-field groups aren't offered"));
}

// ---- clients' certificates ----

TEST(qt_server_context, peer_verify_mode_is_the_engines) {
  const struct {
    ::QSslSocket::PeerVerifyMode mode;
    peer_verify_mode engine;
  } rows[] = {{::QSslSocket::VerifyNone, peer_verify_mode::none},
              {::QSslSocket::QueryPeer, peer_verify_mode::query},
              {::QSslSocket::AutoVerifyPeer, peer_verify_mode::query},
              {::QSslSocket::VerifyPeer, peer_verify_mode::verify}};
  for (const auto& row : rows) {
    SslConfiguration configuration = verifying_server();
    configuration.setPeerVerifyMode(row.mode);
    EXPECT_EQ(told(configuration).verify_mode, row.engine) << row.mode;
  }
}

TEST(qt_server_context, verify_peer_needs_ca_certificates) {
  SslConfiguration configuration = verifying_server();
  configuration.setCaCertificates({});
  EXPECT_EQ(
      refusal(configuration),
      "caCertificates: VerifyPeer needs those that issue the clients' certificates; by default there are none, as "
      "all public CAs would let in everybody");
  configuration.addCaCertificate(test::qt_certificate(test_ca()));
  EXPECT_EQ(refusal(configuration), "");
  configuration.setCaCertificates({test::qt_certificate(test_ca()), QSslCertificate()});
  EXPECT_EQ(refusal(configuration), "caCertificates: certificate 2 is null");
}

TEST(qt_server_context, ca_certificates_are_whom_clients_are_verified_by) {
  const credentials stranger = test::issue(test::make_ca("Other CA"), {.common_name = "stranger"});
  const context context = made(verifying_server());
  EXPECT_EQ(context.configuration().ca_certificates->size(), 1u);
  for (const int version : versions) {
    EXPECT_TRUE(test::visit(context, {.version = version, .certificate = alice()}).let_in);
    EXPECT_FALSE(test::visit(context, {.version = version, .certificate = stranger}).let_in);
    EXPECT_FALSE(test::visit(context, {.version = version}).let_in);
  }
}

TEST(qt_server_context, who_is_only_queried_is_let_in_and_its_errors_are_told) {
  const context context = made(server());  // AutoVerifyPeer, without any CA
  for (const int version : versions) {
    std::vector<ssl_error_code> errors;
    const auto outcome = test::visit(context, {.version = version, .certificate = alice()}, [&](session& asked) {
      for (const ssl_error& each : asked.ssl_handshake_errors()) errors.push_back(each.code);
    });
    EXPECT_TRUE(outcome.let_in);
    EXPECT_THAT(errors, testing::Contains(ssl_error_code::unable_to_get_local_issuer_certificate));
    EXPECT_TRUE(test::visit(context, {.version = version}).let_in);
  }
}

TEST(qt_server_context, peer_verify_depth_of_zero_is_the_engines_default) {
  EXPECT_EQ(told(server()).verify_depth, ssl_configuration().verify_depth);
  SslConfiguration configuration = server();
  configuration.setPeerVerifyDepth(3);
  EXPECT_EQ(told(configuration).verify_depth, 3);
}

TEST(qt_server_context, a_missing_certificate_is_fatal_if_it_says_so) {
  SslConfiguration configuration = verifying_server();
  EXPECT_FALSE(told(configuration).missing_certificate_is_fatal);
  configuration.setMissingCertificateIsFatal(true);
  EXPECT_TRUE(told(configuration).missing_certificate_is_fatal);
}

TEST(qt_server_context, handshakes_are_interrupted_where_there_are_certificates) {
  SslConfiguration configuration = verifying_server();
  EXPECT_FALSE(told(configuration).handshake_must_interrupt_on_error);
  configuration.setHandshakeMustInterruptOnError(true);
  EXPECT_TRUE(told(configuration).handshake_must_interrupt_on_error);
  configuration.setPeerVerifyMode(::QSslSocket::VerifyNone);
  EXPECT_FALSE(told(configuration).handshake_must_interrupt_on_error);
  configuration.setSettingsForNames({{.names = {"a.example"}, .verify_mode = peer_verify_mode::query}});
  EXPECT_TRUE(told(configuration).handshake_must_interrupt_on_error);
}

// ---- the rest ----

TEST(qt_server_context, application_protocols_are_in_the_servers_order) {
  SslConfiguration configuration = server();
  configuration.setAllowedNextProtocols({"h2", "http/1.1"});
  const context context = made(configuration);
  for (const int version : versions) {
    EXPECT_EQ(shake_hands(context, {.version = version, .alpn_protocols = {"http/1.1", "h2"}}).protocol, "h2");
    EXPECT_THAT(shake_hands(context, {.version = version, .alpn_protocols = {"smtp"}}).alerts,
                ElementsAre("fatal no application protocol"));
  }
  configuration.setAllowedNextProtocols({""});
  EXPECT_EQ(refusal(configuration), "allowedNextProtocols: name 1 is empty");
}

TEST(qt_server_context, the_identity_hint_is_for_pre_shared_keys) {
  SslConfiguration configuration = server();
  configuration.setPreSharedKeyIdentityHint("which one");
  EXPECT_EQ(told(configuration, true).pre_shared_key_identity_hint, "which one");
  EXPECT_TRUE(told(configuration, true).pre_shared_keys);
  EXPECT_EQ(told(configuration, false).pre_shared_key_identity_hint, "");
  EXPECT_FALSE(told(configuration, false).pre_shared_keys);
  configuration.setPreSharedKeyIdentityHint(QByteArray(129, 'x'));
  EXPECT_THAT(refusal(configuration, true), StartsWith("preSharedKeyIdentityHint: "));
}

TEST(qt_server_context, sessions_are_resumed_unless_tickets_are_disabled) {
  SslConfiguration configuration = server();
  EXPECT_EQ(told(configuration).resumption_lifetime, hours(24));
  configuration.setResumptionLifetime(seconds(60));
  EXPECT_EQ(told(configuration).resumption_lifetime, seconds(60));
  configuration.setSslOption(QSsl::SslOptionDisableSessionTickets, true);
  EXPECT_EQ(told(configuration).resumption_lifetime, seconds(0));
  configuration.setSslOption(QSsl::SslOptionDisableSessionTickets, false);
  configuration.setResumptionLifetime(hours(1000));
  EXPECT_THAT(refusal(configuration), StartsWith("resumptionLifetime: "));
}

TEST(qt_server_context, ticket_keys_are_shared_by_all_that_have_them) {
  SslConfiguration configuration = server();
  configuration.setTicketKeys(ticket_keys::random().value());
  for (const int version : versions) {
    const auto ticket = test::visit(made(configuration), {.version = version}).session;
    ASSERT_TRUE(ticket);
    EXPECT_TRUE(test::visit(made(configuration), {.version = version, .resumed = ticket}).resumed);
    EXPECT_FALSE(test::visit(made(server()), {.version = version, .resumed = ticket}).resumed);
  }
}

TEST(qt_server_context, the_order_of_ciphers_is_the_servers_unless_disabled) {
  SslConfiguration configuration = server();
  configuration.setCiphers(ciphers({"ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256"}));
  const test::memory_client_options client{.version = TLS1_2_VERSION,
                                           .ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384"};
  EXPECT_EQ(shake_hands(made(configuration), client).cipher, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
  configuration.setSslOption(QSsl::SslOptionDisableServerCipherPreference, true);
  EXPECT_EQ(shake_hands(made(configuration), client).cipher, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
}

TEST(qt_server_context, backend_configuration_is_openssls_commands) {
  SslConfiguration configuration = server();
  configuration.setBackendConfigurationOption("NumTickets", 2);
  configuration.setBackendConfigurationOption("SignatureAlgorithms", QStringLiteral("ECDSA+SHA256"));
  EXPECT_THAT(told(configuration).openssl_commands,
              ElementsAre(testing::Pair("NumTickets", "2"), testing::Pair("SignatureAlgorithms", "ECDSA+SHA256")));
  const context context = made(configuration);
  EXPECT_FALSE(shake_hands(context, {.version = TLS1_2_VERSION, .signature_algorithms = "ECDSA+SHA384"}).complete);
  EXPECT_TRUE(shake_hands(context, {.version = TLS1_2_VERSION, .signature_algorithms = "ECDSA+SHA256"}).complete);
  EXPECT_EQ(test::visit(context, {.version = TLS1_3_VERSION}).tickets.size(), 2u);
}

TEST(qt_server_context, backend_configuration_that_openssl_does_not_know_is_refused) {
  SslConfiguration configuration = server();
  configuration.setBackendConfigurationOption("Nonsense", QStringLiteral("1"));
  EXPECT_THAT(refusal(configuration), StartsWith("backendConfiguration: "));
}

TEST(qt_server_context, what_qt_lacks_is_handed_on) {
  const auto lists = revocation_lists::from_bytes(test::make_list(test_ca())).value();
  SslConfiguration configuration = verifying_server();
  configuration.setUnknownNames(unknown_name_policy::refuse);
  configuration.setSettingsForNames({{.names = {"localhost"}, .alpn_protocols = {{"h2"}}}});
  configuration.setRevocationLists(lists, revocation_policy::soft_fail);
  configuration.setAccessRules({access_rule::parse("cn=alice").value()});
  const ssl_configuration engine = told(configuration);
  EXPECT_EQ(engine.unknown_names, unknown_name_policy::refuse);
  EXPECT_THAT(engine.for_names.at(0).names, ElementsAre("localhost"));
  EXPECT_EQ(&engine.revocation->data(), &lists.data());
  EXPECT_EQ(engine.missing_revocation_list, revocation_policy::soft_fail);
  EXPECT_EQ(engine.allow.at(0).text(), "cn=alice");
}

TEST(qt_server_context, sentences_have_qts_names) {
  SslConfiguration configuration = server();
  configuration.setAccessRules({access_rule::parse("cn=alice").value()});
  EXPECT_THAT(refusal(configuration), StartsWith("accessRules: "));
  configuration.setAccessRules({});
  configuration.setRevocationLists(revocation_lists::from_bytes(test::make_list(test_ca())).value());
  EXPECT_THAT(refusal(configuration), StartsWith("revocationLists: "));
  configuration.setRevocationLists({});
  configuration.setSettingsForNames({{.names = {"a b"}}});
  EXPECT_THAT(refusal(configuration), StartsWith("settingsForNames (a b): "));
  SslConfiguration nobody;
  nobody.setUnknownNames(unknown_name_policy::refuse);
  EXPECT_THAT(refusal(nobody), StartsWith("unknownNames: "));
}

// ---- clients ----

/// Qt's defaults, and the test CA.
SslConfiguration client() {
  SslConfiguration configuration(::QSslConfiguration::defaultConfiguration());
  configuration.setCaCertificates({test::qt_certificate(test_ca())});
  return configuration;
}

context made_client(const SslConfiguration& configuration, bool pre_shared_keys = false) {
  const made_context outcome = make_client_context(configuration, pre_shared_keys);
  if (!outcome.made) throw std::runtime_error(outcome.error.toStdString());
  return *outcome.made;
}

ssl_configuration told_client(const SslConfiguration& configuration) {
  return made_client(configuration).configuration();
}

std::string client_refusal(const SslConfiguration& configuration) {
  const made_context outcome = make_client_context(configuration, false);
  EXPECT_NE(outcome.made.has_value(), !outcome.error.isEmpty());
  return outcome.error.toStdString();
}

/// A client of ours and a server of ours, driven until both are done or one has failed. Nothing that is asked gets
/// an answer.
struct two_sides {
  session server;
  session client;
  bool complete = false;

  two_sides(const context& server_side, const context& client_side, const std::string& name = "localhost")
      : server(server_side), client(client_side, name) {
    std::string to_server, to_client;
    step of_server{progress::want_input}, of_client{progress::want_input};
    for (int i = 0; i < 20; ++i) {
      if (of_client.what != progress::done) of_client = run(client, to_client, to_server);
      if (of_server.what != progress::done) of_server = run(server, to_server, to_client);
    }
    complete = of_client.what == progress::done && of_server.what == progress::done;
  }

  static step run(session& side, std::string& input, std::string& output) {
    std::array<std::byte, 65536> room;
    io_window window{.input = std::as_bytes(std::span(input)), .output = room};
    const step result = side.handshake(window);
    input.erase(0, input.size() - window.input.size());
    output.append(reinterpret_cast<const char*>(room.data()), window.produced);
    return result;
  }
};

std::vector<ssl_error_code> errors_of(const session& side) {
  std::vector<ssl_error_code> codes;
  for (const ssl_error& each : side.ssl_handshake_errors()) codes.push_back(each.code);
  return codes;
}

TEST(qt_client_context, verifies_the_server_by_its_ca_certificates) {
  const context server_side = made(server());
  const two_sides trusted(server_side, made_client(client()));
  EXPECT_TRUE(trusted.complete) << trusted.client.error_detail();
  EXPECT_FALSE(two_sides(server_side, made_client(client()), "other.example").complete);

  SslConfiguration other = client();
  other.setCaCertificates({test::qt_certificate(test::make_ca("Other CA"))});
  const two_sides untrusted(server_side, made_client(other));
  EXPECT_FALSE(untrusted.complete);
  EXPECT_THAT(errors_of(untrusted.client), testing::Contains(ssl_error_code::unable_to_get_local_issuer_certificate));
}

TEST(qt_client_context, trusts_the_system_unless_told_otherwise) {
  const SslConfiguration by_default(::QSslConfiguration::defaultConfiguration());
  const auto system = trust_store::system_default();
  if (!system) {  // nobody is trusted
    EXPECT_FALSE(told_client(by_default).ca_certificates);
    return;
  }
  EXPECT_EQ(told_client(by_default).ca_certificates->size(), system->size());
  EXPECT_EQ(told_client(SslConfiguration()).ca_certificates->size(), system->size());
  EXPECT_EQ(&told_client(by_default).ca_certificates->data(), &told_client(SslConfiguration()).ca_certificates->data());

  SslConfiguration nobody = by_default;
  nobody.setCaCertificates({});
  EXPECT_FALSE(told_client(nobody).ca_certificates);
  EXPECT_FALSE(two_sides(made(server()), made_client(nobody)).complete);
  SslConfiguration one = by_default;
  one.addCaCertificate(test::qt_certificate(test_ca()));
  EXPECT_EQ(told_client(one).ca_certificates->size(), 1u);
}

TEST(qt_client_context, peer_verify_mode_is_the_engines) {
  const struct {
    ::QSslSocket::PeerVerifyMode mode;
    peer_verify_mode engine;
  } rows[] = {{::QSslSocket::VerifyNone, peer_verify_mode::none},
              {::QSslSocket::QueryPeer, peer_verify_mode::query},
              {::QSslSocket::AutoVerifyPeer, peer_verify_mode::verify},
              {::QSslSocket::VerifyPeer, peer_verify_mode::verify}};
  for (const auto& row : rows) {
    SslConfiguration configuration = client();
    configuration.setPeerVerifyMode(row.mode);
    EXPECT_EQ(told_client(configuration).verify_mode, row.engine) << row.mode;
  }
}

TEST(qt_client_context, shows_the_local_certificate) {
  SslConfiguration configuration = client();
  EXPECT_FALSE(two_sides(made(verifying_server()), made_client(configuration)).complete);
  test::set_identity(configuration, alice());
  const two_sides both(made(verifying_server()), made_client(configuration));
  EXPECT_TRUE(both.complete) << both.server.error_detail();
  ASSERT_EQ(both.server.peer_certificate_chain().size(), 1u);
  EXPECT_EQ(both.server.peer_certificate_chain()[0].common_name(), "alice");

  configuration.setPrivateKey({});
  EXPECT_EQ(client_refusal(configuration),
            "privateKey: localCertificateChain has a certificate, and there is no key for it");
}

TEST(qt_client_context, protocol_ciphers_and_application_protocols_are_the_clients) {
  SslConfiguration configuration = client();
  configuration.setProtocol(QSsl::TlsV1_2);
  configuration.setCiphers(ciphers({"ECDHE-ECDSA-AES256-GCM-SHA384"}));
  configuration.setEllipticCurves({QSslEllipticCurve::fromShortName(QStringLiteral("prime256v1"))});
  configuration.setAllowedNextProtocols({"h2"});
  SslConfiguration both_know = server();
  both_know.setAllowedNextProtocols({"http/1.1", "h2"});
  const two_sides older(made(both_know), made_client(configuration));
  ASSERT_TRUE(older.complete) << older.client.error_detail();
  EXPECT_EQ(older.client.version(), tls_version::tls_1_2);
  EXPECT_EQ(older.client.cipher_openssl_name(), "ECDHE-ECDSA-AES256-GCM-SHA384");
  EXPECT_EQ(older.client.key_exchange_group(), "secp256r1");  // x25519 is the default
  EXPECT_EQ(older.client.application_protocol(), "h2");

  configuration.setProtocol(QSsl::TlsV1_3OrLater);
  configuration.setCiphers(ciphers({"TLS_CHACHA20_POLY1305_SHA256"}));
  const two_sides newer(made(both_know), made_client(configuration));
  ASSERT_TRUE(newer.complete) << newer.client.error_detail();
  EXPECT_EQ(newer.client.version(), tls_version::tls_1_3);
  EXPECT_EQ(newer.client.cipher(), "TLS_CHACHA20_POLY1305_SHA256");
}

TEST(qt_client_context, depth_and_interruption_are_the_clients) {
  SslConfiguration configuration = client();
  EXPECT_EQ(told_client(configuration).verify_depth, ssl_configuration().verify_depth);
  EXPECT_FALSE(told_client(configuration).handshake_must_interrupt_on_error);
  configuration.setPeerVerifyDepth(3);
  configuration.setHandshakeMustInterruptOnError(true);
  EXPECT_EQ(told_client(configuration).verify_depth, 3);
  EXPECT_TRUE(told_client(configuration).handshake_must_interrupt_on_error);
  configuration.setPeerVerifyMode(::QSslSocket::VerifyNone);
  EXPECT_FALSE(told_client(configuration).handshake_must_interrupt_on_error);
}

TEST(qt_client_context, the_name_is_sent_unless_disabled) {
  SslConfiguration configuration = client();
  EXPECT_EQ(two_sides(made(server()), made_client(configuration)).server.server_name(), "localhost");
  configuration.setSslOption(QSsl::SslOptionDisableServerNameIndication, true);
  EXPECT_EQ(two_sides(made(server()), made_client(configuration)).server.server_name(), "");
}

TEST(qt_client_context, revocation_lists_are_looked_at) {
  const auto revoked = revocation_lists::from_bytes(test::make_list(test_ca(), {.revoked = {shown().certificate}}));
  SslConfiguration configuration = client();
  configuration.setRevocationLists(revoked.value());
  const two_sides both(made(server()), made_client(configuration));
  EXPECT_FALSE(both.complete);
  EXPECT_THAT(errors_of(both.client), testing::Contains(ssl_error_code::certificate_revoked));
}

TEST(qt_client_context, pre_shared_keys_are_asked_for_if_somebody_answers) {
  const two_sides without(made(server()), made_client(client()));
  EXPECT_TRUE(without.complete);
  const context asking = made_client(client(), true);
  session client_side(asking, "localhost");
  std::string nothing, output;
  EXPECT_EQ(two_sides::run(client_side, nothing, output).what, progress::want_answer);
  EXPECT_EQ(client_side.question(), handshake_question::pre_shared_key);
}

TEST(qt_client_context, what_is_for_servers_is_no_mistake) {
  SslConfiguration configuration = client();
  configuration.setMissingCertificateIsFatal(true);
  configuration.setPreSharedKeyIdentityHint("hint");
  configuration.setSslOption(QSsl::SslOptionDisableServerCipherPreference, true);
  configuration.setDiffieHellmanParameters(QSslDiffieHellmanParameters::fromEncoded("nonsense", QSsl::Der));
  configuration.setResumptionLifetime(seconds(0));
  EXPECT_EQ(client_refusal(configuration), "");
}

TEST(qt_client_context, stapled_responses_cannot_be_asked_for) {
  SslConfiguration configuration = client();
  configuration.setOcspStaplingEnabled(true);
  EXPECT_THAT(client_refusal(configuration), StartsWith("ocspStaplingEnabled: "));
}

TEST(qt_client_context, protocols_that_are_not_spoken_are_refused) {
  SslConfiguration configuration = client();
  configuration.setProtocol(QSsl::DtlsV1_2);
  EXPECT_EQ(client_refusal(configuration), "protocol: DTLS is not for TCP");
}

// ---- those made lately ----

const void* cached(const SslConfiguration& configuration, bool pre_shared_keys = false) {
  return &cached_server_context(configuration, pre_shared_keys).made.value().data();
}

/// One that no other test has.
SslConfiguration unlike_others() {
  static int number = 0;
  SslConfiguration configuration = server();
  configuration.setAllowedNextProtocols({"test-" + QByteArray::number(++number)});
  return configuration;
}

TEST(qt_context_cache, equal_configurations_share_a_context) {
  const SslConfiguration one = unlike_others();
  SslConfiguration other = one;
  other.setPeerVerifyDepth(5);
  EXPECT_EQ(cached(one), cached(one));
  EXPECT_NE(cached(one), cached(other));
  other.setPeerVerifyDepth(0);
  EXPECT_EQ(cached(one), cached(other));
  EXPECT_NE(cached(one), cached(one, true));
}

TEST(qt_context_cache, servers_and_clients_have_their_own) {
  const SslConfiguration one = unlike_others();
  EXPECT_NE(cached(one), &cached_client_context(one, false).made.value().data());
  EXPECT_EQ(&cached_client_context(one, false).made.value().data(),
            &cached_client_context(one, false).made.value().data());
}

TEST(qt_context_cache, what_a_connection_has_come_to_does_not_matter) {
  const SslConfiguration one = unlike_others();
  SslConfiguration used = one;
  used.setSessionTicket("ticket");
  SslConfigurationAccess::data(used).session_protocol = QSsl::TlsV1_3;
  EXPECT_EQ(cached(one), cached(used));
}

TEST(qt_context_cache, sockets_with_the_same_settings_resume_each_others_sessions) {
  const SslConfiguration one = unlike_others();
  const std::vector<std::string> protocol{one.allowedNextProtocols().at(0).toStdString()};
  for (const int version : versions) {
    const auto first =
        test::visit(cached_server_context(one, false).made.value(), {.version = version, .alpn_protocols = protocol});
    const auto second = test::visit(cached_server_context(one, false).made.value(),
                                    {.version = version, .alpn_protocols = protocol, .resumed = first.session});
    EXPECT_TRUE(second.resumed);
  }
}

TEST(qt_context_cache, the_least_recently_used_goes) {
  std::vector<SslConfiguration> all;
  for (int i = 0; i < 17; ++i) all.push_back(unlike_others());
  std::vector<context> kept;  // so that no address is used twice
  for (int i = 0; i < 16; ++i) kept.push_back(cached_server_context(all[i], false).made.value());
  const auto is_kept = [&](int i) { return cached(all[i]) == &kept[i].data(); };
  EXPECT_TRUE(is_kept(0));
  kept.push_back(cached_server_context(all[16], false).made.value());
  EXPECT_TRUE(is_kept(0));
  EXPECT_TRUE(is_kept(16));
  EXPECT_TRUE(is_kept(2));
  EXPECT_FALSE(is_kept(1));
}

TEST(qt_context_cache, what_was_refused_is_refused_again) {
  SslConfiguration configuration = unlike_others();
  configuration.setPrivateKey({});
  for (int i = 0; i < 2; ++i) {
    const made_context outcome = cached_server_context(configuration, false);
    EXPECT_FALSE(outcome.made);
    EXPECT_THAT(outcome.error.toStdString(), StartsWith("privateKey: "));
  }
}

TEST(qt_context_cache, threads_that_ask_at_once_get_the_same) {
  const SslConfiguration configuration = unlike_others();
  std::vector<const void*> got(4);
  std::vector<std::thread> threads;
  for (const void*& each : got) {
    threads.emplace_back([&each, configuration] {
      for (int i = 0; i < 50; ++i) each = cached(configuration);
    });
  }
  for (std::thread& each : threads) each.join();
  EXPECT_EQ(std::set<const void*>(got.begin(), got.end()).size(), 1u);
  EXPECT_EQ(got[0], cached(configuration));
}

}  // namespace
}  // namespace sallyport::qt
