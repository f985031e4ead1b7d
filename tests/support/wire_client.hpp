// wire_client: the other side of the wire: blocking sockets, with OpenSSL's own TLS on top or raw bytes.
//
// The TLS is computed in memory and sent by hand, so that a test decides what goes in which packet:
//
//   test::wire_client client(test::raw_client::to_port(port), {.server_name = "localhost"});
//   client.handshake();
//   client.put("hello");             // encrypted, not sent yet
//   client.put_close_notify();
//   client.flush();                  // both in one packet
//   EXPECT_EQ(client.read_to_end().end, test::stream_end::close_notify);
//
// Every wait ends after 30 s with an exception. Use them on a thread of their own (see in_background), as the server
// under test needs its thread.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_SUPPORT_WIRE_CLIENT_HPP
#define SALLYPORT_TESTS_SUPPORT_WIRE_CLIENT_HPP

#include "test_pki.hpp"

#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct ssl_session_st;
using SSL_SESSION = ssl_session_st;

namespace sallyport::test {

/// How a stream of bytes has ended.
enum class stream_end { close_notify, fin, reset };

struct received {
  std::string data;
  stream_end end;
};

/// A connected socket without TLS.
class raw_client {
 public:
  static raw_client to_port(std::uint16_t port, const std::string& address = "127.0.0.1");
  static raw_client to_unix(const std::string& path);
  /// Takes over a connected descriptor.
  explicit raw_client(int descriptor);

  raw_client(raw_client&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  raw_client& operator=(raw_client&& other) noexcept;
  ~raw_client() { close(); }

  int descriptor() const noexcept { return descriptor_; }
  std::uint16_t local_port() const;

  /// Sends everything; throws if the connection is broken.
  void send(std::string_view bytes);
  /// The next bytes; empty when the stream has ended (see ended()).
  std::string receive(std::size_t at_most = 64 * 1024);
  std::optional<stream_end> ended() const noexcept { return end_; }
  received read_to_end();

  /// FIN, while receiving goes on.
  void finish_sending();
  /// Closes with a reset.
  void reset();
  void close();
  /// Small buffers make back-pressure cheap to reach.
  void set_receive_buffer(int size);
  /// Of TCP, with or without data.
  std::uint32_t segments_received() const;
  /// Of a connection on which it hasn't sent one itself. It may be behind bytes that weren't received yet.
  bool has_received_fin() const;

 private:
  int descriptor_ = -1;
  std::optional<stream_end> end_;
};

struct wire_client_options {
  int min_version = 0;                ///< TLS1_2_VERSION, ...; 0: no bound
  int max_version = 0;                ///< likewise
  std::string trusted_certificate{};  ///< PEM; empty: the server's certificate isn't checked
  std::string server_name{};
  std::vector<std::string> application_protocols{};
  /// In OpenSSL's syntax; empty: OpenSSL's own.
  std::string ciphers{};
  std::string ciphersuites{};
  std::string groups{};
  std::optional<credentials> certificate{};  ///< the client's own
  std::string chain{};                       ///< PEM of the CA certificates that are sent with it
  std::string identity{};                    ///< of a pre-shared key; empty: none
  std::string key{};                         ///< the key's bytes
  bool key_is_sha384 = false;                ///< TLS 1.3: the hash it is bound to
  std::shared_ptr<SSL_SESSION> resumed{};    ///< a session to resume
};

class wire_client {
 public:
  explicit wire_client(raw_client socket, const wire_client_options& options = {});
  wire_client(wire_client&&) noexcept;
  wire_client& operator=(wire_client&&) noexcept;
  ~wire_client();

  /// Completes the handshake, or throws with OpenSSL's words.
  void handshake();
  /// True if the handshake succeeds; failure() tells otherwise.
  bool try_handshake();
  const std::string& failure() const noexcept;
  /// The fatal alert that came from the server, in TLS 1.3 perhaps after the client's handshake.
  std::optional<int> alert_received() const noexcept;

  /// TLS 1.2: what the server says about the identity it wants.
  const std::optional<std::string>& identity_hint() const noexcept;
  /// The names of the CAs from which the server wants a certificate ("CN = Test CA"); none if it has asked for none.
  const std::optional<std::vector<std::string>>& requested_cas() const noexcept;
  /// The tickets that came, each as a session to resume.
  const std::vector<std::shared_ptr<SSL_SESSION>>& tickets() const noexcept;
  bool resumed() const noexcept;
  /// ALPN's result, "" if there is none.
  std::string application_protocol() const;
  std::string cipher() const;
  /// The common name of the server's certificate, "" if it has shown none.
  std::string server_common_name() const;

  /// The client's first flight, a ClientHello; nothing is sent.
  std::string client_hello();

  void send(std::string_view plaintext) { put(plaintext), flush(); }
  void send_close_notify() { put_close_notify(), flush(); }
  /// Encrypt; the bytes go out with the next flush().
  void put(std::string_view plaintext);
  void put_close_notify();
  void flush();
  /// The encrypted bytes that flush() would send, taken out.
  std::string take_output();

  /// The next plaintext; empty when the stream has ended (see ended()).
  std::string receive();
  std::string receive_exactly(std::size_t size);
  std::optional<stream_end> ended() const noexcept;
  received read_to_end();

  raw_client& socket() noexcept;

 private:
  struct implementation;
  std::unique_ptr<implementation> implementation_;
};

/// Runs `function` on a thread of its own; the future waits for it when it is destroyed, at the latest.
template <class Function>
[[nodiscard]] auto in_background(Function function) {
  return std::async(std::launch::async, std::move(function));
}

}  // namespace sallyport::test

#endif
