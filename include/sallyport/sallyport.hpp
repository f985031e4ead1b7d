// Everything.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_SALLYPORT_HPP
#define SALLYPORT_SALLYPORT_HPP

#include <sallyport/alert.hpp>
#include <sallyport/certificate.hpp>
#include <sallyport/client_configuration.hpp>
#include <sallyport/context.hpp>
#include <sallyport/error.hpp>
#include <sallyport/handshake_report.hpp>
#include <sallyport/identity.hpp>
#include <sallyport/interrupted_handshake.hpp>
#include <sallyport/pre_shared_key.hpp>
#include <sallyport/server_group.hpp>
#include <sallyport/session.hpp>
#include <sallyport/signal.hpp>
#include <sallyport/ssl_configuration.hpp>
#include <sallyport/ssl_error.hpp>
#include <sallyport/ssl_server.hpp>
#include <sallyport/ssl_socket.hpp>
#include <sallyport/ticket_keys.hpp>
#include <sallyport/tls_version.hpp>
#include <sallyport/trust_store.hpp>
#include <sallyport/version.hpp>
#include <sallyport/worker_threads.hpp>

#endif
