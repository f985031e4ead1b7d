// SslConfiguration: QSslConfiguration, and what a server on this engine can be told beyond it.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_QT_SSL_CONFIGURATION_HPP
#define SALLYPORT_QT_SSL_CONFIGURATION_HPP

#include <sallyport/qt/export.hpp>

#include <sallyport/access_rule.hpp>
#include <sallyport/identity.hpp>
#include <sallyport/revocation_lists.hpp>
#include <sallyport/ssl_configuration.hpp>
#include <sallyport/ticket_keys.hpp>

#include <QtCore/QList>
#include <QtCore/QSharedDataPointer>
#include <QtNetwork/QSslCertificate>
#include <QtNetwork/QSslCipher>
#include <QtNetwork/QSslConfiguration>
#include <QtNetwork/QSslKey>

#include <chrono>
#include <optional>
#include <vector>

namespace sallyport::qt {

struct SslConfigurationData;

/// Qt's settings, and ours. It is a QSslConfiguration: every setter and getter of that class works, one is made from a
/// QSslConfiguration implicitly, and given to whoever wants a QSslConfiguration it is that part of it.
///
/// Implicitly shared; a copy may be used on another thread.
class SALLYPORT_QT_EXPORT SslConfiguration : public ::QSslConfiguration {
 public:
  SslConfiguration();
  SslConfiguration(const ::QSslConfiguration& other);  // NOLINT(google-explicit-constructor): meant to be implicit
  SslConfiguration(const SslConfiguration& other);
  SslConfiguration& operator=(const SslConfiguration& other);
  ~SslConfiguration();

  void swap(SslConfiguration& other) noexcept;

  /// Identities, trust stores, revocation lists and ticket keys are equal to their copies alone: the same file, read
  /// twice, makes two.
  friend SALLYPORT_QT_EXPORT bool operator==(const SslConfiguration& one, const SslConfiguration& other);
  friend bool operator==(const SslConfiguration& one, const ::QSslConfiguration& other) {
    return one == SslConfiguration(other);
  }

  // --- what a connection has come to: QSslConfiguration's getters, which no public function of Qt could set ---
  // They tell something in what SslSocket::sslConfiguration() returns, and nothing elsewhere.

  QSslCipher sessionCipher() const;
  QSsl::SslProtocol sessionProtocol() const;
  QSslCertificate peerCertificate() const;
  QList<QSslCertificate> peerCertificateChain() const;
  /// Clients: of an elliptic curve such as secp256r1; null for X25519 and X448, of which Qt makes no key from bytes.
  QSslKey ephemeralServerKey() const;
  QByteArray nextNegotiatedProtocol() const;
  NextProtocolNegotiationStatus nextProtocolNegotiationStatus() const;
  /// Clients: the session that the server's latest ticket stands for, to be resumed by a connection whose
  /// configuration has it. Kept only if QSsl::SslOptionDisableSessionPersistence is off, as with Qt.
  QByteArray sessionTicket() const;
  void setSessionTicket(const QByteArray& sessionTicket);
  int sessionTicketLifeTimeHint() const;

  // --- what Qt lacks; for servers ---

  /// More identities, chosen by the name that the client asks for (SNI); see sallyport::ssl_configuration::identities.
  /// The one by setLocalCertificateChain() and setPrivateKey(), if there is one, comes first and is the default.
  const std::vector<identity>& identities() const;
  void setIdentities(std::vector<identity> identities);

  unknown_name_policy unknownNames() const;
  void setUnknownNames(unknown_name_policy policy);

  /// Settings for clients that ask for certain names.
  const std::vector<name_settings>& settingsForNames() const;
  void setSettingsForNames(std::vector<name_settings> settings);

  /// Revocation lists for clients' certificates, and what becomes of those without a list. (On a client: for servers'.)
  const std::optional<revocation_lists>& revocationLists() const;
  void setRevocationLists(std::optional<revocation_lists> lists,
                          revocation_policy missing = revocation_policy::hard_fail);
  revocation_policy missingRevocationListPolicy() const;

  /// Which clients get in, by their certificate; only with QSslSocket::VerifyPeer.
  const std::vector<access_rule>& accessRules() const;
  void setAccessRules(std::vector<access_rule> rules);

  /// An OCSP response for the certificate by setLocalCertificateChain(), stapled (DER); empty: none. Other identities
  /// bring their own (identity::with_ocsp_response).
  QByteArray ocspResponse() const;
  void setOcspResponse(const QByteArray& der);

  /// What session tickets are encrypted with; without it an SslServer makes keys of its own, once. (Sockets without a
  /// server share keys with those that have had an equal configuration lately.)
  const std::optional<ticket_keys>& ticketKeys() const;
  void setTicketKeys(std::optional<ticket_keys> keys);

  /// How long after a full handshake it may be resumed; default 24 hours. 0, or
  /// QSsl::SslOptionDisableSessionTickets: never.
  std::chrono::seconds resumptionLifetime() const;
  void setResumptionLifetime(std::chrono::seconds lifetime);

 private:
  friend class SslSocket;
  friend struct SslConfigurationAccess;
  QSharedDataPointer<SslConfigurationData> data_;
};

}  // namespace sallyport::qt

#endif
