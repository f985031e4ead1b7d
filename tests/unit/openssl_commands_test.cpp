// openssl_commands: settings by OpenSSL's own names do what they say, and take nothing away that is promised.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/refused.hpp"
#include "support/session_pair.hpp"
#include "support/test_servers.hpp"
#include "tls/context_data.hpp"

#include <sallyport/client_configuration.hpp>

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::test {
namespace {

using commands = std::vector<std::pair<std::string, std::string>>;
constexpr auto invalid = configuration_error::invalid_value;

ssl_configuration server_with(const commands& all) {
  ssl_configuration configuration = basic_configuration();
  configuration.openssl_commands = all;
  return configuration;
}

client_configuration client_with(const commands& all) {
  client_configuration configuration;
  configuration.ca_certificates = trust_store::from_pem(test_ca().certificate).value();
  configuration.openssl_commands = all;
  return configuration;
}

testing::AssertionResult both_refuse(const std::string& name, const std::string& value, const std::string& why) {
  const std::string sentence = "openssl_commands: \"" + name + "\" " + why;
  if (auto refused_it = refused(context::make(server_with({{name, value}})), invalid, sentence); !refused_it)
    return refused_it << " (server)";
  if (auto refused_it = refused(context::make_client(client_with({{name, value}})), invalid, sentence); !refused_it)
    return refused_it << " (client)";
  return testing::AssertionSuccess();
}

TEST(openssl_commands, do_what_they_say) {
  const context server =
      make_context(server_with({{"MaxProtocol", "TLSv1.2"}, {"Groups", "P-384"}, {"NumTickets", "3"}}));
  EXPECT_EQ(SSL_CTX_get_num_tickets(server.data().ssl_ctx.get()), 3U);
  EXPECT_EQ(server.data().groups, "P-384");
  session_pair pair(context::make_client(client_with({{"CipherString", "ECDHE-ECDSA-AES256-GCM-SHA384"}})).value(),
                    "localhost", server);
  ASSERT_TRUE(pair.shake_hands()) << pair.client.tls.error_detail();
  EXPECT_EQ(pair.client.tls.version(), tls_version::tls_1_2);
  EXPECT_EQ(pair.server.tls.key_exchange_group(), "secp384r1");
  EXPECT_EQ(pair.server.tls.cipher_openssl_name(), "ECDHE-ECDSA-AES256-GCM-SHA384");

  session_pair newer(context::make_client(client_with({{"minprotocol", "TLSv1.3"}})).value(), "localhost", server);
  EXPECT_FALSE(newer.shake_hands()) << "whatever the case of a command";
}

TEST(openssl_commands, may_ask_for_more_than_the_profile) {
  EXPECT_TRUE(accepted(context::make(server_with({{"CipherString", "DEFAULT:@SECLEVEL=3"}}))));
  EXPECT_TRUE(accepted(context::make(server_with({{"Protocol", "-TLSv1.2"}}))));
  EXPECT_TRUE(accepted(context::make(server_with({{"Options", "Bugs,-SessionTicket"}}))));
}

TEST(openssl_commands, that_nobody_knows_are_refused) {
  EXPECT_TRUE(refused(context::make(server_with({{"NoSuchThing", "1"}})), invalid,
                      "openssl_commands: \"NoSuchThing\" is no command of OpenSSL for a server"));
  EXPECT_TRUE(refused(context::make_client(client_with({{"", ""}})), invalid,
                      "openssl_commands: \"\" is no command of OpenSSL for a client"));
  EXPECT_TRUE(both_refuse("MinProtocol", "TLSv7", "with the value \"TLSv7\" is refused by OpenSSL (bad value)"));
  EXPECT_TRUE(both_refuse("Options", std::string("Bugs\0", 5), "contains a NUL byte"));
}

TEST(openssl_commands, about_certificates_are_refused) {
  const std::string why = "is about certificates or their verification, which have settings of their own";
  for (const char* name : {"Certificate", "PrivateKey", "VerifyMode", "verifymode", "VerifyCAFile", "ChainCAPath"})
    EXPECT_TRUE(both_refuse(name, "Request", why)) << name;
  EXPECT_TRUE(refused(context::make(server_with({{"DHParameters", "file"}})), invalid,
                      "openssl_commands: \"DHParameters\" " + why));
}

TEST(openssl_commands, that_take_something_away_are_refused) {
  const auto value = [](const std::string& text) { return "with the value \"" + text + "\" "; };
  for (const std::string version : {"TLSv1", "TLSv1.1", "None"})
    EXPECT_TRUE(both_refuse("MinProtocol", version, value(version) + "allows versions before TLSv1.2"));
  for (const std::string versions : {"-ALL", "-ALL,TLSv1", "ALL,-TLSv1.2,-TLSv1.3"})
    EXPECT_TRUE(both_refuse("Protocol", versions, value(versions) + "leaves no version of TLS"));
  EXPECT_TRUE(both_refuse("MaxProtocol", "TLSv1", value("TLSv1") + "leaves no version of TLS"));
  for (const std::string ciphers : {"ALL:@SECLEVEL=0", "ALL@SECLEVEL=1"})
    EXPECT_TRUE(both_refuse("CipherString", ciphers, value(ciphers) + "lowers the security level below 2"));
  const std::pair<const char*, const char*> options[] = {
      {"Compression", "allows compression"},
      {"-NoRenegotiation", "allows renegotiation"},
      {"UnsafeLegacyRenegotiation", "allows unsafe renegotiation"},
      {"-ExtendedMasterSecret", "switches the extended master secret off"},
      {"Bugs,Compression", "allows compression"},
  };
  for (const auto& [option, what] : options)
    EXPECT_TRUE(both_refuse("Options", option, value(option) + what)) << option;
  EXPECT_TRUE(
      refused(context::make(server_with({{"Options", "AllowNoDHEKEX"}})), invalid,
              "openssl_commands: \"Options\" " + value("AllowNoDHEKEX") + "allows resumption without forward secrecy"));
  EXPECT_TRUE(refused(context::make_client(client_with({{"Options", "UnsafeLegacyServerConnect"}})), invalid,
                      "openssl_commands: \"Options\" " + value("UnsafeLegacyServerConnect") +
                          "allows servers with unsafe renegotiation"));

  ssl_configuration modern = server_with({{"MinProtocol", "TLSv1.2"}});
  modern.profile = security_profile::modern;
  EXPECT_TRUE(refused(context::make(modern), invalid,
                      "openssl_commands: \"MinProtocol\" " + value("TLSv1.2") + "allows versions before TLSv1.3"));
  for (const std::pair<std::string, std::string> command :
       {std::pair{"Options", "SessionTicket"}, {"NumTickets", "1"}}) {
    ssl_configuration never_resumes = server_with({command});
    never_resumes.resumption_lifetime = std::chrono::seconds(0);
    EXPECT_TRUE(refused(context::make(never_resumes), invalid,
                        "openssl_commands: \"" + command.first + "\" " + value(command.second) +
                            "allows session tickets, and resumption_lifetime doesn't"));
  }
}

}  // namespace
}  // namespace sallyport::test
