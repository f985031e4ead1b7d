// adversary_test: what hostile peers and careless programs try: to get in, or to stop everybody else.
//
// SPDX-License-Identifier: Apache-2.0
#include "support/event_loop.hpp"
#include "support/qt_peer.hpp"
#include "support/socket_pair.hpp"
#include "support/test_servers.hpp"

#include "socks5_dialogue.hpp"
#include "ssl_socket_private.hpp"

#include <sallyport/qt/ssl_server.hpp>
#include <sallyport/qt/ssl_socket.hpp>

#include <QtCore/QTimer>
#include <QtNetwork/QSslConfiguration>
#include <QtNetwork/QSslDiffieHellmanParameters>
#include <QtNetwork/QSslEllipticCurve>

#include <gmock/gmock.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace sallyport::test {
namespace {

using qt::SslConfiguration;
using qt::SslServer;
using qt::SslSocket;
using qt::SslSocketPrivate;

/// Writes the client's records of TLS 1.2 that OpenSSL wouldn't write. AES-128-GCM with SHA-256 alone.
class forged_records {
 public:
  /// After the handshake; the client itself writes nothing any more.
  explicit forged_records(SSL* client) {
    std::array<unsigned char, 48> master{};
    std::array<unsigned char, 64> seed{};
    SSL_SESSION_get_master_key(SSL_get_session(client), master.data(), master.size());
    SSL_get_server_random(client, seed.data(), 32);
    SSL_get_client_random(client, seed.data() + 32, 32);
    EVP_KDF* const kdf = EVP_KDF_fetch(nullptr, "TLS1-PRF", nullptr);
    EVP_KDF_CTX* const context = EVP_KDF_CTX_new(kdf);
    std::string digest = "SHA256", label = "key expansion";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, master.data(), master.size()),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, label.data(), label.size()),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed.data(), seed.size()), OSSL_PARAM_construct_end()};
    EXPECT_EQ(EVP_KDF_derive(context, keys_.data(), keys_.size(), parameters), 1);
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
  }

  std::string write(unsigned char type, std::string_view plaintext) {
    std::array<unsigned char, 13> about{};  // sequence number, type, version, length
    for (std::size_t i = 0; i < 8; ++i) about[i] = static_cast<unsigned char>(sequence_ >> (56 - 8 * i));
    about[8] = type;
    about[9] = about[10] = 3;
    about[12] = static_cast<unsigned char>(plaintext.size());
    ++sequence_;
    std::array<unsigned char, 12> nonce{};
    std::copy_n(keys_.begin() + 32, 4, nonce.begin());
    std::copy_n(about.begin(), 8, nonce.begin() + 4);
    std::string sealed(plaintext.size() + 16, '\0');
    auto* const out = reinterpret_cast<unsigned char*>(sealed.data());
    EVP_CIPHER_CTX* const cipher = EVP_CIPHER_CTX_new();
    int size = 0;
    EVP_EncryptInit_ex(cipher, EVP_aes_128_gcm(), nullptr, keys_.data(), nonce.data());
    EVP_EncryptUpdate(cipher, nullptr, &size, about.data(), static_cast<int>(about.size()));
    EVP_EncryptUpdate(cipher, out, &size, reinterpret_cast<const unsigned char*>(plaintext.data()),
                      static_cast<int>(plaintext.size()));
    EVP_EncryptFinal_ex(cipher, out + plaintext.size(), &size);
    EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_GET_TAG, 16, out + plaintext.size());
    EVP_CIPHER_CTX_free(cipher);
    const std::size_t length = 8 + sealed.size();
    std::string record{static_cast<char>(type), 3, 3, static_cast<char>(length >> 8), static_cast<char>(length & 0xff)};
    record.append(reinterpret_cast<const char*>(about.data()), 8);
    return record + sealed;
  }
  std::string data() { return write(23, "x"); }
  std::string warning() { return write(21, std::string{1, 90}); }  // user_canceled
  std::string renegotiation() { return write(22, std::string{1, 0, 0, 0}); }

 private:
  std::array<unsigned char, 40> keys_{};
  std::uint64_t sequence_ = 1;  // Finished was 0
};

const memory_client_options gcm{.version = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256"};

struct default_configuration {
  explicit default_configuration(const ::QSslConfiguration& set) { ::QSslConfiguration::setDefaultConfiguration(set); }
  ~default_configuration() { ::QSslConfiguration::setDefaultConfiguration(before); }
  ::QSslConfiguration before = ::QSslConfiguration::defaultConfiguration();
};

template <class Socket>
class qt_adversary_both : public testing::Test {};
using sockets = testing::Types<::QSslSocket, SslSocket>;
TYPED_TEST_SUITE(qt_adversary_both, sockets);

// --- who is trusted ---

TYPED_TEST(qt_adversary_both, a_new_socket_trusts_whom_the_program_trusts_by_default) {
  ::QSslConfiguration pinned = ::QSslConfiguration::defaultConfiguration();
  pinned.setCaCertificates({qt_certificate(make_ca("The program's own"))});
  pinned.setProtocol(QSsl::TlsV1_3);
  const default_configuration set(pinned);
  const TypeParam socket;
  EXPECT_EQ(socket.protocol(), QSsl::TlsV1_3);
  EXPECT_EQ(socket.sslConfiguration().caCertificates(), pinned.caCertificates());
}

TEST(qt_adversary, errors_ignored_for_one_client_are_not_ignored_for_the_next) {
  SslSocket socket;
  socket.setSslConfiguration(verifying_settings(::QSslSocket::VerifyPeer));
  bool first = true;
  QObject::connect(&socket, &SslSocket::sslErrors, [&] {
    if (std::exchange(first, false)) socket.ignoreSslErrors();
  });
  const auto gets_in = [&] {
    tls_peer peer;
    socket.setSocketDescriptor(peer.take_descriptor());
    begin(socket, peer);
    EXPECT_TRUE(
        peer.until([&] { return socket.isEncrypted() || socket.state() == QAbstractSocket::UnconnectedState; }));
    const bool is_in = socket.isEncrypted();
    socket.abort();
    handle_events();
    return is_in;
  };
  EXPECT_TRUE(gets_in());
  EXPECT_FALSE(gets_in());
}

TEST(qt_adversary, qts_type_does_not_drop_our_rules) {
  SslServer server;
  SslConfiguration configuration = verifying_settings(::QSslSocket::VerifyPeer);
  configuration.setAccessRules({access_rule::parse("cn=alice").value()});
  ASSERT_TRUE(server.setSslConfiguration(configuration));
  ::QSslConfiguration by_a_helper = server.sslConfiguration();
  by_a_helper.setPeerVerifyDepth(2);
  server.setSslConfiguration(by_a_helper);
  EXPECT_EQ(server.sslConfiguration().accessRules().size(), 1U) << "everybody with a certificate gets in";
}

TEST(qt_adversary, qts_comparison_misses_nothing_that_the_cache_relies_on) {
  const auto key = issue(test_ca(), {.common_name = "server"});
  const struct {
    const char* name;
    std::function<void(::QSslConfiguration&)> set;
  } rows[] = {
      {"protocol", [](auto& c) { c.setProtocol(QSsl::TlsV1_3); }},
      {"peerVerifyMode", [](auto& c) { c.setPeerVerifyMode(::QSslSocket::VerifyNone); }},
      {"peerVerifyDepth", [](auto& c) { c.setPeerVerifyDepth(1); }},
      {"localCertificateChain", [&](auto& c) { c.setLocalCertificateChain({qt_certificate(key)}); }},
      {"privateKey", [&](auto& c) { c.setPrivateKey(qt_key(key)); }},
      {"ciphers", [](auto& c) { c.setCiphers({QSslCipher("TLS_AES_128_GCM_SHA256")}); }},
      {"caCertificates", [&](auto& c) { c.setCaCertificates({qt_certificate(key)}); }},
      {"caCertificates none", [&](auto& c) { c.setCaCertificates({}); }},
      {"sslOption", [](auto& c) { c.setSslOption(QSsl::SslOptionDisableSessionTickets, true); }},
      {"sslOption cipher preference",
       [](auto& c) { c.setSslOption(QSsl::SslOptionDisableServerCipherPreference, true); }},
      {"sslOption sni", [](auto& c) { c.setSslOption(QSsl::SslOptionDisableServerNameIndication, true); }},
      {"ellipticCurves", [](auto& c) { c.setEllipticCurves({QSslEllipticCurve::fromShortName("secp384r1")}); }},
      {"hint", [](auto& c) { c.setPreSharedKeyIdentityHint("hint"); }},
      {"dh", [](auto& c) { c.setDiffieHellmanParameters(QSslDiffieHellmanParameters()); }},
      {"backend", [](auto& c) { c.setBackendConfigurationOption("MinProtocol", "TLSv1.3"); }},
      {"alpn", [](auto& c) { c.setAllowedNextProtocols({"h2"}); }},
      {"ocsp", [](auto& c) { c.setOcspStaplingEnabled(true); }},
      {"interrupt", [](auto& c) { c.setHandshakeMustInterruptOnError(true); }},
      {"missing", [](auto& c) { c.setMissingCertificateIsFatal(true); }},
      {"ticket", [](auto& c) { c.setSessionTicket("t"); }},
  };
  for (const auto& row : rows) {
    const ::QSslConfiguration before = ::QSslConfiguration::defaultConfiguration();
    ::QSslConfiguration after = before;
    row.set(after);
    EXPECT_FALSE(before == after) << row.name;
  }
  ::QSslConfiguration one, other;
  one.setBackendConfigurationOption("MinProtocol", "TLSv1.2");
  other.setBackendConfigurationOption("MinProtocol", "TLSv1.3");
  EXPECT_FALSE(one == other) << "backend value";
  one = other = ::QSslConfiguration();
  one.setPrivateKey(qt_key(key));
  other.setPrivateKey(qt_key(issue(test_ca(), {.common_name = "x"})));
  EXPECT_FALSE(one == other) << "key's value";
}

// --- plain text ---

TEST(qt_adversary, nothing_that_comes_in_plain_text_is_taken_for_encrypted) {
  qt_peer peer([](::QSslSocket& client) { client.write("250 welcome\r\n"); }, peer_begins::plain);
  SslSocket socket;
  socket.setSslConfiguration(client_settings());
  QByteArray read;
  QObject::connect(&socket, &SslSocket::readyRead, [&] { read += socket.readAll(); });
  QObject::connect(&socket, &SslSocket::stateChanged, [&](QAbstractSocket::SocketState state) {
    if (state == QAbstractSocket::ConnectedState) socket.waitForReadyRead(300);
  });
  socket.connectToHostEncrypted("127.0.0.1", peer.port());
  ASSERT_TRUE(wait_until([&] { return socket.isEncrypted() || socket.state() == QAbstractSocket::UnconnectedState; }));
  EXPECT_EQ(read, "");
}

TEST(qt_adversary, a_name_that_socks5_cannot_say_is_not_said) {
  const QString label(60, 'a');
  const QString host = QStringList(5, label).join('.');
  qt::socks5_dialogue dialogue(host, 443, {}, {});
  QByteArray input("\x05\x00", 2), output;
  if (dialogue.step(input, output) == qt::socks5_dialogue::progress::failed) return;
  ASSERT_GT(output.size(), 7);
  EXPECT_EQ(static_cast<unsigned char>(output[4]), output.size() - 7) << "what follows is taken for the port";
}

// --- memory and time ---

TEST(qt_adversary, alerts_that_wait_do_not_pile_up) {
  encrypted_pair pair(gcm);
  forged_records forged(pair.peer.client().native());
  QObject::connect(&pair.socket, &SslSocket::readyRead, [&] { pair.socket.readAll(); });
  pair.peer.stop_reading();
  pair.socket.write(QByteArray(12'000'000, 'x'));
  pair.settle(100);
  ASSERT_GT(pair.socket.bytesToWrite(), 0) << "more than the kernel takes";
  pair.peer.send_raw(forged.renegotiation());
  pair.peer.send_raw(forged.data());
  pair.settle();
  for (int i = 0; i < 500; ++i) {
    for (int each = 0; each < 2; ++each) {
      pair.peer.send_raw(forged.warning());
      pair.peer.send_raw(forged.data());
    }
    pair.settle(2);
  }
  EXPECT_EQ(pair.socket.state(), QAbstractSocket::ConnectedState) << pair.socket.errorString().toStdString();
  EXPECT_LT(SslSocketPrivate::of(pair.socket).untold.events.size(), 100U) << "of a client that reads nothing";
}

/// Connects, and is gone.
void come_and_go(quint16 port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) ADD_FAILURE();
  ::close(descriptor);
}

TEST(qt_adversary, a_client_that_comes_again_and_again_does_not_keep_the_loop_accepting) {
  SslServer server;
  server.setSslConfiguration(server_settings());
  server.setMaxPendingConnections(8);
  server.setMaxHandshakesPerPeer(2);
  ASSERT_TRUE(server.listen(QHostAddress::LocalHost));
  int accepted = 0, in_this_turn = 0, most = 0;
  QObject::connect(&server, &SslServer::newConnection, [&] {
    most = std::max(most, ++in_this_turn);
    if (++accepted < 2000) come_and_go(server.serverPort());  // as fast as it is accepted
  });
  QTimer turn;
  QObject::connect(&turn, &QTimer::timeout, [&] { in_this_turn = 0; });
  turn.start(0);
  come_and_go(server.serverPort());
  EXPECT_TRUE(wait_until([&] { return accepted >= 2000; }));
  EXPECT_LE(most, 100) << "no timer ran and nobody else was served meanwhile";
}

TEST(qt_adversary, whoever_answers_before_it_reads_gets_all_the_same) {
  encrypted_pair pair;
  pair.socket.setReadBufferSize(16'384);
  pair.socket.setWriteBufferLimit(65'536);
  std::size_t read = 0;
  QObject::connect(&pair.socket, &SslSocket::readyRead, [&] {
    pair.socket.write(QByteArray(100'000, 'y'));
    read += static_cast<std::size_t>(pair.socket.readAll().size());
  });
  pair.peer.send(std::string(1'000'000, 'x'));
  EXPECT_TRUE(pair.peer.until([&] { return read == 1'000'000; })) << read;
}

TEST(qt_adversary, a_slot_that_throws_is_not_the_end_of_ready_read) {
  encrypted_pair pair;
  int told = 0;
  QObject::connect(&pair.socket, &SslSocket::readyRead, [&] {
    if (++told == 1) throw std::runtime_error("a slot's own");
  });
  pair.peer.send("1");
  EXPECT_THROW(pair.socket.waitForReadyRead(2000), std::runtime_error);
  pair.socket.readAll();
  pair.peer.send("2");
  EXPECT_TRUE(pair.peer.until([&] { return told == 2; }));
}

}  // namespace
}  // namespace sallyport::test
