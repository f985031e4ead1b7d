// engine_certificates: the certificates and keys of a QSslConfiguration in the engine's form.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_QT_ENGINE_CERTIFICATES_HPP
#define SALLYPORT_QT_ENGINE_CERTIFICATES_HPP

#include <sallyport/error.hpp>
#include <sallyport/identity.hpp>
#include <sallyport/trust_store.hpp>

#include <QtNetwork/QSslConfiguration>

#include <optional>

namespace sallyport::qt {

/// Errors: configuration_error, with a sentence that names Qt's setting.

/// By setLocalCertificateChain() and setPrivateKey(); none if neither is set.
result<std::optional<identity>> local_identity(const ::QSslConfiguration& from);

/// By setCaCertificates() or addCaCertificates(); none if there are none.
result<std::optional<trust_store>> given_trust(const ::QSslConfiguration& from);

/// The same, or the system's if they were never set; none: nobody is to be trusted.
result<std::optional<trust_store>> client_trust(const ::QSslConfiguration& from);

}  // namespace sallyport::qt

#endif
