// SslConfiguration: Qt's settings and ours in one value.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/qt/SslConfiguration>

#include "ssl_configuration_data.hpp"
#include "support/qt_certificates.hpp"
#include "support/test_revocation.hpp"
#include "support/test_servers.hpp"

#include <QtCore/QByteArray>
#include <QtNetwork/QSslCipher>
#include <QtNetwork/QSslEllipticCurve>
#include <QtNetwork/QSslSocket>

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace sallyport::qt {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

identity some_identity() { return identity::self_signed({"localhost"}).value(); }

revocation_lists some_lists() { return revocation_lists::from_bytes(test::make_list(test::test_ca())).value(); }

// contract.md section 4.
TEST(qt_ssl_configuration, has_qts_defaults_and_nothing_more) {
  const SslConfiguration configuration(::QSslConfiguration::defaultConfiguration());
  EXPECT_EQ(configuration.protocol(), QSsl::SecureProtocols);
  EXPECT_EQ(configuration.peerVerifyMode(), ::QSslSocket::AutoVerifyPeer);
  EXPECT_EQ(configuration.peerVerifyDepth(), 0);
  EXPECT_FALSE(configuration.missingCertificateIsFatal());
  EXPECT_FALSE(configuration.handshakeMustInterruptOnError());
  EXPECT_TRUE(configuration.caCertificates().isEmpty());
  EXPECT_TRUE(configuration.localCertificateChain().isEmpty());
  EXPECT_TRUE(configuration.privateKey().isNull());
  EXPECT_TRUE(configuration.allowedNextProtocols().isEmpty());
  EXPECT_TRUE(configuration.preSharedKeyIdentityHint().isEmpty());
  EXPECT_TRUE(configuration.ellipticCurves().isEmpty());
  EXPECT_TRUE(configuration.backendConfiguration().isEmpty());
  EXPECT_FALSE(configuration.ocspStaplingEnabled());
  EXPECT_FALSE(configuration.testSslOption(QSsl::SslOptionDisableSessionTickets));

  EXPECT_TRUE(configuration.identities().empty());
  EXPECT_EQ(configuration.unknownNames(), unknown_name_policy::use_default);
  EXPECT_TRUE(configuration.settingsForNames().empty());
  EXPECT_FALSE(configuration.revocationLists());
  EXPECT_EQ(configuration.missingRevocationListPolicy(), revocation_policy::hard_fail);
  EXPECT_TRUE(configuration.accessRules().empty());
  EXPECT_TRUE(configuration.ocspResponse().isEmpty());
  EXPECT_FALSE(configuration.ticketKeys());
  EXPECT_EQ(configuration.resumptionLifetime(), hours(24));
}

TEST(qt_ssl_configuration, tells_nothing_of_a_connection_that_there_was_not) {
  const SslConfiguration configuration;
  EXPECT_TRUE(configuration.sessionCipher().isNull());
  EXPECT_EQ(configuration.sessionProtocol(), QSsl::UnknownProtocol);
  EXPECT_TRUE(configuration.nextNegotiatedProtocol().isNull());
  EXPECT_EQ(configuration.nextProtocolNegotiationStatus(), SslConfiguration::NextProtocolNegotiationNone);
  EXPECT_TRUE(configuration.sessionTicket().isEmpty());
  EXPECT_EQ(configuration.sessionTicketLifeTimeHint(), -1);
}

TEST(qt_ssl_configuration, is_made_from_qts_and_is_one) {
  ::QSslConfiguration qts;
  qts.setPeerVerifyDepth(7);
  qts.setSessionTicket("ticket");
  SslConfiguration ours = qts;
  EXPECT_EQ(ours.peerVerifyDepth(), 7);
  EXPECT_EQ(ours.sessionTicket(), "ticket");
  EXPECT_TRUE(ours == qts);
  EXPECT_TRUE(qts == ours);
  EXPECT_FALSE(ours != qts);
  EXPECT_FALSE(qts != ours);
  ours.setPeerVerifyDepth(8);
  ours.setSessionTicket("another");
  EXPECT_EQ(qts.peerVerifyDepth(), 7);
  const ::QSslConfiguration back = ours;
  EXPECT_EQ(back.peerVerifyDepth(), 8);
  EXPECT_EQ(back.sessionTicket(), "another");
}

TEST(qt_ssl_configuration, is_not_equal_to_qts_if_it_says_more) {
  const ::QSslConfiguration qts;
  SslConfiguration ours = qts;
  ours.setResumptionLifetime(hours(1));
  EXPECT_TRUE(ours != qts);
  EXPECT_TRUE(qts != ours);
  EXPECT_FALSE(ours == qts);
  EXPECT_FALSE(qts == ours);
}

TEST(qt_ssl_configuration, assigning_qts_ends_our_settings) {
  SslConfiguration ours;
  ours.setResumptionLifetime(hours(1));
  ours = ::QSslConfiguration();
  EXPECT_EQ(ours.resumptionLifetime(), hours(24));
}

// Each of them has its own getter, is part of what is compared, and stays with the copy that it was made in.
TEST(qt_ssl_configuration, each_setting_is_kept_and_compared) {
  const struct {
    const char* name;
    std::function<void(SslConfiguration&)> set;
    std::function<bool(const SslConfiguration&)> is_set;
  } rows[] = {
      {"one of Qt's", [](auto& c) { c.setPeerVerifyDepth(3); }, [](auto& c) { return c.peerVerifyDepth() == 3; }},
      {"identities", [](auto& c) { c.setIdentities({some_identity()}); },
       [](auto& c) { return c.identities().size() == 1; }},
      {"unknownNames", [](auto& c) { c.setUnknownNames(unknown_name_policy::refuse); },
       [](auto& c) { return c.unknownNames() == unknown_name_policy::refuse; }},
      {"settingsForNames", [](auto& c) { c.setSettingsForNames({{.names = {"a.example"}}}); },
       [](auto& c) { return c.settingsForNames().at(0).names.at(0) == "a.example"; }},
      {"revocationLists", [](auto& c) { c.setRevocationLists(some_lists()); },
       [](auto& c) { return c.revocationLists()->size() == 1; }},
      {"missingRevocationListPolicy", [](auto& c) { c.setRevocationLists({}, revocation_policy::soft_fail); },
       [](auto& c) { return c.missingRevocationListPolicy() == revocation_policy::soft_fail; }},
      {"accessRules", [](auto& c) { c.setAccessRules({access_rule::parse("cn=alice").value()}); },
       [](auto& c) { return c.accessRules().at(0).text() == "cn=alice"; }},
      {"ocspResponse", [](auto& c) { c.setOcspResponse("der"); }, [](auto& c) { return c.ocspResponse() == "der"; }},
      {"ticketKeys", [](auto& c) { c.setTicketKeys(ticket_keys::random().value()); },
       [](auto& c) { return c.ticketKeys().has_value(); }},
      {"resumptionLifetime", [](auto& c) { c.setResumptionLifetime(seconds(5)); },
       [](auto& c) { return c.resumptionLifetime() == seconds(5); }},
  };
  for (const auto& row : rows) {
    const SslConfiguration before;
    SslConfiguration after = before;
    EXPECT_TRUE(after == before) << row.name;
    row.set(after);
    EXPECT_TRUE(row.is_set(after)) << row.name;
    EXPECT_FALSE(after == before) << row.name;
    EXPECT_TRUE(before == SslConfiguration()) << row.name;
    const SslConfiguration copy = after;
    SslConfiguration assigned;
    assigned = after;
    after = SslConfiguration();
    EXPECT_TRUE(row.is_set(copy)) << row.name;
    EXPECT_TRUE(copy == assigned) << row.name;
    EXPECT_TRUE(after == before) << row.name;
  }
}

TEST(qt_ssl_configuration, settings_for_names_are_compared_one_by_one) {
  const trust_store trust = trust_store::from_pem(test::test_ca().certificate).value();
  const name_settings plain{.names = {"a.example"}};
  const auto with = [&](auto change) {
    name_settings changed = plain;
    change(changed);
    return changed;
  };
  const std::vector<name_settings> different{
      with([](auto& s) { s.names.push_back("b.example"); }),
      with([](auto& s) { s.alpn_protocols = {"h2"}; }),
      with([](auto& s) { s.profile = security_profile::modern; }),
      with([](auto& s) { s.minimum_version = tls_version::tls_1_3; }),
      with([](auto& s) { s.maximum_version = tls_version::tls_1_2; }),
      with([](auto& s) { s.verify_mode = peer_verify_mode::none; }),
      with([&](auto& s) { s.ca_certificates = trust; }),
      with([](auto& s) { s.revocation = some_lists(); }),
      with([](auto& s) { s.allow.emplace(); }),
      with([](auto& s) { s.allow = {access_rule::parse("cn=alice").value()}; }),
  };
  SslConfiguration one;
  one.setSettingsForNames({plain});
  for (const name_settings& each : different) {
    SslConfiguration other;
    other.setSettingsForNames({each});
    EXPECT_FALSE(one == other) << &each - different.data();
    SslConfiguration same;
    same.setSettingsForNames({each});
    EXPECT_TRUE(other == same) << &each - different.data();
  }
}

TEST(qt_ssl_configuration, swap_exchanges_both_parts) {
  SslConfiguration one;
  one.setPeerVerifyDepth(3);
  one.setResumptionLifetime(hours(1));
  SslConfiguration other;
  one.swap(other);
  EXPECT_TRUE(one == SslConfiguration());
  EXPECT_EQ(other.peerVerifyDepth(), 3);
  EXPECT_EQ(other.resumptionLifetime(), hours(1));
}

TEST(qt_ssl_configuration, a_copy_may_be_changed_on_another_thread) {
  SslConfiguration configuration;
  std::thread other([copy = configuration]() mutable {
    for (int i = 0; i < 1000; ++i) {
      SslConfiguration own = copy;
      own.setResumptionLifetime(seconds(i));
    }
  });
  for (int i = 0; i < 1000; ++i) {
    SslConfiguration own = configuration;
    own.setResumptionLifetime(seconds(i));
  }
  other.join();
  EXPECT_TRUE(configuration == SslConfiguration());
}

TEST(qt_ssl_configuration, without_results_only_the_settings_are_left) {
  SslConfiguration used;
  used.setPeerVerifyDepth(3);
  used.setResumptionLifetime(hours(1));
  const SslConfiguration settings = used;
  EXPECT_TRUE(without_results(used) == settings);

  used.setSessionTicket("ticket");
  EXPECT_TRUE(without_results(used) == settings);
  for (const auto fill_in :
       {+[](SslConfigurationData& d) { d.session_cipher = QSslCipher(QStringLiteral("TLS_AES_128_GCM_SHA256")); },
        +[](SslConfigurationData& d) { d.session_protocol = QSsl::TlsV1_3; },
        +[](SslConfigurationData& d) { d.ephemeral_server_key = "DER"; },
        +[](SslConfigurationData& d) { d.next_negotiated_protocol = "h2"; },
        +[](SslConfigurationData& d) {
          d.next_protocol_negotiation_status = SslConfiguration::NextProtocolNegotiationNegotiated;
        },
        +[](SslConfigurationData& d) { d.session_ticket_life_time_hint = 300; }}) {
    SslConfiguration filled = settings;
    fill_in(SslConfigurationAccess::data(filled));
    EXPECT_FALSE(filled == settings);
    EXPECT_TRUE(without_results(filled) == settings);
  }
}

}  // namespace
}  // namespace sallyport::qt
