// raw_epoll: the reference: an echo over TLS on a bare epoll loop and OpenSSL, with the library's tricks and no safety.
//
// SPDX-License-Identifier: Apache-2.0
#include "openssl_server.hpp"
#include "program.hpp"

int main(int argc, char** argv) {
  const options given(argc, argv, {{"--cert", ""}, {"--key", ""}, {"--listen", "127.0.0.1:0"}});
  SSL_CTX* const context = make_server_context(given.text("--cert"), given.text("--key"));
  end_on_sigterm();
  serve<tls_echo>(listen_on(given.address("--listen")), context);
}
