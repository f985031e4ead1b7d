// tls_peer: OpenSSL's client at the other end of a TCP connection, driven by hand in the test's own thread.
//
// It reads and writes only in turn(), or in until(), which lets Qt's event loop and the peer take turns.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_QT_SUPPORT_TLS_PEER_HPP
#define SALLYPORT_TESTS_QT_SUPPORT_TLS_PEER_HPP

#include "support/memory_client.hpp"

#include <functional>
#include <string>
#include <string_view>

namespace sallyport::test {

class tls_peer {
 public:
  /// Connected already; nothing is sent before encrypt().
  explicit tls_peer(const memory_client_options& options = {});
  ~tls_peer();
  tls_peer(const tls_peer&) = delete;
  tls_peer& operator=(const tls_peer&) = delete;

  /// The connection's other end, for setSocketDescriptor(). Once.
  int take_descriptor();
  int port() const;

  void send_raw(std::string_view bytes);
  /// Begins the handshake; turn() goes on with it.
  void encrypt();
  /// Of the application; before the handshake is done it waits in here.
  void send(std::string_view plaintext);
  void send_close_notify();
  void send_fin();
  void reset();
  /// Does nothing in turn() but send, so that the kernel's buffers fill.
  void stop_reading() { reads_ = false; }
  void go_on_reading() { reads_ = true; }

  void turn();
  /// Takes turns with Qt's event loop until `condition` holds; false if it doesn't in ten seconds.
  bool until(const std::function<bool()>& condition);

  bool connected() const { return client_.connected(); }
  /// All plaintext received so far; before encrypt() it is plain.
  const std::string& received() const { return received_; }
  bool saw_close_notify() const { return client_.peer_closed(); }
  bool saw_fin() const { return saw_fin_; }
  bool saw_reset() const { return saw_reset_; }
  memory_client& client() { return client_; }

 private:
  void flush();

  memory_client client_;
  int listener_ = -1;
  int descriptor_ = -1;
  int other_end_ = -1;
  bool encrypted_ = false;
  bool reads_ = true;
  bool saw_fin_ = false;
  bool saw_reset_ = false;
  std::string unsent_;
  std::string to_send_;
  std::string received_;
};

}  // namespace sallyport::test

#endif
