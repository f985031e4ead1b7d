// qt_certificates: see qt_certificates.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "qt_certificates.hpp"

#include <QtCore/QByteArray>

#include <openssl/bio.h>
#include <openssl/pem.h>

#include <string>

namespace sallyport::test {

QSslCertificate qt_certificate(const credentials& of) {
  return QSslCertificate(QByteArray::fromStdString(of.certificate), QSsl::Pem);
}

QSslKey qt_key(const credentials& of) {
  const std::string traditional = encode_key(of.key, key_format::traditional);
  const bool is_rsa = traditional.find("RSA PRIVATE KEY") != std::string::npos;
  return QSslKey(QByteArray::fromStdString(traditional), is_rsa ? QSsl::Rsa : QSsl::Ec, QSsl::Pem);
}

QSslKey opaque_qt_key(const credentials& of) {
  BIO* pem = BIO_new_mem_buf(of.key.data(), static_cast<int>(of.key.size()));
  EVP_PKEY* key = PEM_read_bio_PrivateKey(pem, nullptr, nullptr, nullptr);
  BIO_free(pem);
  return QSslKey(key);  // which owns it now
}

void set_identity(::QSslConfiguration& configuration, const credentials& leaf, const QList<QSslCertificate>& issuers) {
  configuration.setLocalCertificateChain(QList{qt_certificate(leaf)} + issuers);
  configuration.setPrivateKey(qt_key(leaf));
}

qt::SslConfiguration server_configuration(const credentials& of) {
  qt::SslConfiguration configuration(::QSslConfiguration::defaultConfiguration());
  set_identity(configuration, of);
  return configuration;
}

}  // namespace sallyport::test
