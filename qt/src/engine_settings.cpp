// engine_settings: see engine_settings.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "engine_settings.hpp"

#include "engine_certificates.hpp"

#include <sallyport/identity.hpp>
#include <sallyport/tls_version.hpp>

#include <QtCore/QByteArray>
#include <QtCore/QList>
#include <QtCore/QString>
#include <QtCore/QVariant>
#include <QtNetwork/QSsl>
#include <QtNetwork/QSslCipher>
#include <QtNetwork/QSslDiffieHellmanParameters>
#include <QtNetwork/QSslEllipticCurve>
#include <QtNetwork/QSslSocket>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <optional>
#include <utility>

namespace sallyport::qt {

namespace {

using problem = std::optional<error>;

std::string ordinal(qsizetype index) { return std::to_string(index + 1); }

// ---- what both sides agree on ----

/// What narrows the engine's own, which are TLS 1.2 and 1.3.
struct version_range {
  std::optional<tls_version> minimum{};
  std::optional<tls_version> maximum{};
};

// Some of the names are.
QT_WARNING_PUSH
QT_WARNING_DISABLE_DEPRECATED

result<version_range> versions_of(QSsl::SslProtocol protocol) {
  switch (protocol) {
    case QSsl::TlsV1_2:
      return version_range{.maximum = tls_version::tls_1_2};
    case QSsl::TlsV1_3:
    case QSsl::TlsV1_3OrLater:
      return version_range{.minimum = tls_version::tls_1_3};
    case QSsl::SecureProtocols:
    case QSsl::AnyProtocol:
    case QSsl::UnknownProtocol:
    case QSsl::TlsV1_0OrLater:
    case QSsl::TlsV1_1OrLater:
    case QSsl::TlsV1_2OrLater:
      return version_range{};
    case QSsl::TlsV1_0:
    case QSsl::TlsV1_1:
      return error{configuration_error::invalid_value,
                   "protocol: TLS 1.0 and 1.1 are broken and not spoken here (RFC 8996); TLS 1.2 and 1.3 are"};
    case QSsl::DtlsV1_0:
    case QSsl::DtlsV1_0OrLater:
    case QSsl::DtlsV1_2:
    case QSsl::DtlsV1_2OrLater:
      return error{configuration_error::invalid_value, "protocol: DTLS is not for TCP"};
  }
  return error{configuration_error::invalid_value,
               "protocol: " + std::to_string(static_cast<int>(protocol)) + " is no QSsl::SslProtocol"};
}

QT_WARNING_POP

template <class Settings>
problem set_versions(Settings& settings, const SslConfiguration& from) {
  const auto range = versions_of(from.protocol());
  if (!range) return range.error();
  settings.minimum_version = range->minimum;
  settings.maximum_version = range->maximum;
  return std::nullopt;
}

// Qt's own choice, which nobody has made: all it knows. What QSslConfiguration::defaultConfiguration() has may be a
// choice of the program.
bool is_default(const QList<QSslCipher>& ciphers) {
  const QList<QSslCipher> supported = ::QSslConfiguration::supportedCiphers();
  if (ciphers.isEmpty() || ciphers == supported) return true;
  QList<QSslCipher> strong;
  std::ranges::copy_if(supported, std::back_inserter(strong), [](const auto& each) { return each.usedBits() >= 128; });
  return ciphers == strong;
}

template <class Settings>
problem set_ciphers(Settings& settings, const QList<QSslCipher>& ciphers) {
  if (is_default(ciphers)) return std::nullopt;
  for (qsizetype i = 0; i < ciphers.size(); ++i) {
    if (ciphers[i].isNull()) {
      return error{configuration_error::bad_ciphers, "ciphers: number " + ordinal(i) + " is null"};
    }
    std::string& list = ciphers[i].protocol() == QSsl::TlsV1_3 ? settings.ciphersuites : settings.ciphers;
    list += (list.empty() ? "" : ":") + ciphers[i].name().toStdString();
  }
  // Those of a version that isn't spoken are of no use, and no mistake either.
  if (settings.minimum_version == tls_version::tls_1_3) settings.ciphers.clear();
  if (settings.maximum_version == tls_version::tls_1_2) settings.ciphersuites.clear();
  return std::nullopt;
}

template <class Settings>
problem set_groups(Settings& settings, const QList<QSslEllipticCurve>& curves) {
  for (qsizetype i = 0; i < curves.size(); ++i) {
    if (!curves[i].isValid()) {
      return error{configuration_error::bad_groups, "ellipticCurves: number " + ordinal(i) + " is invalid"};
    }
    settings.groups += (settings.groups.empty() ? "" : ":") + curves[i].shortName().toStdString();
  }
  return std::nullopt;
}

template <class Settings>
void set_application_protocols(Settings& settings, const QList<QByteArray>& protocols) {
  for (const QByteArray& each : protocols) settings.alpn_protocols.push_back(each.toStdString());
}

template <class Settings>
void set_openssl_commands(Settings& settings, const SslConfiguration& from) {
  const auto commands = from.backendConfiguration();
  for (auto each = commands.begin(); each != commands.end(); ++each) {
    settings.openssl_commands.emplace_back(each.key().toStdString(), each.value().toString().toStdString());
  }
}

template <class Settings>
problem set_what_both_sides_have(Settings& settings, const SslConfiguration& from) {
  if (problem found = set_versions(settings, from)) return found;
  if (problem found = set_ciphers(settings, from.ciphers())) return found;
  if (problem found = set_groups(settings, from.ellipticCurves())) return found;
  set_openssl_commands(settings, from);
  set_application_protocols(settings, from.allowedNextProtocols());
  if (from.peerVerifyDepth() != 0) settings.verify_depth = from.peerVerifyDepth();
  settings.revocation = from.revocationLists();
  settings.missing_revocation_list = from.missingRevocationListPolicy();
  return std::nullopt;
}

// ---- the server's ----

result<std::vector<identity>> server_identities(const SslConfiguration& from) {
  auto local = local_identity(from);
  if (!local) return local.error();
  std::vector<identity> all = from.identities();
  const QByteArray response = from.ocspResponse();
  if (!*local) {
    if (response.isEmpty()) return all;
    return error{configuration_error::bad_ocsp_response,
                 "ocspResponse: there is no localCertificateChain that it could be about"};
  }
  if (response.isEmpty()) {
    all.insert(all.begin(), **std::move(local));
    return all;
  }
  auto stapled = (*local)->with_ocsp_response(response.toStdString());
  if (!stapled) return error{configuration_error::bad_ocsp_response, "ocspResponse: " + stapled.error().detail};
  all.insert(all.begin(), *std::move(stapled));
  return all;
}

problem set_identities(ssl_configuration& settings, const SslConfiguration& from, bool pre_shared_keys) {
  auto all = server_identities(from);
  if (!all) return all.error();
  settings.identities = *std::move(all);
  if (from.ocspStaplingEnabled() && std::ranges::none_of(settings.identities, [](const identity& each) {
        return each.ocsp_response_end().has_value();
      })) {
    return error{configuration_error::bad_ocsp_response,
                 "ocspStaplingEnabled: a server needs something to staple; set ocspResponse"};
  }
  // The engine takes no server that could serve nobody. One that would take pre-shared keys, and is given none, answers
  // everybody with handshake_failure, as Qt's does.
  settings.pre_shared_keys = pre_shared_keys || settings.identities.empty();
  if (pre_shared_keys) settings.pre_shared_key_identity_hint = from.preSharedKeyIdentityHint().toStdString();
  return std::nullopt;
}

peer_verify_mode server_verify_mode(::QSslSocket::PeerVerifyMode mode) {
  switch (mode) {
    case ::QSslSocket::VerifyNone:
      return peer_verify_mode::none;
    case ::QSslSocket::QueryPeer:
    case ::QSslSocket::AutoVerifyPeer:
      return peer_verify_mode::query;
    case ::QSslSocket::VerifyPeer:
      break;
  }
  return peer_verify_mode::verify;  // a number that is none of these lets in nobody by mistake
}

problem set_verification(ssl_configuration& settings, const SslConfiguration& from) {
  auto trust = given_trust(from);
  if (!trust) return trust.error();
  settings.ca_certificates = *std::move(trust);
  settings.verify_mode = server_verify_mode(from.peerVerifyMode());
  if (settings.verify_mode == peer_verify_mode::verify && !settings.ca_certificates) {
    return error{configuration_error::no_trust_anchor,
                 "caCertificates: VerifyPeer needs those that issue the clients' certificates; by default there are "
                 "none, as all public CAs would let in everybody"};
  }
  settings.allow = from.accessRules();
  settings.missing_certificate_is_fatal = from.missingCertificateIsFatal();
  // With Qt this is harmless where nobody is asked.
  const bool asks = settings.verify_mode != peer_verify_mode::none ||
                    std::ranges::any_of(settings.for_names, [](const name_settings& of_name) {
                      return of_name.verify_mode && *of_name.verify_mode != peer_verify_mode::none;
                    });
  settings.handshake_must_interrupt_on_error = asks && from.handshakeMustInterruptOnError();
  return std::nullopt;
}

problem problem_of_key_exchange(const QSslDiffieHellmanParameters& parameters) {
  if (parameters.isEmpty() || parameters == QSslDiffieHellmanParameters::defaultParameters()) return std::nullopt;
  return error{configuration_error::invalid_value,
               "diffieHellmanParameters: finite-field groups aren't offered, as elliptic curves are quicker and known "
               "to all clients; leave the default, and choose curves by ellipticCurves"};
}

void set_resumption(ssl_configuration& settings, const SslConfiguration& from) {
  settings.tickets = from.ticketKeys();
  settings.resumption_lifetime =
      from.testSslOption(QSsl::SslOptionDisableSessionTickets) ? std::chrono::seconds(0) : from.resumptionLifetime();
}

// ---- the client's ----

peer_verify_mode client_verify_mode(::QSslSocket::PeerVerifyMode mode) {
  switch (mode) {
    case ::QSslSocket::VerifyNone:
      return peer_verify_mode::none;
    case ::QSslSocket::QueryPeer:
      return peer_verify_mode::query;
    case ::QSslSocket::VerifyPeer:
    case ::QSslSocket::AutoVerifyPeer:
      break;
  }
  return peer_verify_mode::verify;
}

problem set_verification(client_configuration& settings, const SslConfiguration& from) {
  settings.verify_mode = client_verify_mode(from.peerVerifyMode());
  const bool verifies = settings.verify_mode != peer_verify_mode::none;
  settings.handshake_must_interrupt_on_error = verifies && from.handshakeMustInterruptOnError();
  // Nothing would come of a response, whatever it says.
  if (from.ocspStaplingEnabled()) {
    return error{configuration_error::invalid_value,
                 "ocspStaplingEnabled: a client's side of it isn't there; revocationLists has another way to learn of "
                 "revoked certificates"};
  }
  auto trust = client_trust(from);
  if (!trust) return trust.error();
  settings.ca_certificates = *std::move(trust);
  return std::nullopt;
}

}  // namespace

result<ssl_configuration> server_settings(const SslConfiguration& from, bool pre_shared_keys) {
  ssl_configuration settings;
  if (from.testSslOption(QSsl::SslOptionDisableServerCipherPreference)) {
    settings.openssl_commands.emplace_back("Options", "-ServerPreference");
  }
  settings.unknown_names = from.unknownNames();
  settings.for_names = from.settingsForNames();
  if (problem found = set_what_both_sides_have(settings, from)) return *std::move(found);
  if (problem found = set_identities(settings, from, pre_shared_keys)) return *std::move(found);
  if (problem found = set_verification(settings, from)) return *std::move(found);
  if (problem found = problem_of_key_exchange(from.diffieHellmanParameters())) return *std::move(found);
  set_resumption(settings, from);
  return settings;
}

result<client_configuration> client_settings(const SslConfiguration& from, bool pre_shared_keys) {
  client_configuration settings;
  if (problem found = set_what_both_sides_have(settings, from)) return *std::move(found);
  auto local = local_identity(from);
  if (!local) return local.error();
  settings.identity = *std::move(local);
  if (problem found = set_verification(settings, from)) return *std::move(found);
  settings.send_server_name = !from.testSslOption(QSsl::SslOptionDisableServerNameIndication);
  settings.pre_shared_keys = pre_shared_keys;
  return settings;
}

}  // namespace sallyport::qt
