// ssl_configuration: see ssl_configuration.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/qt/ssl_configuration.hpp>

#include "ssl_configuration_data.hpp"

#include <algorithm>
#include <utility>

namespace sallyport::qt {

namespace {

// Copies share their data.
template <class T>
bool is_copy(const T& one, const T& other) {
  return &one.data() == &other.data();
}

template <class T>
bool is_copy(const std::optional<T>& one, const std::optional<T>& other) {
  return one.has_value() == other.has_value() && (!one || is_copy(*one, *other));
}

bool same_rules(const std::vector<access_rule>& one, const std::vector<access_rule>& other) {
  return std::ranges::equal(one, other, {}, &access_rule::text, &access_rule::text);
}

bool same_settings(const name_settings& one, const name_settings& other) {
  return one.names == other.names && one.alpn_protocols == other.alpn_protocols && one.profile == other.profile &&
         one.minimum_version == other.minimum_version && one.maximum_version == other.maximum_version &&
         one.verify_mode == other.verify_mode && is_copy(one.ca_certificates, other.ca_certificates) &&
         is_copy(one.revocation, other.revocation) && one.allow.has_value() == other.allow.has_value() &&
         (!one.allow || same_rules(*one.allow, *other.allow));
}

}  // namespace

bool operator==(const SslConfigurationData& one, const SslConfigurationData& other) {
  return std::ranges::equal(one.identities, other.identities,
                            [](const auto& a, const auto& b) { return is_copy(a, b); }) &&
         one.unknown_names == other.unknown_names &&
         std::ranges::equal(one.settings_for_names, other.settings_for_names, same_settings) &&
         is_copy(one.revocation, other.revocation) && one.missing_revocation_list == other.missing_revocation_list &&
         same_rules(one.access_rules, other.access_rules) && one.ocsp_response == other.ocsp_response &&
         is_copy(one.tickets, other.tickets) && one.resumption_lifetime == other.resumption_lifetime &&
         one.session_cipher == other.session_cipher && one.session_protocol == other.session_protocol &&
         one.peer_certificate_chain == other.peer_certificate_chain &&
         one.ephemeral_server_key == other.ephemeral_server_key &&
         one.next_negotiated_protocol == other.next_negotiated_protocol &&
         one.next_protocol_negotiation_status == other.next_protocol_negotiation_status &&
         one.session_ticket_life_time_hint == other.session_ticket_life_time_hint;
}

SslConfiguration without_results(const SslConfiguration& configuration) {
  const SslConfigurationData& old = SslConfigurationAccess::data(configuration);
  const bool is_clean = configuration.sessionTicket().isEmpty() && old.session_cipher.isNull() &&
                        old.session_protocol == QSsl::UnknownProtocol && old.peer_certificate_chain.isEmpty() &&
                        old.ephemeral_server_key.isEmpty() && old.next_negotiated_protocol.isNull() &&
                        old.next_protocol_negotiation_status == ::QSslConfiguration::NextProtocolNegotiationNone &&
                        old.session_ticket_life_time_hint == -1;
  if (is_clean) return configuration;  // a copy that isn't detached: comparing it is quick
  SslConfiguration clean = configuration;
  clean.setSessionTicket({});
  SslConfigurationData& data = SslConfigurationAccess::data(clean);
  data.session_cipher = {};
  data.session_protocol = QSsl::UnknownProtocol;
  data.peer_certificate_chain = {};
  data.ephemeral_server_key = {};
  data.next_negotiated_protocol = {};
  data.next_protocol_negotiation_status = ::QSslConfiguration::NextProtocolNegotiationNone;
  data.session_ticket_life_time_hint = -1;
  return clean;
}

SslConfiguration::SslConfiguration() : data_(new SslConfigurationData) {}
SslConfiguration::SslConfiguration(const ::QSslConfiguration& other)
    : ::QSslConfiguration(other), data_(new SslConfigurationData) {}
SslConfiguration::SslConfiguration(const SslConfiguration& other) = default;
SslConfiguration& SslConfiguration::operator=(const SslConfiguration& other) = default;
SslConfiguration::~SslConfiguration() = default;

void SslConfiguration::swap(SslConfiguration& other) noexcept {
  ::QSslConfiguration::swap(other);
  data_.swap(other.data_);
}

bool operator==(const SslConfiguration& one, const SslConfiguration& other) {
  return static_cast<const ::QSslConfiguration&>(one) == static_cast<const ::QSslConfiguration&>(other) &&
         (one.data_.constData() == other.data_.constData() || *one.data_ == *other.data_);
}

QSslCipher SslConfiguration::sessionCipher() const { return data_->session_cipher; }
QSsl::SslProtocol SslConfiguration::sessionProtocol() const { return data_->session_protocol; }
QSslCertificate SslConfiguration::peerCertificate() const { return data_->peer_certificate_chain.value(0); }
QList<QSslCertificate> SslConfiguration::peerCertificateChain() const { return data_->peer_certificate_chain; }
QSslKey SslConfiguration::ephemeralServerKey() const {
  const QByteArray& key = data_->ephemeral_server_key;
  return key.isEmpty() ? QSslKey() : QSslKey(key, QSsl::Ec, QSsl::Der, QSsl::PublicKey);
}
QByteArray SslConfiguration::nextNegotiatedProtocol() const { return data_->next_negotiated_protocol; }
::QSslConfiguration::NextProtocolNegotiationStatus SslConfiguration::nextProtocolNegotiationStatus() const {
  return data_->next_protocol_negotiation_status;
}
QByteArray SslConfiguration::sessionTicket() const { return ::QSslConfiguration::sessionTicket(); }
void SslConfiguration::setSessionTicket(const QByteArray& sessionTicket) {
  ::QSslConfiguration::setSessionTicket(sessionTicket);
}
int SslConfiguration::sessionTicketLifeTimeHint() const { return data_->session_ticket_life_time_hint; }

const std::vector<identity>& SslConfiguration::identities() const { return data_->identities; }
void SslConfiguration::setIdentities(std::vector<identity> identities) { data_->identities = std::move(identities); }

unknown_name_policy SslConfiguration::unknownNames() const { return data_->unknown_names; }
void SslConfiguration::setUnknownNames(unknown_name_policy policy) { data_->unknown_names = policy; }

const std::vector<name_settings>& SslConfiguration::settingsForNames() const { return data_->settings_for_names; }
void SslConfiguration::setSettingsForNames(std::vector<name_settings> settings) {
  data_->settings_for_names = std::move(settings);
}

const std::optional<revocation_lists>& SslConfiguration::revocationLists() const { return data_->revocation; }
void SslConfiguration::setRevocationLists(std::optional<revocation_lists> lists, revocation_policy missing) {
  data_->revocation = std::move(lists);
  data_->missing_revocation_list = missing;
}
revocation_policy SslConfiguration::missingRevocationListPolicy() const { return data_->missing_revocation_list; }

const std::vector<access_rule>& SslConfiguration::accessRules() const { return data_->access_rules; }
void SslConfiguration::setAccessRules(std::vector<access_rule> rules) { data_->access_rules = std::move(rules); }

QByteArray SslConfiguration::ocspResponse() const { return data_->ocsp_response; }
void SslConfiguration::setOcspResponse(const QByteArray& der) { data_->ocsp_response = der; }

const std::optional<ticket_keys>& SslConfiguration::ticketKeys() const { return data_->tickets; }
void SslConfiguration::setTicketKeys(std::optional<ticket_keys> keys) { data_->tickets = std::move(keys); }

std::chrono::seconds SslConfiguration::resumptionLifetime() const { return data_->resumption_lifetime; }
void SslConfiguration::setResumptionLifetime(std::chrono::seconds lifetime) { data_->resumption_lifetime = lifetime; }

}  // namespace sallyport::qt
