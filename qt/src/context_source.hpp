// context_source: an SslConfiguration in the engine's form, made once for all connections that use it.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_QT_CONTEXT_SOURCE_HPP
#define SALLYPORT_QT_CONTEXT_SOURCE_HPP

#include <sallyport/qt/ssl_configuration.hpp>

#include <sallyport/context.hpp>

#include <QtCore/QString>

#include <optional>

namespace sallyport::qt {

/// A context, or why there is none: a sentence that names the setting and the reason.
struct made_context {
  std::optional<context> made;
  QString error;
};

/// For a server's connections. A configuration without any identity and without pre-shared keys gives one with which
/// every handshake fails, as with Qt. `pre_shared_keys`: whether somebody would answer for them.
made_context make_server_context(const SslConfiguration& configuration, bool pre_shared_keys);

/// The same for a client's. Which name the server's certificate must be for, and SslConfiguration::sessionTicket(), are
/// the session's business.
made_context make_client_context(const SslConfiguration& configuration, bool pre_shared_keys);

/// The same, from those that the process has made lately: for sockets without a server, each with a configuration of
/// its own that says the same as the one before. From any thread.
made_context cached_server_context(const SslConfiguration& configuration, bool pre_shared_keys);
made_context cached_client_context(const SslConfiguration& configuration, bool pre_shared_keys);

}  // namespace sallyport::qt

#endif
