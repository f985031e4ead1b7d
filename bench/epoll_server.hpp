// epoll_server: the plainest fast loop: one thread, level-triggered epoll, one recv and one send per turn of a
// connection.
//
// Nothing here protects the server: no deadlines, no limits, and running out of descriptors makes it spin.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_BENCH_EPOLL_SERVER_HPP
#define SALLYPORT_BENCH_EPOLL_SERVER_HPP

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

/// What a conversation says to what it was told. The bytes are valid until the next call, of whichever conversation.
struct reply {
  std::span<const char> bytes;
  bool last = false;  ///< close the connection when they are sent
};

/// A socket and a conversation, which has `reply on_input(std::span<const char> received)`; empty: the peer has ended.
template <class Conversation>
class epoll_connection {
 public:
  template <class... Arguments>
  epoll_connection(int epoll, int descriptor, Arguments... arguments)
      : conversation_(arguments...), epoll_(epoll), descriptor_(descriptor) {
    watch(EPOLL_CTL_ADD, EPOLLIN);
  }
  ~epoll_connection() { ::close(descriptor_); }  // which also takes it out of the epoll

  epoll_connection(const epoll_connection&) = delete;
  epoll_connection& operator=(const epoll_connection&) = delete;

  /// False when it has ended.
  bool on_ready(std::span<char> buffer) { return unsent_.empty() ? receive(buffer) : send_unsent(); }

 private:
  bool receive(std::span<char> buffer) {
    const ssize_t received = ::recv(descriptor_, buffer.data(), buffer.size(), 0);
    if (received < 0) return errno == EAGAIN || errno == EINTR;
    const reply answer = conversation_.on_input(buffer.first(static_cast<std::size_t>(received)));
    last_ = answer.last;
    if (answer.bytes.empty()) return !last_;

    const ssize_t sent = send(answer.bytes);
    if (sent < 0) return false;
    const auto rest = answer.bytes.subspan(static_cast<std::size_t>(sent));
    if (rest.empty()) return !last_;
    // Nothing more is read until this is gone, so it can't grow.
    unsent_.assign(rest.begin(), rest.end());
    watch(EPOLL_CTL_MOD, EPOLLOUT);
    return true;
  }

  bool send_unsent() {
    const ssize_t sent = send(std::span(unsent_).subspan(gone_));
    if (sent < 0) return false;
    gone_ += static_cast<std::size_t>(sent);
    if (gone_ < unsent_.size()) return true;
    unsent_ = {};
    gone_ = 0;
    if (!last_) watch(EPOLL_CTL_MOD, EPOLLIN);
    return !last_;
  }

  /// How many bytes the kernel has taken; -1: none, and it won't. The last ones go out with the FIN, by close().
  ssize_t send(std::span<const char> bytes) {
    const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL | (last_ ? MSG_MORE : 0));
    return sent < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : sent;
  }

  void watch(int operation, std::uint32_t what) {
    epoll_event event{what, {this}};
    ::epoll_ctl(epoll_, operation, descriptor_, &event);
  }

  Conversation conversation_;
  int epoll_;
  int descriptor_;
  bool last_ = false;
  std::size_t gone_ = 0;  ///< of unsent_
  std::vector<char> unsent_;
};

/// A non-blocking listening socket; ends the program with a sentence if there is none to be had.
int listen_on(sockaddr_in address);

/// Serves whoever connects, for ever. Each connection's Conversation is made from `arguments`.
template <class Conversation, class... Arguments>
[[noreturn]] void serve(int listener, Arguments... arguments) {
  static std::array<char, 128 * 1024> buffer;
  std::array<epoll_event, 256> events;
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event listening{EPOLLIN, {nullptr}};
  ::epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &listening);
  for (;;) {
    const int ready = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < ready; ++i) {
      auto* const connection = static_cast<epoll_connection<Conversation>*>(events[static_cast<unsigned>(i)].data.ptr);
      if (connection != nullptr) {
        if (!connection->on_ready(buffer)) delete connection;
        continue;
      }
      for (;;) {
        const int descriptor = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (descriptor < 0) break;
        new epoll_connection<Conversation>(epoll, descriptor, arguments...);
      }
    }
  }
}

#endif
