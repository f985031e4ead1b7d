// ssl_server_configuration: an SslServer's configuration, and the contexts made of it.
//
// SPDX-License-Identifier: Apache-2.0
#include "context_source.hpp"
#include "ssl_server_private.hpp"

#include <QtCore/QDebug>
#include <QtCore/QMetaMethod>

#include <utility>

namespace sallyport::qt {

namespace {

/// The same with ticket keys, if it has none.
SslConfiguration with_ticket_keys(const SslConfiguration& configuration, std::optional<ticket_keys>& own) {
  if (configuration.ticketKeys()) return configuration;
  if (!own) {
    auto fresh = ticket_keys::random();
    if (!fresh) return configuration;  // then nothing is resumed
    own = *std::move(fresh);
  }
  SslConfiguration completed = configuration;
  completed.setTicketKeys(own);
  return completed;
}

}  // namespace

bool SslServerPrivate::set_configuration(const SslConfiguration& wanted) {
  const bool pre_shared_keys = answers_pre_shared_keys();
  made_context made = make_server_context(with_ticket_keys(wanted, own_ticket_keys_), pre_shared_keys);
  configuration_error = made.error;
  if (made.made && !pre_shared_keys && !wanted.preSharedKeyIdentityHint().isEmpty()) {
    // Whoever has a hint is going to connect a slot that has the keys.
    configuration_error = make_server_context(with_ticket_keys(wanted, own_ticket_keys_), true).error;
    if (!configuration_error.isEmpty()) made.made.reset();
  }
  if (!made.made) {
    qWarning().noquote() << "SslServer::setSslConfiguration():" << configuration_error;
    return false;
  }
  configuration = wanted;
  plain_context_.reset();
  pre_shared_key_context_.reset();
  (pre_shared_keys ? pre_shared_key_context_ : plain_context_) = std::move(made.made);
  return true;
}

context SslServerPrivate::context_for_now() {
  const bool pre_shared_keys = answers_pre_shared_keys();
  auto& ready = pre_shared_keys ? pre_shared_key_context_ : plain_context_;
  if (ready) return *ready;
  made_context made = make_server_context(with_ticket_keys(configuration, own_ticket_keys_), pre_shared_keys);
  if (!made.made) {
    // Only the default configuration hasn't been checked. Without an identity every handshake fails.
    configuration_error = made.error;
    qWarning().noquote() << "SslServer:" << configuration_error;
    made = make_server_context(::QSslConfiguration(), false);
  }
  ready = std::move(made.made);
  return ready.value();
}

bool SslServerPrivate::answers_pre_shared_keys() const {
  static const auto signal = QMetaMethod::fromSignal(&SslServer::preSharedKeyAuthenticationRequired);
  return q.isSignalConnected(signal);
}

}  // namespace sallyport::qt
