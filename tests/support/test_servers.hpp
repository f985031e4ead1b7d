// test_servers: contexts for the unit tests of the session, with certificates of one test CA.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_SUPPORT_TEST_SERVERS_HPP
#define SALLYPORT_TESTS_SUPPORT_TEST_SERVERS_HPP

#include "test_pki.hpp"

#include <sallyport/context.hpp>

namespace sallyport::test {

/// Made once per process. It has issued the certificates of all servers here, and is whom they trust.
const credentials& test_ca();

/// An ECDSA P-256 certificate for localhost and nothing else set.
ssl_configuration basic_configuration();

/// The same with a required client certificate.
ssl_configuration client_certificate_configuration();

/// The same certificate with one bit of its signature turned.
credentials forge(const credentials& genuine);

/// In OpenSSL's usual library context, or in that of the number in SALLYPORT_TEST_LIBRARY_CONTEXT, which a shard has.
context make_context(const ssl_configuration& configuration);

/// basic_configuration(), made once.
const context& basic_server();

}  // namespace sallyport::test

#endif
