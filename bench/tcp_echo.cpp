// tcp_echo: an echo without TLS on the loop of raw_epoll: what the kernel allows, and the backend of forward and its
// peers.
//
// SPDX-License-Identifier: Apache-2.0
#include "epoll_server.hpp"
#include "program.hpp"

namespace {

struct tcp_conversation {
  reply on_input(std::span<const char> received) const { return {received, received.empty()}; }
};

}  // namespace

int main(int argc, char** argv) {
  const options given(argc, argv, {{"--listen", "127.0.0.1:0"}});
  end_on_sigterm();
  serve<tcp_conversation>(listen_on(given.address("--listen")));
}
