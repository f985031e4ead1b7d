// in_memory: a limit: what OpenSSL itself costs a server, with client and server in one process and no sockets between.
// With several threads each has a server and a client of its own, and what it costs more than with one is what threads
// of a server pay for OpenSSL's being one: its library context, with locks and counters that all of them write. The
// clients are each in a context of their own, as if they were other processes.
//
// SPDX-License-Identifier: Apache-2.0
#include "openssl_server.hpp"
#include "program.hpp"

#include <openssl/crypto.h>
#include <openssl/err.h>

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

namespace {

// CLOCK_MONOTONIC, which costs 20 ns; the thread's own CPU time would be a system call, half as long as an echo. What
// others take from the core in between is left out by mean_without_slowest().
using steady = std::chrono::steady_clock;

std::uint64_t nanoseconds_since(steady::time_point start) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(steady::now() - start).count());
}

/// How long a side's calls take, without what it takes to look at the clock.
class stopwatch {
 public:
  auto time(auto call) {
    const auto start = steady::now();
    struct at_return {
      stopwatch& self;
      steady::time_point start;
      ~at_return() { self.total_ += std::max(nanoseconds_since(start), clock_cost()) - clock_cost(); }
    } const stop{*this, start};
    return call();
  }

  /// An operation ends; the next begins.
  void lap() {
    operations_.push_back(total_);
    total_ = 0;
  }
  void forget() { operations_.clear(); }

  /// Of an operation. The slowest 2% were interrupted; a limit must not be lower for it.
  double mean_without_slowest() {
    std::sort(operations_.begin(), operations_.end());
    const std::size_t kept = operations_.size() - operations_.size() / 50;
    return static_cast<double>(
               std::accumulate(operations_.begin(), operations_.begin() + static_cast<long>(kept), std::uint64_t{0})) /
           static_cast<double>(kept);
  }

 private:
  static std::uint64_t clock_cost() {
    static const std::uint64_t cost = [] {
      std::uint64_t least = UINT64_MAX;
      for (int i = 0; i < 1000; ++i) least = std::min(least, nanoseconds_since(steady::now()));
      return least;
    }();
    return cost;
  }

  std::uint64_t total_ = 0;
  std::vector<std::uint64_t> operations_;
};

// OpenSSL's clients use a session of TLS 1.3 only once.
thread_local SSL_SESSION* newest_session = nullptr;

int keep_session(SSL*, SSL_SESSION* session) {
  SSL_SESSION_free(newest_session);
  newest_session = session;
  return 1;
}

// What load offers unless told otherwise.
SSL_CTX* make_client_context(const std::string& version) {
  if (version != "1.2" && version != "1.3") refuse("--tls: '" + version + "' is neither 1.2 nor 1.3");
  const int number = version == "1.2" ? TLS1_2_VERSION : TLS1_3_VERSION;
  SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_min_proto_version(context, number);
  SSL_CTX_set_max_proto_version(context, number);
  SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
  SSL_CTX_set_cipher_list(context, "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256");
  SSL_CTX_set1_groups_list(context, number == TLS1_2_VERSION ? "X25519:P-256" : "X25519");
  SSL_CTX_set1_sigalgs_list(context, "ECDSA+SHA256:rsa_pss_rsae_sha256:RSA+SHA256");
  SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, keep_session);
  return context;
}

/// A connection with both its ends.
class pair {
 public:
  pair(SSL_CTX* server, SSL_CTX* client, stopwatch& server_time, stopwatch& client_time)
      : server_time_(server_time), client_time_(client_time), client_(SSL_new(client)) {
    server_time_.time([&] { server_ = new tls_echo(server); });
    from_server_ = BIO_new(BIO_s_mem());
    to_server_ = BIO_new(BIO_s_mem());
    SSL_set_bio(client_, from_server_, to_server_);
    SSL_set_connect_state(client_);
  }
  ~pair() {
    server_time_.time([&] { delete server_; });
    SSL_free(client_);
  }
  pair(const pair&) = delete;
  pair& operator=(const pair&) = delete;

  void resume(SSL_SESSION* session) { SSL_set_session(client_, session); }
  bool resumed() const { return SSL_session_reused(server_->ssl()) == 1; }

  /// Leaves the client's last flight unsent: what follows goes with it.
  void handshake() {
    while (client_time_.time([&] { return SSL_do_handshake(client_); }) != 1) {
      if (BIO_ctrl_pending(to_server_) == 0) fail("the handshake");
      serve();
    }
  }

  /// There and back, in pieces such as sockets bring.
  void echo(std::vector<char>& data) {
    constexpr std::size_t largest_piece = 64 * 1024;
    for (std::size_t at = 0; at < data.size(); at += largest_piece) {
      const int size = static_cast<int>(std::min(largest_piece, data.size() - at));
      client_time_.time([&] { return SSL_write(client_, data.data() + at, size); });
      serve();
      for (int back = 0; back < size;) {
        const int more = client_time_.time([&] { return SSL_read(client_, data.data(), size - back); });
        if (more <= 0) fail("the echo");
        back += more;
      }
    }
  }

  /// Says goodbye, and listens until the server has done so: its ticket comes before that.
  void close() {
    client_time_.time([&] { return SSL_shutdown(client_); });
    serve();
    char nothing = 0;
    client_time_.time([&] { return SSL_read(client_, &nothing, 1); });
    if ((SSL_get_shutdown(client_) & SSL_RECEIVED_SHUTDOWN) == 0) fail("the end");
  }

 private:
  void serve() {
    char* data = nullptr;
    const long size = BIO_get_mem_data(to_server_, &data);
    const reply answer = server_time_.time([&] { return server_->on_input({data, static_cast<std::size_t>(size)}); });
    (void)BIO_reset(to_server_);
    BIO_write(from_server_, answer.bytes.data(), static_cast<int>(answer.bytes.size()));
  }

  [[noreturn]] static void fail(const char* where) {
    const char* const reason = ERR_reason_error_string(ERR_peek_error());
    refuse(std::string("in_memory: ") + where + " failed: " + (reason == nullptr ? "for no known reason" : reason));
  }

  stopwatch& server_time_;
  stopwatch& client_time_;
  SSL* client_;
  tls_echo* server_ = nullptr;
  BIO* from_server_;
  BIO* to_server_;
};

/// What one thread has found.
struct costs {
  long operations = 0;
  double server = 0;  ///< nanoseconds per operation
  double client = 0;
};

costs measure(const options& given, SSL_CTX* server, SSL_CTX* client) {
  const std::string& mode = given.text("--mode");
  auto size = static_cast<std::size_t>(given.number("--size"));
  if (size == 0) size = mode == "bulk" ? 1024 * 1024 : 64;
  std::vector<char> data(size, 'x');
  stopwatch server_time, client_time;

  pair lasting(server, client, server_time, client_time);
  lasting.handshake();
  lasting.echo(data);
  const bool connects = mode == "handshake" || mode == "resume";
  if (connects) lasting.close();

  const auto operate = [&] {
    if (connects) {
      pair fresh(server, client, server_time, client_time);
      if (mode == "resume") fresh.resume(newest_session);
      fresh.handshake();
      fresh.close();
      if (fresh.resumed() != (mode == "resume"))
        refuse("in_memory: the session wasn't resumed, or shouldn't have been");
    } else {
      lasting.echo(data);
    }
    server_time.lap();
    client_time.lap();
  };

  for (int warm_up = 0; warm_up < 50; ++warm_up) operate();
  server_time.forget();
  client_time.forget();
  const auto count = given.number("--count");
  const auto end = steady::now() + std::chrono::duration<double>(given.seconds("--duration"));
  long operations = 0;
  for (; count > 0 ? operations < count : steady::now() < end; ++operations) operate();
  return {operations, server_time.mean_without_slowest(), client_time.mean_without_slowest()};
}

costs measure_in_one_thread(const options& given) {
  return measure(given, make_server_context(given.text("--cert"), given.text("--key")),
                 make_client_context(given.text("--tls")));
}

/// All at the same time; the operations of all, and the means of their costs.
costs measure_in_threads(const options& given, std::size_t threads) {
  std::vector<costs> found(threads);
  std::barrier all_are_ready(static_cast<std::ptrdiff_t>(threads));
  const bool shares = given.text("--library-context") == "shared";
  const auto run = [&](costs& here) {
    OSSL_LIB_CTX* const shared = OSSL_LIB_CTX_set0_default(OSSL_LIB_CTX_new());
    SSL_CTX* const client = make_client_context(given.text("--tls"));
    OSSL_LIB_CTX_set0_default(shares ? shared : OSSL_LIB_CTX_new());
    SSL_CTX* const server = make_server_context(given.text("--cert"), given.text("--key"));
    all_are_ready.arrive_and_wait();
    here = measure(given, server, client);
  };
  {
    std::vector<std::jthread> all;
    for (costs& each : found) all.emplace_back(run, std::ref(each));
  }
  costs mean;
  for (const costs& each : found) {
    mean.operations += each.operations;
    mean.server += each.server / static_cast<double>(threads);
    mean.client += each.client / static_cast<double>(threads);
  }
  return mean;
}

}  // namespace

int main(int argc, char** argv) {
  const options given(argc, argv,
                      {{"--cert", ""},
                       {"--key", ""},
                       {"--mode", ""},
                       {"--tls", "1.3"},
                       {"--size", "0"},
                       {"--count", "0"},
                       {"--duration", "2"},
                       {"--threads", "1"},
                       {"--library-context", "shared"}});
  const std::string& mode = given.text("--mode");
  if (mode != "handshake" && mode != "resume" && mode != "echo" && mode != "bulk") {
    refuse("--mode: '" + mode + "' is none of handshake, resume, echo, bulk");
  }
  const std::string& library_context = given.text("--library-context");
  if (library_context != "shared" && library_context != "own") {
    refuse("--library-context: '" + library_context + "' is neither shared nor own");
  }
  const long threads = given.number("--threads");
  if (threads < 1 || threads > 256) refuse("--threads: '" + given.text("--threads") + "' is not from 1 to 256");

  const costs found = threads == 1 && library_context == "shared"
                          ? measure_in_one_thread(given)
                          : measure_in_threads(given, static_cast<std::size_t>(threads));
  std::printf(
      "{\"mode\":\"%s\",\"operations\":%ld,\"server_ns_per_operation\":%.1f,\"client_ns_per_operation\":%.1f}\n",
      mode.c_str(), found.operations, found.server, found.client);
}
