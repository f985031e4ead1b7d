// Handshakes that wait for a decision: many at once, decided on any thread, too late, or not at all.
//
// SPDX-License-Identifier: Apache-2.0
#include "gate_fixture.hpp"

#include <openssl/ssl.h>

#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <mutex>
#include <set>
#include <thread>

namespace sallyport::test {
namespace {

constexpr int crowd = 200;

int version_of(int client) { return client % 2 == 0 ? TLS1_2_VERSION : TLS1_3_VERSION; }

/// Keeps each handshake that is interrupted at its first error; the following ones of the same client are passed.
class deferrer {
 public:
  explicit deferrer(ssl_server& server) {
    server.handshake_interrupted_on_error.connect([this](ssl_socket& socket, const ssl_error&) {
      if (!known_.insert(socket.id()).second) return socket.continue_interrupted_handshake();
      held.push_back(socket.defer_interrupted_handshake());
      EXPECT_EQ(held.back().id(), socket.id());
    });
    server.ssl_errors.connect([](ssl_socket& socket, std::span<const ssl_error>) { socket.ignore_ssl_errors(); });
  }

  std::vector<interrupted_handshake> held;

 private:
  std::set<std::uint64_t> known_;
};

/// The second half of a vector, taken out of it.
template <class T>
std::vector<T> take_half(std::vector<T>& all) {
  const auto middle = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
  std::vector<T> half(std::make_move_iterator(middle), std::make_move_iterator(all.end()));
  all.erase(middle, all.end());
  return half;
}

class deferral : public gate_fixture {
 protected:
  deferral() { server->set_handshake_timeout(patience); }

  std::vector<fate> run_until_all_are_done(std::vector<std::future<fate>>& clients) {
    std::vector<fate> fates;
    for (auto& each : clients) fates.push_back(run_until_done(each));
    return fates;
  }
};

class deferral_of_version : public deferral, public testing::WithParamInterface<int> {};
INSTANTIATE_TEST_SUITE_P(versions, deferral_of_version, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) { return version.param == TLS1_2_VERSION ? "tls_1_2" : "tls_1_3"; });

TEST_F(deferral, two_hundred_at_once_half_resumed_and_half_dropped_on_other_threads) {
  deferrer waiting(*server);
  open(gate_configuration(true));
  std::vector<std::future<fate>> clients;
  for (int i = 0; i < crowd; ++i) clients.push_back(knock(port, {.version = version_of(i), .certificate = stranger()}));
  run_until([&] { return waiting.held.size() == crowd; });
  EXPECT_EQ(server->handshakes_in_progress(), crowd);
  EXPECT_EQ(keeper.let_in, 0);

  auto dropped = take_half(waiting.held);
  const auto resuming = in_background([&] {
    for (auto& each : waiting.held) each.resume();
  });
  const auto dropping = in_background([&] { dropped.clear(); });
  const auto fates = run_until_all_are_done(clients);

  EXPECT_EQ(keeper.let_in, crowd / 2);
  EXPECT_EQ(keeper.reasons, (std::map<std::string, int>{{"client_certificate_unknown_ca", crowd / 2}}));
  EXPECT_EQ(std::ranges::count(fates, "hello", &fate::echoed), crowd / 2);
  EXPECT_EQ(std::ranges::count(fates, std::vector<std::string>{"fatal unknown CA"}, &fate::alerts), crowd / 2);
  expect_the_books_to_balance();
}

TEST_F(deferral, two_hundred_keys_half_answered_rightly_on_another_thread) {
  std::vector<deferred_pre_shared_key> held;
  server->pre_shared_key_authentication_required.connect([&](ssl_socket& socket, ssl_pre_shared_key_authenticator&) {
    held.push_back(socket.defer_pre_shared_key());
    EXPECT_EQ(held.back().identity(), "alice");
  });
  open(key_configuration());
  std::vector<std::future<fate>> clients;
  for (int i = 0; i < crowd; ++i) clients.push_back(knock(port, alice(version_of(i))));
  run_until([&] { return held.size() == crowd; });

  auto dropped = take_half(held);
  auto wrong = take_half(dropped);
  const auto answering = in_background([&] {
    for (auto& each : held) each.answer(key_of(alices_key));
  });
  const auto refusing = in_background([&] {
    dropped.clear();
    for (auto& each : wrong) each.answer(key_of("not alice's"));
  });
  const auto fates = run_until_all_are_done(clients);

  EXPECT_EQ(keeper.let_in, crowd / 2);
  EXPECT_EQ(keeper.reasons, (std::map<std::string, int>{{"bad_pre_shared_key", crowd / 2}}));
  EXPECT_EQ(std::ranges::count(fates, "hello", &fate::echoed), crowd / 2);
  EXPECT_EQ(std::ranges::count_if(fates,
                                  [](const fate& seen) {
                                    return seen.alerts == std::vector<std::string>{"fatal bad record mac"} ||
                                           seen.alerts == std::vector<std::string>{"fatal illegal parameter"};
                                  }),
            crowd / 2);
  expect_the_books_to_balance();
}

// Decisions race with the server's end: whichever comes first, nobody gets in afterwards and nothing is touched that is
// gone.
TEST_F(deferral, decisions_race_with_the_end) {
  for (const bool with_context : {false, true}) {
    io = std::make_unique<asio::io_context>(1);
    server = std::make_unique<ssl_server>(io->get_executor());
    const gatekeeper own(*server);
    deferrer waiting(*server);
    open(gate_configuration(true));
    std::vector<std::future<fate>> clients;
    for (int i = 0; i < 40; ++i) clients.push_back(knock(port, {.version = version_of(i), .certificate = stranger()}));
    run_until([&] { return waiting.held.size() == 40; });
    std::atomic<bool> begun = false;
    auto deciding = in_background([&] {
      for (auto& each : waiting.held) {
        each.resume();
        begun = true;
      }
    });
    while (!begun) std::this_thread::yield();
    if (with_context)
      destroy_io_context();
    else
      server.reset();
    for (auto& each : clients) EXPECT_EQ(each.get().echoed, "");
    deciding.get();
    EXPECT_EQ(own.let_in, 0);
    io.reset();
  }
}

TEST_P(deferral_of_version, tells_the_client_by_the_alert_of_choice) {
  deferrer waiting(*server);
  open(gate_configuration(true));
  const std::pair<certificate_alert, const char*> alerts[] = {
      {certificate_alert::handshake_failure, "fatal handshake failure"},
      {certificate_alert::bad_certificate, "fatal bad certificate"},
      {certificate_alert::unsupported_certificate, "fatal unsupported certificate"},
      {certificate_alert::certificate_revoked, "fatal certificate revoked"},
      {certificate_alert::certificate_expired, "fatal certificate expired"},
      {certificate_alert::certificate_unknown, "fatal certificate unknown"},
      {certificate_alert::unknown_ca, "fatal unknown CA"},
      {certificate_alert::decrypt_error, "fatal decrypt error"},
      {certificate_alert::internal_error, "fatal internal error"},
  };
  for (const auto& [alert, words] : alerts) {
    waiting.held.clear();
    auto client = knock(port, {.version = GetParam(), .certificate = stranger()});
    run_until([&] { return !waiting.held.empty(); });
    auto deciding = in_background([&, chosen = alert] { waiting.held[0].abort(chosen); });
    const fate seen = run_until_done(client);
    EXPECT_EQ(seen.alerts, std::vector<std::string>{words});
    EXPECT_EQ(seen.end, stream_end::fin);
  }
  EXPECT_EQ(keeper.let_in, 0);
  expect_the_books_to_balance();
}

TEST_P(deferral_of_version, the_deadline_counts_and_tells_the_client) {
  server->set_handshake_timeout(1s);
  deferrer waiting(*server);
  std::optional<handshake_report> report;
  server->error_occurred.connect([&](ssl_socket& socket, error_code) { report = socket.report(); });
  open(gate_configuration(true));
  const auto before = std::chrono::steady_clock::now();
  auto client = knock(port, {.version = GetParam(), .certificate = stranger()});
  const fate seen = run_until_done(client);
  EXPECT_GE(std::chrono::steady_clock::now() - before, 1s);
  EXPECT_EQ(waiting.held.size(), 1U);
  EXPECT_EQ(seen.alerts, std::vector<std::string>{"fatal unknown CA"});
  ASSERT_TRUE(report);
  EXPECT_EQ(report->reason, handshake_error::timeout_in_handshake);
  EXPECT_EQ(report->detected_by, detected_by::server);
  ASSERT_TRUE(report->alert);
  EXPECT_EQ(report->alert->type, alert_type::unknown_ca);
  waiting.held[0].resume();
  expect_the_books_to_balance();
  EXPECT_EQ(keeper.let_in, 0);
}

TEST_P(deferral_of_version, the_deadline_counts_for_keys) {
  server->set_handshake_timeout(1s);
  std::vector<deferred_pre_shared_key> held;
  server->pre_shared_key_authentication_required.connect(
      [&](ssl_socket& socket, auto&&) { held.push_back(socket.defer_pre_shared_key()); });
  open(key_configuration());
  auto client = knock(port, alice(GetParam()));
  const fate seen = run_until_done(client);
  EXPECT_EQ(seen.alerts, std::vector<std::string>{GetParam() == TLS1_2_VERSION ? "fatal bad record mac"
                                                                               : "fatal illegal parameter"});
  EXPECT_EQ(keeper.reasons, (std::map<std::string, int>{{"timeout_in_handshake", 1}}));
  held.at(0).answer(key_of(alices_key));
  expect_the_books_to_balance();
  EXPECT_EQ(keeper.let_in, 0);
}

// What slots of the refusal's own alert do.
TEST_P(deferral_of_version, the_server_may_be_destroyed_while_it_tells_of_a_timeout) {
  server->set_handshake_timeout(1s);
  deferrer waiting(*server);
  server->alert_sent.connect([this](auto&&...) { server.reset(); });
  open(gate_configuration(true));
  auto client = knock(port, {.version = GetParam(), .certificate = stranger()});
  EXPECT_EQ(run_until_done(client).echoed, "");
  EXPECT_FALSE(server);
}

TEST_P(deferral_of_version, a_slot_may_throw_while_it_is_told_of_a_timeout) {
  server->set_handshake_timeout(1s);
  deferrer waiting(*server);
  server->alert_sent.connect([](auto&&...) { throw slot_threw(); });
  open(gate_configuration(true));
  auto client = knock(port, {.version = GetParam(), .certificate = stranger()});
  EXPECT_EQ(run_until_done(client).echoed, "");
  EXPECT_EQ(thrown, 1);
  expect_the_books_to_balance();
}

TEST_P(deferral_of_version, a_client_that_leaves_meanwhile_is_noticed_afterwards) {
  deferrer waiting(*server);
  open(gate_configuration(true));
  for (const bool resumed : {true, false}) {
    for (const bool reset : {true, false}) {
      waiting.held.clear();
      auto leaving = in_background([&, client_port = port] {
        gate_client client(client_port, {.version = GetParam(), .certificate = stranger()});
        client.send_certificate();
        return client;
      });
      run_until([&] { return !waiting.held.empty(); });
      auto client = leaving.get();
      reset ? client.socket().reset() : client.socket().close();
      if (resumed)
        waiting.held[0].resume();
      else
        waiting.held.clear();
      run_until([&] { return server->handshakes_in_progress() == 0; });
    }
  }
  expect_the_books_to_balance();
}

TEST_P(deferral_of_version, what_the_client_sends_meanwhile_waits) {
  deferrer waiting(*server);
  open(gate_configuration(true));
  auto client = in_background([&, client_port = port] {
    gate_client made(client_port, {.version = GetParam(), .certificate = stranger()});
    return made.try_to_get_in();
  });
  run_until([&] { return !waiting.held.empty(); });
  // In TLS 1.3 the client has said hello by now, or does so in a moment: nothing of it may be lost.
  run_ready();
  waiting.held[0].resume();
  EXPECT_EQ(run_until_done(client).echoed, "hello");
  expect_the_books_to_balance();
}

// Bytes that nobody has read would turn the end into a reset, which may destroy the alert.
TEST_P(deferral_of_version, what_the_client_sends_meanwhile_costs_it_no_alert) {
  deferrer waiting(*server);
  open(gate_configuration(true));
  auto sending = in_background([&, client_port = port] {
    gate_client client(client_port, {.version = GetParam(), .certificate = stranger()});
    client.send_certificate();
    return client;
  });
  run_until([&] { return !waiting.held.empty(); });
  gate_client client = sending.get();
  client.socket().send("more");
  waiting.held.clear();
  auto reading = in_background([&] { return client.try_to_get_in(); });
  const fate seen = run_until_done(reading);
  EXPECT_EQ(seen.alerts, std::vector<std::string>{"fatal unknown CA"});
  EXPECT_EQ(seen.end, stream_end::fin);
  expect_the_books_to_balance();
}

TEST_F(deferral, others_are_served_meanwhile) {
  deferrer waiting(*server);
  open(gate_configuration(true));
  std::vector<std::future<fate>> strangers;
  for (int i = 0; i < 50; ++i) strangers.push_back(knock(port, {.version = version_of(i), .certificate = stranger()}));
  run_until([&] { return waiting.held.size() == 50; });
  for (int i = 0; i < 20; ++i) {
    auto client = knock(port, {.version = version_of(i), .certificate = friend_of_the_house()});
    EXPECT_EQ(run_until_done(client).echoed, "hello");
  }
  EXPECT_EQ(server->handshakes_in_progress(), 50U);
  // And the other way round: those that waited have their turn among a crowd of others.
  std::vector<std::future<fate>> friends;
  for (int i = 0; i < 50; ++i)
    friends.push_back(knock(port, {.version = version_of(i), .certificate = friend_of_the_house()}));
  for (auto& each : waiting.held) each.resume();
  for (auto& each : strangers) EXPECT_EQ(run_until_done(each).echoed, "hello");
  for (auto& each : friends) EXPECT_EQ(run_until_done(each).echoed, "hello");
  expect_the_books_to_balance();
}

TEST_P(deferral_of_version, only_the_first_to_defer_decides) {
  std::vector<interrupted_handshake> held;
  for (int slot = 0; slot < 3; ++slot) {
    server->handshake_interrupted_on_error.connect([&](ssl_socket& socket, const ssl_error&) {
      held.push_back(socket.defer_interrupted_handshake());
      EXPECT_EQ(held.back().id(), socket.id());
    });
  }
  server->ssl_errors.connect([](ssl_socket& socket, std::span<const ssl_error>) {
    auto nothing = socket.defer_interrupted_handshake();  // not its question
    auto no_key = socket.defer_pre_shared_key();
    nothing.resume();
  });
  open(gate_configuration(true));
  auto client = knock(port, {.version = GetParam(), .certificate = stranger()});
  run_until([&] { return held.size() == 3; });
  held[1].resume();
  held[2].abort(certificate_alert::bad_certificate);
  run_ready();
  EXPECT_EQ(server->handshakes_in_progress(), 1U) << "the others have no say";
  held[0].resume();
  run_until([&] { return held.size() == 6; });  // the second error
  held[3].resume();
  const fate seen = run_until_done(client);
  EXPECT_EQ(seen.echoed, "");
  EXPECT_EQ(seen.alerts, std::vector<std::string>{"fatal unknown CA"}) << "ssl_errors wasn't answered";
  expect_the_books_to_balance();
}

TEST_P(deferral_of_version, the_object_outlives_everything) {
  std::optional<interrupted_handshake> longest;
  std::optional<deferred_pre_shared_key> longest_key;
  server->handshake_interrupted_on_error.connect(
      [&](ssl_socket& socket, const ssl_error&) { longest.emplace(socket.defer_interrupted_handshake()); });
  server->pre_shared_key_authentication_required.connect(
      [&](ssl_socket& socket, auto&&) { longest_key.emplace(socket.defer_pre_shared_key()); });
  ssl_configuration both = gate_configuration(true);
  both.pre_shared_keys = true;
  open(both);
  auto first = knock(port, {.version = GetParam(), .certificate = stranger()});
  auto second = knock(port, alice(GetParam()));
  run_until([&] { return longest && longest_key; });
  server.reset();
  io.reset();
  EXPECT_EQ(first.get().echoed, "");
  EXPECT_EQ(second.get().echoed, "");
  EXPECT_EQ(longest->error().code, ssl_error_code::unable_to_get_local_issuer_certificate);
  EXPECT_EQ(longest_key->identity(), "alice");
  in_background([&] {
    interrupted_handshake moved(std::move(*longest));
    moved.resume();
    longest_key->answer(key_of(alices_key));
    longest_key.reset();
    longest.reset();
  }).get();
  EXPECT_EQ(keeper.let_in, 0);
}

// A server on a strand: its handshakes go on on whatever thread is free, and are decided on all of them.
TEST(deferral_on_a_strand, works_on_four_threads) {
  constexpr int clients_at_once = 60;
  asio::io_context io;
  const auto strand = asio::make_strand(io);
  std::optional<ssl_server> server;
  std::optional<gatekeeper> keeper;
  std::atomic<int> ended = 0;
  std::mutex mutex;
  std::vector<interrupted_handshake> for_another_thread;
  std::uint16_t port = 0;

  server.emplace(strand);
  keeper.emplace(*server);
  server->set_handshake_timeout(patience);
  server->set_configuration(gate_configuration(true)).value();
  std::set<std::uint64_t> known;
  server->handshake_interrupted_on_error.connect([&](ssl_socket& socket, const ssl_error&) {
    EXPECT_TRUE(strand.running_in_this_thread());
    if (!known.insert(socket.id()).second) return socket.continue_interrupted_handshake();
    switch (known.size() % 3) {
      case 0:
        return socket.defer_interrupted_handshake().resume();  // at once
      case 1:
        // On a thread of the pool, outside of the strand.
        return asio::post(io, [decision = socket.defer_interrupted_handshake()]() mutable { decision.resume(); });
      default: {
        const std::lock_guard lock(mutex);
        for_another_thread.push_back(socket.defer_interrupted_handshake());
      }
    }
  });
  server->ssl_errors.connect([](ssl_socket& socket, std::span<const ssl_error>) { socket.ignore_ssl_errors(); });
  server->error_occurred.connect([&](auto&&...) { ++ended; });
  ASSERT_EQ(server->listen(loopback), error_code());
  port = server->server_port();

  auto work = std::make_optional(asio::make_work_guard(io));
  std::vector<std::thread> pool;
  for (int i = 0; i < 4; ++i) pool.emplace_back([&] { io.run(); });
  std::vector<std::future<fate>> clients;
  for (int i = 0; i < clients_at_once; ++i)
    clients.push_back(knock(port, {.version = version_of(i), .certificate = stranger()}));
  for (int decided = 0; decided < clients_at_once / 3;) {
    std::vector<interrupted_handshake> some;
    {
      const std::lock_guard lock(mutex);
      some.swap(for_another_thread);
    }
    for (auto& each : some) each.resume();
    decided += static_cast<int>(some.size());
    std::this_thread::yield();
  }
  int echoed = 0;
  for (auto& each : clients) echoed += each.get().echoed == "hello" ? 1 : 0;
  EXPECT_EQ(echoed, clients_at_once);
  asio::post(strand, [&] {
    EXPECT_EQ(keeper->let_in, clients_at_once);
    EXPECT_EQ(server->handshakes_in_progress(), 0U);
    keeper->expect_one_end_each();
    server.reset();
    work.reset();
  });
  for (auto& each : pool) each.join();
  EXPECT_EQ(ended, 0);
}

}  // namespace
}  // namespace sallyport::test
