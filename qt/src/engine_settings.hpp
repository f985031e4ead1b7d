// engine_settings: an SslConfiguration in the engine's words, nothing of it checked but what only Qt knows.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_QT_ENGINE_SETTINGS_HPP
#define SALLYPORT_QT_ENGINE_SETTINGS_HPP

#include <sallyport/qt/ssl_configuration.hpp>

#include <sallyport/client_configuration.hpp>
#include <sallyport/error.hpp>
#include <sallyport/ssl_configuration.hpp>

namespace sallyport::qt {

/// Errors: configuration_error, with a sentence that names Qt's setting.
result<ssl_configuration> server_settings(const SslConfiguration& from, bool pre_shared_keys);
/// The session ticket isn't among them: it is the connection's.
result<client_configuration> client_settings(const SslConfiguration& from, bool pre_shared_keys);

}  // namespace sallyport::qt

#endif
