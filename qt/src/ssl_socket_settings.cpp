// ssl_socket_settings: what a socket is told for the handshake to come, and what the backend can do.
//
// SPDX-License-Identifier: Apache-2.0
#include "ssl_socket_private.hpp"

#include "ssl_configuration_data.hpp"

#include <QtCore/QFile>

namespace sallyport::qt {
namespace {

/// Not refused as a setting (engine_settings).
bool is_spoken(QSsl::SslProtocol protocol) {
  switch (protocol) {
    case QSsl::TlsV1_2:
    case QSsl::TlsV1_2OrLater:
    case QSsl::TlsV1_3:
    case QSsl::TlsV1_3OrLater:
    case QSsl::AnyProtocol:
    case QSsl::SecureProtocols:
      return true;
    default:
      return false;
  }
}

}  // namespace

SslConfiguration SslSocket::sslConfiguration() const {
  SslConfiguration current = d_->configuration;
  SslConfigurationData& facts = *current.data_;
  facts.session_cipher = sessionCipher();
  facts.session_protocol = sessionProtocol();
  facts.peer_certificate_chain = peerCertificateChain();
  facts.ephemeral_server_key = d_->known.ephemeral_server_key;
  facts.next_negotiated_protocol.clear();
  facts.next_protocol_negotiation_status = ::QSslConfiguration::NextProtocolNegotiationNone;
  if (d_->tls && !d_->tls->application_protocol().empty()) {
    const std::string_view protocol = d_->tls->application_protocol();
    facts.next_negotiated_protocol = QByteArray(protocol.data(), static_cast<qsizetype>(protocol.size()));
    facts.next_protocol_negotiation_status = ::QSslConfiguration::NextProtocolNegotiationNegotiated;
  }
  return current;
}

void SslSocket::setSslConfiguration(const SslConfiguration& configuration) { d_->configuration = configuration; }
void SslSocket::setSslConfiguration(const ::QSslConfiguration& configuration) {
  static_cast<::QSslConfiguration&>(d_->configuration) = configuration;
}

QSsl::SslProtocol SslSocket::protocol() const { return d_->configuration.protocol(); }
void SslSocket::setProtocol(QSsl::SslProtocol protocol) { d_->configuration.setProtocol(protocol); }

SslSocket::PeerVerifyMode SslSocket::peerVerifyMode() const { return d_->configuration.peerVerifyMode(); }
void SslSocket::setPeerVerifyMode(PeerVerifyMode mode) { d_->configuration.setPeerVerifyMode(mode); }

int SslSocket::peerVerifyDepth() const { return d_->configuration.peerVerifyDepth(); }
void SslSocket::setPeerVerifyDepth(int depth) {
  if (depth < 0) {
    qWarning("QSslSocket::setPeerVerifyDepth: cannot set negative depth of %d", depth);
    return;
  }
  d_->configuration.setPeerVerifyDepth(depth);
}

QString SslSocket::peerVerifyName() const { return d_->peer_verify_name; }
void SslSocket::setPeerVerifyName(const QString& hostName) {
  d_->peer_verify_name = hostName;
  d_->usual_verify_name.reset();
}

void SslSocket::setLocalCertificateChain(const QList<QSslCertificate>& localChain) {
  d_->configuration.setLocalCertificateChain(localChain);
}
void SslSocket::setLocalCertificate(const QSslCertificate& certificate) {
  d_->configuration.setLocalCertificate(certificate);
}
void SslSocket::setLocalCertificate(const QString& fileName, QSsl::EncodingFormat format) {
  QFile file(fileName);
  if (file.open(QIODevice::ReadOnly)) setLocalCertificate(QSslCertificate(file.readAll(), format));
}
QList<QSslCertificate> SslSocket::localCertificateChain() const { return d_->configuration.localCertificateChain(); }
QSslCertificate SslSocket::localCertificate() const { return d_->configuration.localCertificate(); }

void SslSocket::setPrivateKey(const QSslKey& key) { d_->configuration.setPrivateKey(key); }
void SslSocket::setPrivateKey(const QString& fileName, QSsl::KeyAlgorithm algorithm, QSsl::EncodingFormat format,
                              const QByteArray& passPhrase) {
  QFile file(fileName);
  if (!file.open(QIODevice::ReadOnly)) {
    qWarning("QSslSocket::setPrivateKey: cannot open %s", qUtf8Printable(fileName));
    return;
  }
  setPrivateKey(QSslKey(file.readAll(), algorithm, format, QSsl::PrivateKey, passPhrase));
}
QSslKey SslSocket::privateKey() const { return d_->configuration.privateKey(); }

bool SslSocket::supportsSsl() { return ::QSslSocket::supportsSsl(); }
long SslSocket::sslLibraryVersionNumber() { return ::QSslSocket::sslLibraryVersionNumber(); }
QString SslSocket::sslLibraryVersionString() { return ::QSslSocket::sslLibraryVersionString(); }
long SslSocket::sslLibraryBuildVersionNumber() { return ::QSslSocket::sslLibraryBuildVersionNumber(); }
QString SslSocket::sslLibraryBuildVersionString() { return ::QSslSocket::sslLibraryBuildVersionString(); }
QString SslSocket::activeBackend() { return ::QSslSocket::activeBackend(); }
QList<QString> SslSocket::availableBackends() { return ::QSslSocket::availableBackends(); }
bool SslSocket::setActiveBackend(const QString& backendName) { return ::QSslSocket::setActiveBackend(backendName); }

QList<QSsl::SslProtocol> SslSocket::supportedProtocols(const QString& backendName) {
  QList<QSsl::SslProtocol> spoken;
  for (const QSsl::SslProtocol each : ::QSslSocket::supportedProtocols(backendName)) {
    if (is_spoken(each)) spoken.append(each);
  }
  return spoken;
}
bool SslSocket::isProtocolSupported(QSsl::SslProtocol protocol, const QString& backendName) {
  return is_spoken(protocol) && ::QSslSocket::isProtocolSupported(protocol, backendName);
}
QList<QSsl::ImplementedClass> SslSocket::implementedClasses(const QString& backendName) {
  return ::QSslSocket::implementedClasses(backendName);
}
bool SslSocket::isClassImplemented(QSsl::ImplementedClass cl, const QString& backendName) {
  return ::QSslSocket::isClassImplemented(cl, backendName);
}
QList<QSsl::SupportedFeature> SslSocket::supportedFeatures(const QString& backendName) {
  return ::QSslSocket::supportedFeatures(backendName);
}
bool SslSocket::isFeatureSupported(QSsl::SupportedFeature feat, const QString& backendName) {
  return ::QSslSocket::isFeatureSupported(feat, backendName);
}

}  // namespace sallyport::qt
