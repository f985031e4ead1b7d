// engine_certificates: see engine_certificates.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "engine_certificates.hpp"

#include <QtCore/QByteArray>
#include <QtCore/QList>
#include <QtCore/QtDebug>
#include <QtNetwork/QSsl>
#include <QtNetwork/QSslCertificate>
#include <QtNetwork/QSslKey>

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace sallyport::qt {

namespace {

std::string_view view(const QByteArray& bytes) { return {bytes.constData(), static_cast<std::size_t>(bytes.size())}; }

result<std::string> pem_of(const QList<QSslCertificate>& certificates, const std::string& setting) {
  std::string pem;
  for (qsizetype i = 0; i < certificates.size(); ++i) {
    if (certificates[i].isNull()) {
      return error{configuration_error::bad_certificate,
                   setting + ": certificate " + std::to_string(i + 1) + " is null"};
    }
    pem += view(certificates[i].toPem());
  }
  return pem;
}

std::optional<error> problem_of_key(const QSslKey& key) {
  if (key.isNull()) {
    return error{configuration_error::no_private_key,
                 "privateKey: localCertificateChain has a certificate, and there is no key for it"};
  }
  if (key.type() != QSsl::PrivateKey) {
    return error{configuration_error::bad_private_key, "privateKey: it is a public key"};
  }
  if (key.algorithm() == QSsl::Opaque) {
    return error{configuration_error::bad_private_key,
                 "privateKey: Qt doesn't give out what an opaque key holds; setIdentities() takes keys that stay "
                 "where they are (sallyport::identity::from_uris)"};
  }
  return std::nullopt;
}

result<identity> make_identity(const QList<QSslCertificate>& chain, const QSslKey& key) {
  if (auto found = problem_of_key(key)) return *std::move(found);
  const auto chain_pem = pem_of(chain, "localCertificateChain");
  if (!chain_pem) return chain_pem.error();
  QByteArray key_pem = key.toPem();
  auto made = identity::from_pem(*chain_pem, view(key_pem));
  key_pem.fill('\0');  // it is the only copy
  return made;
}

// The list of QSslConfiguration is empty where Qt looks the certificates up in the system's, which is the default, and
// where a program wants to trust nobody. That its setter has been called is told by nothing else than by ==.
bool trusts_the_system(const ::QSslConfiguration& configuration) {
  if (!configuration.caCertificates().isEmpty()) return false;
  ::QSslConfiguration trusts_nobody = configuration;
  trusts_nobody.setCaCertificates({});
  return configuration != trusts_nobody;
}

// Read once, and again only if that has failed: then nobody is trusted, and a program may still ignore the errors.
std::optional<trust_store> system_trust() {
  static std::mutex mutex;
  static std::optional<trust_store> kept;
  const std::lock_guard lock(mutex);
  if (kept) return kept;
  auto made = trust_store::system_default();
  if (made) {
    kept = *std::move(made);
  } else {
    qWarning("sallyport: no server is trusted: %s", made.error().detail.c_str());
  }
  return kept;
}

}  // namespace

result<std::optional<identity>> local_identity(const ::QSslConfiguration& from) {
  const QList<QSslCertificate> chain = from.localCertificateChain();
  const QSslKey key = from.privateKey();
  // setLocalCertificate() makes a chain of one of whatever it is given.
  if (std::ranges::all_of(chain, &QSslCertificate::isNull)) {
    if (key.isNull()) return std::optional<identity>();
    return error{configuration_error::no_certificate,
                 "privateKey: there is a key, and no certificate for it in localCertificateChain"};
  }
  auto made = make_identity(chain, key);
  if (!made) return made.error();
  return std::optional(*std::move(made));
}

result<std::optional<trust_store>> given_trust(const ::QSslConfiguration& from) {
  const QList<QSslCertificate> certificates = from.caCertificates();
  if (certificates.isEmpty()) return std::optional<trust_store>();
  const auto pem = pem_of(certificates, "caCertificates");
  if (!pem) return pem.error();
  auto made = trust_store::from_pem(*pem);
  if (!made) return made.error();
  return std::optional(*std::move(made));
}

result<std::optional<trust_store>> client_trust(const ::QSslConfiguration& from) {
  if (trusts_the_system(from)) return system_trust();
  return given_trust(from);
}

}  // namespace sallyport::qt
