// ssl_configuration_data: what an SslConfiguration has beyond Qt's.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_QT_SSL_CONFIGURATION_DATA_HPP
#define SALLYPORT_QT_SSL_CONFIGURATION_DATA_HPP

#include <sallyport/qt/ssl_configuration.hpp>

#include <QtCore/QByteArray>
#include <QtCore/QSharedData>

namespace sallyport::qt {

struct SslConfigurationData : QSharedData {
  // --- settings ---
  std::vector<identity> identities;
  unknown_name_policy unknown_names = unknown_name_policy::use_default;
  std::vector<name_settings> settings_for_names;
  std::optional<revocation_lists> revocation;
  revocation_policy missing_revocation_list = revocation_policy::hard_fail;
  std::vector<access_rule> access_rules;
  QByteArray ocsp_response;
  std::optional<ticket_keys> tickets;
  std::chrono::seconds resumption_lifetime = ssl_configuration().resumption_lifetime;

  // --- what a connection has come to; the session ticket is in Qt's part, which has a setter for it ---
  QSslCipher session_cipher;
  QSsl::SslProtocol session_protocol = QSsl::UnknownProtocol;
  QList<QSslCertificate> peer_certificate_chain;
  QByteArray
      ephemeral_server_key;  // DER, of an elliptic curve; not a QSslKey, which needs Qt's backend to be destroyed
  QByteArray next_negotiated_protocol;
  ::QSslConfiguration::NextProtocolNegotiationStatus next_protocol_negotiation_status =
      ::QSslConfiguration::NextProtocolNegotiationNone;
  int session_ticket_life_time_hint = -1;
};

/// For the module's own use: who fills in what a connection has come to.
struct SslConfigurationAccess {
  /// Detaches.
  static SslConfigurationData& data(SslConfiguration& of) { return *of.data_; }
  static const SslConfigurationData& data(const SslConfiguration& of) { return *of.data_; }
};

/// The settings alone: what connections with the same settings agree on.
SslConfiguration without_results(const SslConfiguration& configuration);

/// Values of the engine can't be looked into, so only copies of the same one are equal.
bool operator==(const SslConfigurationData& one, const SslConfigurationData& other);

}  // namespace sallyport::qt

#endif
