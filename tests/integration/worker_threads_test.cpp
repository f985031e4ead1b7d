// Private keys that take long: worker threads use them, and meanwhile the loop serves everybody else.
//
// The key's signatures wait until the test lets them go, so that nothing here goes by a clock.
//
// SPDX-License-Identifier: Apache-2.0
#include "gate_fixture.hpp"
#include "support/gated_key.hpp"

#include <openssl/ssl.h>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>

#include <algorithm>
#include <atomic>
#include <functional>
#include <mutex>
#include <thread>

namespace sallyport::test {
namespace {

int version_of(int client) { return client % 2 == 0 ? TLS1_2_VERSION : TLS1_3_VERSION; }

/// Sends everything back until the client ends it.
class long_echo : public std::enable_shared_from_this<long_echo> {
 public:
  explicit long_echo(ssl_socket socket) : socket_(std::move(socket)) {}
  void start() {
    socket_.async_read_some(asio::buffer(data_), [self = shared_from_this()](error_code ec, std::size_t size) {
      if (ec) return;
      asio::async_write(self->socket_, asio::buffer(self->data_.data(), size), [self](error_code failed, std::size_t) {
        if (!failed) self->start();
      });
    });
  }

 private:
  ssl_socket socket_;
  std::array<char, 64> data_{};
};

class workers : public gate_fixture {
 protected:
  explicit workers(std::size_t threads = 2) : pool(threads) {
    server->set_handshake_timeout(patience);
    server->set_handshake_workers(pool);
  }
  ~workers() override {
    key.let_all_go();
    server.reset();
    io.reset();
  }

  ssl_configuration guarded(ssl_configuration configuration = make_configuration()) {
    configuration.identities = {key.guard(server_credentials())};
    return configuration;
  }
  std::vector<std::future<fate>> knock_often(int times, const memory_client_options& options = {}) const {
    std::vector<std::future<fate>> clients;
    for (int i = 0; i < times; ++i) {
      memory_client_options one = options;
      one.version = version_of(i);
      clients.push_back(knock(port, one));
    }
    return clients;
  }
  void run_until_begun(int signatures) {
    run_until([&] { return key.begun() >= signatures; });
  }
  /// Nothing that a worker does from now on can reach the server any more; the signatures that have begun end.
  void let_the_workers_end() {
    key.let_all_go();
    const int last = key.begun();
    while (key.done() < last) std::this_thread::yield();
  }

  gated_key key;
  worker_threads pool;  // joined before the key goes
};

/// With one thread: of two handshakes one is with it and the other one waits.
class one_worker : public workers {
 protected:
  one_worker() : workers(1) {}

  /// Opens the server; two clients, one of whom is with the worker.
  std::vector<std::future<fate>> two_clients() {
    std::vector<std::future<fate>> clients = knock_often(2);
    run_until([&] { return hellos() == 2 && key.begun() == 1; });
    return clients;
  }
  /// Handshakes whose ClientHello is there.
  std::size_t hellos() const { return keeper.began.size(); }
};

class workers_of_version : public workers, public testing::WithParamInterface<int> {};
INSTANTIATE_TEST_SUITE_P(versions, workers_of_version, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) { return version.param == TLS1_2_VERSION ? "tls_1_2" : "tls_1_3"; });

// ---- what it is for ----

TEST_F(workers, an_open_connection_is_served_while_twenty_handshakes_wait_for_a_slow_key) {
  open(guarded());
  server->async_accept([](error_code ec, ssl_socket socket) {
    ASSERT_FALSE(ec);
    std::make_shared<long_echo>(std::move(socket))->start();
  });
  key.let_go(1);
  auto connecting = in_background([client_port = port] {
    wire_client client(raw_client::to_port(client_port));
    client.handshake();
    return client;
  });
  run_until([&] { return connecting.wait_for(0s) == std::future_status::ready; });
  wire_client open_client = connecting.get();

  auto slow = knock_often(20);
  run_until_begun(1 + 2);
  auto echoing = in_background([&] {
    int echoes = 0;
    for (; echoes < 500; ++echoes) {
      open_client.send("ping");
      if (open_client.receive_exactly(4) != "ping") break;
    }
    return echoes;
  });
  run_until([&] { return echoing.wait_for(0s) == std::future_status::ready; });
  EXPECT_EQ(echoing.get(), 500);
  EXPECT_EQ(key.begun() - key.done(), 2) << "all of this happened during the same two signatures";
  EXPECT_EQ(key.done(), 1);

  key.let_all_go();
  for (auto& each : slow) EXPECT_EQ(run_until_done(each).echoed, "hello");
  EXPECT_EQ(key.done(), 1 + 20) << "one for each";
  EXPECT_FALSE(key.threads().contains(std::this_thread::get_id()));
  EXPECT_EQ(key.threads().size(), 2U);
  EXPECT_EQ(keeper.let_in, 20);
  EXPECT_EQ(server->handshakes_in_progress(), 0U);
}

TEST_F(workers, without_them_the_loop_signs_itself) {
  server->set_handshake_workers(std::nullopt);
  key.let_all_go();
  open(guarded());
  auto clients = knock_often(2);
  for (auto& each : clients) EXPECT_EQ(run_until_done(each).echoed, "hello");
  EXPECT_EQ(key.threads(), std::set{std::this_thread::get_id()});
}

TEST_P(workers_of_version, who_resumes_a_session_does_not_wait_for_a_worker) {
  open(guarded());
  key.let_go(1);
  const auto visit = [client_port = port](const std::shared_ptr<SSL_SESSION>& resumed) {
    return in_background([client_port, resumed] {
      wire_client client(raw_client::to_port(client_port),
                         {.min_version = GetParam(), .max_version = GetParam(), .resumed = resumed});
      client.handshake();
      client.send("hello");
      client.receive_exactly(5);
      EXPECT_EQ(client.resumed(), resumed != nullptr);
      return resumed ? resumed : client.tickets().at(0);
    });
  };
  auto first = visit(nullptr);
  const auto ticket = [&] {
    run_until([&] { return first.wait_for(0s) == std::future_status::ready; });
    return first.get();
  }();
  auto blocking = knock_often(2);
  run_until_begun(1 + 2);
  auto second = visit(ticket);
  run_until([&] { return second.wait_for(0s) == std::future_status::ready; });
  second.get();
  EXPECT_EQ(key.begun(), 1 + 2);
  key.let_all_go();
  for (auto& each : blocking) EXPECT_EQ(run_until_done(each).echoed, "hello");
  expect_the_books_to_balance();
}

// Taken faster than they can be signed for, clients would time out just before their turn, all of them.
TEST_F(workers, accepting_pauses_while_sixteen_wait) {
  open(guarded());
  auto clients = knock_often(2 + 16);
  run_until([&] { return keeper.began.size() == 2 + 16 && key.begun() == 2; });
  gate_client next(port, {});  // connected, as far as the kernel is concerned
  for (int turns = 0; turns < 3; ++turns) run_some(10ms);
  EXPECT_EQ(server->open_connections(), 2U + 16U);
  auto trying = in_background([&] { return next.try_to_get_in(); });
  key.let_go(1);  // now fifteen wait
  run_until([&] { return keeper.began.size() == 2 + 16 + 1; });
  EXPECT_EQ(key.done(), 1);
  key.let_all_go();
  EXPECT_EQ(run_until_done(trying).echoed, "hello");
  for (auto& each : clients) EXPECT_EQ(run_until_done(each).echoed, "hello");
  expect_the_books_to_balance();
}

// ---- what is asked, and who is refused, afterwards ----

TEST_F(workers, slots_are_called_on_the_loops_thread_and_decide_as_ever) {
  const auto here = std::this_thread::get_id();
  const auto expect_here = [here](auto&&...) { EXPECT_EQ(std::this_thread::get_id(), here); };
  std::vector<interrupted_handshake> held;
  server->started_encryption_handshake.connect(expect_here);
  server->alert_sent.connect(expect_here);
  server->error_occurred.connect(expect_here);
  server->handshake_interrupted_on_error.connect([&](ssl_socket& socket, const ssl_error& error) {
    expect_here();
    if (error.code != ssl_error_code::unable_to_verify_first_certificate)
      return socket.continue_interrupted_handshake();
    held.push_back(socket.defer_interrupted_handshake());
  });
  server->ssl_errors.connect([&](ssl_socket& socket, auto&&) {
    expect_here();
    socket.ignore_ssl_errors();
  });
  key.let_all_go();
  open(guarded(gate_configuration(true)));
  auto strangers = knock_often(10, {.certificate = stranger()});
  run_until([&] { return held.size() == 10; });
  auto deciding = in_background([&] {
    for (std::size_t i = 0; i < held.size(); ++i) i < 5 ? held[i].resume() : held[i].abort();
  });
  std::ptrdiff_t echoed = 0;
  for (auto& each : strangers) echoed += run_until_done(each).echoed == "hello" ? 1 : 0;
  EXPECT_EQ(echoed, 5);
  EXPECT_EQ(keeper.let_in, 5);
  EXPECT_FALSE(key.threads().contains(here));
  expect_the_books_to_balance();
}

TEST_P(workers_of_version, keys_agreed_on_beforehand_are_asked_for_on_the_loops_thread) {
  server->pre_shared_key_authentication_required.connect([&](ssl_socket&, ssl_pre_shared_key_authenticator& asked) {
    EXPECT_FALSE(key.threads().contains(std::this_thread::get_id()));
    asked.set_pre_shared_key(key_of(alices_key));
  });
  key.let_all_go();
  ssl_configuration configuration = guarded();
  configuration.pre_shared_keys = true;
  open(configuration);
  auto right = knock(port, alice(GetParam()));
  EXPECT_EQ(run_until_done(right).echoed, "hello");
  auto wrong = knock(port, alice(GetParam(), "not alice's"));
  EXPECT_EQ(run_until_done(wrong).echoed, "");
  auto without = knock(port, {.version = GetParam()});
  EXPECT_EQ(run_until_done(without).echoed, "hello");
  expect_the_books_to_balance();
}

// ---- it fails closed ----

TEST_P(workers_of_version, a_signature_that_fails_ends_the_handshake_with_an_alert) {
  key.on_signature = [] { return false; };
  key.let_all_go();
  std::optional<handshake_report> report;
  server->error_occurred.connect([&](ssl_socket& socket, error_code) { report = socket.report(); });
  open(guarded());
  auto client = knock(port, {.version = GetParam()});
  const fate seen = run_until_done(client);
  EXPECT_EQ(seen.alerts, std::vector<std::string>{"fatal internal error"});
  EXPECT_EQ(seen.end, stream_end::fin);
  ASSERT_TRUE(report);
  ASSERT_TRUE(report->alert);
  EXPECT_EQ(report->alert->type, alert_type::internal_error);
  expect_the_books_to_balance();
}

// ---- while a worker has the session ----

TEST_F(one_worker, the_deadline_is_kept) {
  server->set_handshake_timeout(1s);
  std::vector<handshake_report> reports;
  server->error_occurred.connect([&](ssl_socket& socket, error_code) {
    reports.push_back(socket.report());
    // Whatever else a slot may want to know; the worker has the session.
    EXPECT_EQ(socket.phase(), handshake_phase::in_handshake);
    EXPECT_EQ(socket.session_cipher(), "");
    EXPECT_EQ(socket.next_negotiated_protocol(), "");
    EXPECT_FALSE(socket.peer_certificate());
    EXPECT_TRUE(socket.ssl_handshake_errors().empty());
    EXPECT_EQ(socket.pre_shared_key_identity(), "");
    socket.ignore_ssl_errors();
    socket.abort();
  });
  open(guarded());
  auto clients = knock_often(2, {.server_name = "localhost", .alpn_protocols = {"ping"}});
  for (auto& each : clients) EXPECT_EQ(run_until_done(each).echoed, "");
  EXPECT_EQ(keeper.reasons, (std::map<std::string, int>{{"timeout_in_handshake", 2}}));
  ASSERT_EQ(reports.size(), 2U);
  for (const handshake_report& report : reports) {
    EXPECT_EQ(report.phase, handshake_phase::in_handshake);
    EXPECT_EQ(report.server_name, "localhost");
    EXPECT_EQ(report.client_protocols, std::vector<std::string>{"ping"});
    EXPECT_GE(report.elapsed, 1s);
  }
  expect_the_books_to_balance();

  // The next client has its turn after the signature that goes on; the one that only waited is never made.
  key.let_all_go();
  auto next = knock(port, {});
  EXPECT_EQ(run_until_done(next).echoed, "hello");
  EXPECT_EQ(key.begun(), 2);
  expect_the_books_to_balance();
}

TEST_F(one_worker, a_newer_client_may_take_the_place) {
  server->set_max_handshakes(2);
  open(guarded());
  auto clients = two_clients();
  std::vector<std::future<fate>> newer;
  newer.push_back(knock(port, {}));
  run_until([&] { return keeper.reasons["evicted"] == 1 && hellos() == 3; });
  newer.push_back(knock(port, {}));
  run_until([&] { return keeper.reasons["evicted"] == 2; });
  for (auto& each : clients) EXPECT_EQ(run_until_done(each).echoed, "");
  key.let_all_go();
  for (auto& each : newer) EXPECT_EQ(run_until_done(each).echoed, "hello");
  EXPECT_EQ(key.begun(), 3) << "one of the old, both of the new";
  expect_the_books_to_balance();
}

TEST_F(one_worker, the_server_may_be_closed) {
  open(guarded());
  auto clients = two_clients();
  server->close();
  EXPECT_EQ(keeper.reasons, (std::map<std::string, int>{{"aborted", 2}}));
  for (auto& each : clients) EXPECT_EQ(run_until_done(each).echoed, "");
  let_the_workers_end();
  expect_the_books_to_balance();
  EXPECT_EQ(key.begun(), 1);

  ASSERT_EQ(server->listen(loopback), error_code());
  auto next = knock(server->server_port(), {});
  EXPECT_EQ(run_until_done(next).echoed, "hello");
}

TEST_F(one_worker, the_server_may_be_destroyed) {
  open(guarded());
  auto clients = two_clients();
  server.reset();
  for (auto& each : clients) EXPECT_EQ(run_until_done(each).echoed, "");
  let_the_workers_end();
  run_ready();
  EXPECT_EQ(keeper.let_in, 0);
  EXPECT_EQ(key.begun(), 1);
}

TEST_F(one_worker, the_io_context_may_be_destroyed) {
  open(guarded());
  auto clients = two_clients();
  destroy_io_context();
  for (auto& each : clients) EXPECT_EQ(each.get().echoed, "");
  let_the_workers_end();
  EXPECT_EQ(keeper.let_in, 0);
  EXPECT_EQ(key.begun(), 1);
}

// The session is back, in a handler that never runs.
TEST_F(one_worker, the_io_context_may_be_destroyed_before_it_takes_the_session_back) {
  open(guarded());
  auto clients = two_clients();
  key.let_all_go();
  key.wait_until_begun(2);  // the first one is over, and handed back
  destroy_io_context();
  for (auto& each : clients) EXPECT_EQ(each.get().echoed, "");
  EXPECT_EQ(keeper.let_in, 0);
}

// Signatures race with the server's end: nobody gets in afterwards and nothing is touched that is gone.
TEST_F(workers, signatures_race_with_the_end) {
  for (const bool with_context : {false, true, false, true}) {
    io = std::make_unique<asio::io_context>(1);
    server = std::make_unique<ssl_server>(io->get_executor());
    gated_key fresh;
    worker_threads own_pool(4);
    server->set_handshake_workers(own_pool);
    const gatekeeper own(*server);
    ssl_configuration configuration = make_configuration();
    configuration.identities = {fresh.guard(server_credentials())};
    open(configuration);
    auto clients = knock_often(16);
    run_until([&] { return own.began.size() == 16 && fresh.begun() == 4; });
    auto letting = in_background([&] { fresh.let_all_go(); });
    fresh.wait_until_begun(5);
    if (with_context)
      destroy_io_context();
    else
      server.reset();
    letting.get();
    for (auto& each : clients) EXPECT_EQ(each.get().echoed, "");
    EXPECT_EQ(own.let_in, 0);
    io.reset();
  }
}

TEST_F(one_worker, a_drain_waits_for_them) {
  open(guarded());
  auto clients = two_clients();
  outcome drained;
  server->async_drain(patience, drained.handler());
  run_ready();
  EXPECT_FALSE(drained.is_done());
  key.let_all_go();
  for (auto& each : clients) EXPECT_EQ(run_until_done(each).echoed, "hello");
  run_until([&] { return drained.is_done(); });
  EXPECT_EQ(drained.error, error_code());
  expect_the_books_to_balance();
}

TEST_F(one_worker, a_drain_ends_them_at_its_deadline) {
  open(guarded());
  auto clients = two_clients();
  outcome drained;
  server->async_drain(0ms, drained.handler());
  run_until([&] { return drained.is_done(); });
  EXPECT_EQ(drained.error, asio::error::timed_out);
  for (auto& each : clients) EXPECT_EQ(run_until_done(each).echoed, "");
  EXPECT_EQ(keeper.reasons, (std::map<std::string, int>{{"aborted", 2}}));
  let_the_workers_end();
  EXPECT_EQ(key.begun(), 1);
  expect_the_books_to_balance();
}

TEST_F(one_worker, other_workers_may_be_set_or_none) {
  open(guarded());
  auto clients = two_clients();
  server->set_handshake_workers(std::nullopt);
  pool = worker_threads(1);
  key.let_all_go();
  for (auto& each : clients) EXPECT_EQ(run_until_done(each).echoed, "hello");
  EXPECT_FALSE(key.threads().contains(std::this_thread::get_id()));
  auto next = knock(port, {});
  EXPECT_EQ(run_until_done(next).echoed, "hello");
  EXPECT_TRUE(key.threads().contains(std::this_thread::get_id()));
  expect_the_books_to_balance();
}

// Accepted with workers and without them when the ClientHello comes: the loop makes the step itself.
TEST_P(workers_of_version, none_may_be_set_before_the_client_hello_comes) {
  open(guarded());
  key.let_all_go();
  gate_client client(port, {.version = GetParam()});
  run_until([&] { return server->handshakes_in_progress() == 1; });
  server->set_handshake_workers(std::nullopt);
  auto trying = in_background([&] { return client.try_to_get_in(); });
  EXPECT_EQ(run_until_done(trying).echoed, "hello");
  EXPECT_EQ(key.threads(), std::set{std::this_thread::get_id()});
}

TEST_P(workers_of_version, a_client_that_leaves_meanwhile_is_noticed_afterwards) {
  open(guarded());
  for (const bool resets : {true, false}) {
    const int before = key.begun();
    gate_client client(port, {.version = GetParam()});
    client.tls().handshake();
    client.socket().send(client.tls().output());
    run_until_begun(before + 1);
    resets ? client.socket().reset() : client.socket().close();
    key.let_go(1);
    run_until([&] { return server->handshakes_in_progress() == 0; });
  }
  EXPECT_EQ(keeper.let_in, 0);
  expect_the_books_to_balance();
}

TEST_P(workers_of_version, what_the_client_sends_meanwhile_is_looked_at_afterwards) {
  open(guarded());
  // A fatal alert (insufficient_security), in one segment with the ClientHello or after it.
  const std::string alert("\x15\x03\x03\x00\x02\x02\x47", 7);
  for (const bool together : {true, false}) {
    const int before = key.begun();
    gate_client canceling(port, {.version = GetParam()});
    canceling.tls().handshake();
    canceling.socket().send(canceling.tls().output() + (together ? alert : ""));
    run_until_begun(before + 1);
    if (!together) canceling.socket().send(alert);
    run_ready();
    EXPECT_EQ(keeper.reasons["alert_from_client"], together ? 0 : 1);
    key.let_go(1);
    run_until([&] { return keeper.reasons["alert_from_client"] == (together ? 1 : 2); });
  }
}

// ---- what slots do ----

TEST_P(workers_of_version, the_server_may_be_destroyed_by_the_slot_that_hears_of_a_failed_signature) {
  key.on_signature = [] { return false; };
  key.let_all_go();
  server->error_occurred.connect([this](auto&&...) { server.reset(); });
  open(guarded());
  auto client = knock(port, {.version = GetParam()});
  EXPECT_EQ(run_until_done(client).echoed, "");
  EXPECT_FALSE(server);
}

TEST_P(workers_of_version, a_slot_may_throw_when_it_hears_of_it) {
  key.on_signature = [] { return false; };
  key.let_all_go();
  server->alert_sent.connect([](auto&&...) { throw slot_threw(); });
  open(guarded());
  auto client = knock(port, {.version = GetParam()});
  EXPECT_EQ(run_until_done(client).echoed, "");
  EXPECT_EQ(thrown, 1);
  expect_the_books_to_balance();
}

TEST_P(workers_of_version, a_slot_may_close_the_connection_before_a_worker_gets_it) {
  server->started_encryption_handshake.connect([](ssl_socket& socket) { socket.close(); });
  open(guarded());
  auto client = knock(port, {.version = GetParam()});
  EXPECT_EQ(run_until_done(client).echoed, "");
  EXPECT_EQ(key.begun(), 0);
  EXPECT_EQ(keeper.reasons, (std::map<std::string, int>{{"aborted", 1}}));
  expect_the_books_to_balance();
}

// ---- several threads and servers ----

TEST_F(workers, a_server_on_a_strand_of_several_threads) {
  key.let_all_go();
  asio::io_context shared;
  auto work = asio::make_work_guard(shared);
  auto strand = asio::make_strand(shared);
  auto on_strand = std::make_unique<ssl_server>(strand);
  const gatekeeper own(*on_strand);
  on_strand->set_handshake_workers(pool);
  on_strand->set_configuration(guarded()).value();
  ASSERT_EQ(on_strand->listen(loopback), error_code());
  port = on_strand->server_port();
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) threads.emplace_back([&] { shared.run(); });
  for (auto& each : knock_often(40)) EXPECT_EQ(each.get().echoed, "hello");
  asio::post(strand, [&] {
    on_strand.reset();
    work.reset();
  });
  for (auto& each : threads) each.join();
  EXPECT_EQ(own.let_in, 40);
}

TEST_F(workers, the_shards_of_a_group_share_them) {
  std::mutex mutex;
  std::vector<std::unique_ptr<gatekeeper>> keepers;
  auto group = std::make_unique<server_group>(3, [&](ssl_server& each, std::size_t) {
    each.set_handshake_workers(pool);
    keepers.push_back(std::make_unique<gatekeeper>(each));
  });
  group->set_configuration(guarded()).value();
  ASSERT_TRUE(group->listen(loopback));
  port = group->server_port();
  key.let_go(20);
  for (auto& each : knock_often(20)) EXPECT_EQ(each.get().echoed, "hello");
  EXPECT_EQ(key.threads().size(), 2U);

  // It may end while they are at work.
  std::vector<std::unique_ptr<gate_client>> connected;
  for (int i = 0; i < 8; ++i) connected.push_back(std::make_unique<gate_client>(port, memory_client_options()));
  std::vector<std::future<fate>> clients;
  for (auto& each : connected) clients.push_back(in_background([&] { return each->try_to_get_in(); }));
  key.wait_until_begun(20 + 2);
  group->stop();
  for (auto& each : clients) EXPECT_EQ(each.get().echoed, "");
  let_the_workers_end();
  group.reset();
  int let_in = 0;
  for (const auto& each : keepers) let_in += each->let_in;
  EXPECT_EQ(let_in, 20);
}

TEST_F(workers, a_program_without_an_event_loop_may_wait_for_connections) {
  asio::io_context own;
  ssl_server waiting(own.get_executor());
  waiting.set_handshake_workers(pool);
  waiting.set_configuration(guarded()).value();
  ASSERT_EQ(waiting.listen(loopback), error_code());
  key.let_all_go();
  auto connecting = in_background([client_port = waiting.server_port()] {
    wire_client client(raw_client::to_port(client_port));
    client.handshake();
    return client;
  });
  EXPECT_TRUE(waiting.wait_for_new_connection(patience));
  EXPECT_TRUE(waiting.next_pending_connection());
}

}  // namespace
}  // namespace sallyport::test
