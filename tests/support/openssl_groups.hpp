// openssl_groups: which key exchange groups the OpenSSL has that the tests run with.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_SUPPORT_OPENSSL_GROUPS_HPP
#define SALLYPORT_TESTS_SUPPORT_OPENSSL_GROUPS_HPP

#include <openssl/err.h>
#include <openssl/ssl.h>

namespace sallyport::test {

inline bool openssl_has_group(const char* name) {
  SSL_CTX* ctx = SSL_CTX_new(TLS_client_method());
  const bool has = ctx != nullptr && SSL_CTX_set1_groups_list(ctx, name) == 1;
  SSL_CTX_free(ctx);
  ERR_clear_error();
  return has;
}

}  // namespace sallyport::test

#endif
