// The defects of Qt 6.4's QSslServer that this server must not have, one test per row of the list, and more where a
// row says more than one thing.
//
// SPDX-License-Identifier: Apache-2.0
#include "contract_fixture.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <openssl/ssl.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>

namespace sallyport::test {
namespace {

class defect : public contract_fixture {
 protected:
  std::ptrdiff_t count(std::string_view line) const { return std::count(trace.begin(), trace.end(), line); }
  std::ptrdiff_t count_errors() const {
    return std::count_if(trace.begin(), trace.end(), [](const auto& line) { return line.starts_with("error"); });
  }
  void expect_to_serve() { EXPECT_TRUE(run({}).let_in); }
  static std::string client_hello(const wire_client_options& options = {}) {
    return wire_client(raw_client(-1), options).client_hello();
  }
};

class defect_in_both_versions : public defect, public testing::WithParamInterface<tls_version> {
 protected:
  tls_version version() const { return GetParam(); }
};
INSTANTIATE_TEST_SUITE_P(both, defect_in_both_versions, both_versions(), name_of_version);

// --- 1. failing clients stop accepting for ever ---

struct failing_client {
  std::string name;
  std::function<void(raw_client&)> fail;
};

class failing_clients : public defect, public testing::WithParamInterface<failing_client> {};

TEST_P(failing_clients, defect_01_failing_clients_give_their_places_back) {
  // As tight as Qt's default.
  constexpr std::size_t places = 30;
  server.set_max_handshakes(places);
  server.set_max_handshakes_per_address(places);
  server.set_max_pending_connections(places);
  server.set_handshake_timeout(1h);  // it is no timeout that helps
  listen();
  for (int round = 1; round <= 3; ++round) {
    std::deque<raw_client> clients;
    for (std::size_t number = 0; number < places; ++number) clients.push_back(connect());
    run_until([&] { return server.handshakes_in_progress() == places; });
    for (auto& client : clients) GetParam().fail(client);
    run_until([&] { return count_errors() >= round * 30; });
    EXPECT_EQ(server.handshakes_in_progress(), 0U);
  }
  EXPECT_EQ(count_errors(), 90);
  EXPECT_EQ(count("error evicted"), 0);
  expect_to_serve();
}

INSTANTIATE_TEST_SUITE_P(
    all, failing_clients,
    testing::Values(failing_client{"close", [](raw_client& client) { client.close(); }},
                    failing_client{"reset", [](raw_client& client) { client.reset(); }},
                    failing_client{"garbage", [](raw_client& client) { client.send("garbage, and no TLS at all"); }},
                    failing_client{"http", [](raw_client& client) { client.send("GET / HTTP/1.1\r\n\r\n"); }},
                    failing_client{"garbage_after_0x16",
                                   [](raw_client& client) {
                                     client.send(std::string("\x16\x03\x01\x00\x0c\x01\x00\x00\x08", 9) + "garbage!");
                                   }},
                    failing_client{"old_version",
                                   [](raw_client& client) {
                                     client.send(wire_client(raw_client(-1), {.max_version = 0x0302}).client_hello());
                                   }},
                    failing_client{"close_after_hello",
                                   [](raw_client& client) {
                                     client.send(wire_client(raw_client(-1)).client_hello());
                                     client.close();
                                   }}),
    [](const auto& made) { return made.param.name; });

// --- 2. close() while a client is handshaking ---

TEST_F(defect, defect_02_close_while_a_client_is_handshaking_does_not_crash_at_its_timeout) {
  server.set_handshake_timeout(30ms);
  listen();
  auto silent = connect();
  auto busy = connect();
  busy.send(client_hello());
  run_until([&] { return server.handshakes_in_progress() == 2 && count("started") == 1; });
  server.close();
  EXPECT_EQ(server.handshakes_in_progress(), 0U);
  EXPECT_EQ(count("error aborted"), 2);
  const auto after_the_timeout = std::chrono::steady_clock::now() + 60ms;
  run_until([&] { return std::chrono::steady_clock::now() > after_the_timeout; });
  EXPECT_EQ(count_errors(), 2);  // nothing is left that could time out
  listen();
  server.set_handshake_timeout(5s);
  expect_to_serve();
}

// --- 3. an error of accept stops the server for good ---

TEST_F(defect, defect_03_running_out_of_descriptors_is_told_and_goes_by) {
  listen();
  server.pause_accepting();
  auto waiting = connect();
  {
    const descriptor_shortage meanwhile;
    server.resume_accepting();
    run_until([&] { return trace.size() >= 3; });
  }
  EXPECT_EQ(count("accept_error Too many open files"), static_cast<std::ptrdiff_t>(trace.size()));
  auto client = in_background([&] { return run_client(std::move(waiting), {}); });
  EXPECT_TRUE(serve(client).let_in);  // nobody had to call anything
}

// --- 4. pause and resume without listening ---

TEST_F(defect, defect_04_pause_and_resume_accepting_without_listening_do_nothing) {
  server.pause_accepting();
  server.resume_accepting();
  server.pause_accepting();
  listen();
  expect_to_serve();
  server.close();
  server.pause_accepting();
  server.resume_accepting();
  listen();
  expect_to_serve();
}

// --- 5. connections reach the queue after close() ---

TEST_P(defect_in_both_versions, defect_05_nothing_is_queued_after_close) {
  listen();
  wire_client client(connect(), only(version()));
  client.socket().send(client.client_hello());
  run_until([&] { return server.handshakes_in_progress() == 1 && count("started") == 1; });
  server.close();
  auto handshake = in_background([&] {
    if (client.try_handshake()) client.read_to_end();
    return true;
  });
  run_until([&] { return server.open_connections() == 0; });
  try {
    run_until_done(handshake);
  } catch (const std::runtime_error&) {
    // it has been cut off
  }
  for (int turn = 0; turn < 20; ++turn) run_ready();
  EXPECT_FALSE(server.has_pending_connections());
  EXPECT_EQ(trace, (events{"started", "error aborted"}));
}

// --- 6. ALPN without overlap ---

TEST_P(defect_in_both_versions, defect_06_no_common_application_protocol_is_refused) {
  auto configuration = make_configuration();
  configuration.alpn_protocols = {"h2", "http/1.1"};
  use(configuration);
  auto options = only(version());
  options.application_protocols = {"imap", "pop3"};
  const auto client = run(options);
  EXPECT_FALSE(client.handshaked);
  EXPECT_EQ(client.alert, "no_application_protocol");
  EXPECT_EQ(trace,
            (events{"started", "alert_sent fatal no_application_protocol", "error no_common_application_protocol"}));
}

// --- 7. external pre-shared keys in TLS 1.3 ---

TEST_P(defect_in_both_versions, defect_07_pre_shared_keys_work) {
  auto configuration = make_configuration();
  configuration.pre_shared_keys = true;
  use(configuration);
  answer_with_key("alice", alices_key);
  EXPECT_TRUE(run(with_key(version(), "alice", alices_key)).let_in);
  ASSERT_TRUE(accepted.has_value());
  EXPECT_EQ(accepted->pre_shared_key_identity(), "alice");
  EXPECT_EQ(accepted->local_certificate(), std::nullopt);
  EXPECT_EQ(accepted->session_protocol(), version());
}

TEST_F(defect, defect_07_a_pre_shared_key_of_openssl_s_client_in_tls_1_3) {
  auto configuration = make_configuration();
  configuration.pre_shared_keys = true;
  use(configuration);
  answer_with_key("alice", alices_key);
  std::string hexadecimal;
  for (std::size_t byte = 0; byte < alices_key.size(); ++byte) hexadecimal += "6b";
  const auto client = run_s_client({"-tls1_3", "-psk_identity", "alice", "-psk", hexadecimal});
  EXPECT_THAT(client.output, testing::HasSubstr(std::string(welcome)));
  ASSERT_TRUE(accepted.has_value());
  EXPECT_EQ(accepted->pre_shared_key_identity(), "alice");
}

// --- 8. session resumption ---

TEST_P(defect_in_both_versions, defect_08_a_session_is_resumed_on_another_connection) {
  listen();
  const auto first = run(only(version()));
  ASSERT_TRUE(first.let_in);
  EXPECT_FALSE(first.resumed);
  ASSERT_FALSE(first.tickets.empty());
  auto options = only(version());
  options.resumed = first.tickets.back();
  const auto second = run(options);
  EXPECT_TRUE(second.let_in);
  EXPECT_TRUE(second.resumed);
  ASSERT_TRUE(accepted.has_value());
  EXPECT_TRUE(accepted->session_resumed());

  ASSERT_FALSE(second.tickets.empty() && version() == tls_version::tls_1_3);
  options.resumed = second.tickets.empty() ? first.tickets.back() : second.tickets.back();
  use(make_configuration());
  EXPECT_TRUE(run(options).resumed) << "and under a configuration that was set anew";
}

// --- 9. everything is parsed for each client ---

TEST_F(defect, defect_09_certificates_and_keys_are_read_once) {
  auto configuration = make_configuration();
  {
    const auto [certificate, key] = files_of(server_credentials());
    configuration.identities = {identity::from_pem_files(certificate, key).value()};
    configuration.ca_certificates = trust_store::from_pem_file(files_of(clients().ca).first).value();
    std::filesystem::remove(certificate);
    std::filesystem::remove(key);
  }
  use(configuration);
  std::set<SSL_CTX*> contexts;
  for (int number = 0; number < 3; ++number) {
    EXPECT_TRUE(run({}).let_in);
    contexts.insert(SSL_get_SSL_CTX(static_cast<SSL*>(accepted->native_handle())));
  }
  EXPECT_EQ(contexts.size(), 1U);
}

// --- 10. a wrong configuration shows only at the first client ---

TEST_F(defect, defect_10_a_key_that_does_not_match_is_refused_with_its_files_name) {
  const auto other = make_self_signed({.common_name = "other"});
  const auto certificate = files_of(server_credentials()).first;
  const auto key = files_of(other).second;
  const auto refused = identity::from_pem_files(certificate, key);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, configuration_error::key_mismatch);
  EXPECT_THAT(refused.error().detail, testing::HasSubstr(key));
}

TEST_F(defect, defect_10_a_wrong_setting_is_refused_when_it_is_set) {
  listen();
  auto configuration = make_configuration();
  configuration.ciphers = "ECDHE-ROT13";
  const auto refused = server.set_configuration(configuration);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, configuration_error::bad_ciphers);
  EXPECT_THAT(refused.error().detail, testing::HasSubstr("ECDHE-ROT13"));
  expect_to_serve();  // with the former one
}

// --- 11. SNI ---

TEST_P(defect_in_both_versions, defect_11_server_name_chooses_the_certificate_and_can_be_read) {
  auto configuration = make_configuration();
  const auto shop = make_self_signed({.common_name = "shop", .names = {"shop.example"}});
  configuration.identities.push_back(identity::from_pem(shop.certificate, shop.key).value());
  use(configuration);
  for (const std::string name : {"shop.example", "localhost"}) {
    auto options = only(version());
    options.server_name = name;
    auto client = in_background([options, port = port()] {
      wire_client made(raw_client::to_port(port), options);
      made.handshake();
      return made.server_common_name();
    });
    const auto socket = accept();
    EXPECT_EQ(run_until_done(client), name == "localhost" ? "localhost" : "shop");
    EXPECT_EQ(socket.server_name(), name);
  }
}

// --- 12. names of the CAs (stapled OCSP responses and revocation lists aren't there yet) ---

TEST_P(defect_in_both_versions, defect_12_client_cas_are_named_in_the_certificate_request) {
  use(make_verifying_configuration(peer_verify_mode::query));
  const auto client = run(only(version()));
  EXPECT_TRUE(client.let_in);
  EXPECT_EQ(client.requested_cas, (std::vector<std::string>{"CN = Client CA"}));
}

// --- 13. the alert for a refused certificate ---

TEST_P(defect_in_both_versions, defect_13_the_alert_for_a_refused_certificate_is_read_by_the_client) {
  use(make_verifying_configuration(peer_verify_mode::verify));
  EXPECT_EQ(run(with_certificate(version(), clients().expired)).alert, "certificate_expired");
  EXPECT_EQ(run(with_certificate(version(), clients().stranger)).alert, "unknown_ca");
  EXPECT_EQ(count("alert_sent fatal certificate_expired"), 1);
  EXPECT_EQ(count("alert_sent fatal unknown_ca"), 1);
}

TEST_F(defect, defect_13_the_alert_for_a_refused_certificate_is_read_by_openssl_s_client) {
  use(make_verifying_configuration(peer_verify_mode::verify));
  const auto [certificate, key] = files_of(clients().expired);
  for (const char* version : {"-tls1_2", "-tls1_3"}) {
    const auto client = run_s_client({version, "-cert", certificate, "-key", key});
    EXPECT_THAT(client.output, testing::HasSubstr("alert certificate expired")) << version;
    EXPECT_THAT(client.output, testing::HasSubstr("SSL alert number 45")) << version;
  }
}

TEST_F(defect, defect_13_the_alert_for_a_refused_certificate_is_read_by_gnutls_cli) {
  use(make_verifying_configuration(peer_verify_mode::verify));
  const auto [certificate, key] = files_of(clients().expired);
  for (const char* version : {"NORMAL:-VERS-ALL:+VERS-TLS1.2", "NORMAL:-VERS-ALL:+VERS-TLS1.3"}) {
    const auto client = run_gnutls_cli({"--priority", version, "--x509certfile", certificate, "--x509keyfile", key});
    EXPECT_THAT(client.output, testing::HasSubstr("Received alert [45]: Certificate is expired")) << version;
  }
}

TEST_P(defect_in_both_versions, defect_13_alert_sent_tells_nothing_that_was_not_sent) {
  use(make_verifying_configuration(peer_verify_mode::verify));
  server.ssl_errors.connect([](ssl_socket& socket, std::span<const ssl_error>) { socket.abort(); });
  run(with_certificate(version(), clients().expired));
  server.set_handshake_timeout(10ms);
  const auto silent = connect();
  run_until([&] { return count_errors() == 2; });
  EXPECT_EQ(count_errors(), 2);
  for (const auto& line : trace) EXPECT_THAT(line, testing::Not(testing::HasSubstr("alert_sent")));
}

// --- 14. truncation ---

TEST_P(defect_in_both_versions, defect_14_a_truncated_stream_is_told_from_a_clean_close) {
  listen();
  {
    auto pair = make_pair(only(version()));
    pair.client.put("all of it");
    pair.client.put_close_notify();
    pair.client.flush();
    std::string data;
    EXPECT_EQ(read_to_end(pair.socket, data), asio::error::eof);
    EXPECT_EQ(data, "all of it");
  }
  auto pair = make_pair(only(version()));
  pair.client.send("part of it");
  pair.client.socket().finish_sending();
  std::string data;
  EXPECT_EQ(read_to_end(pair.socket, data), stream_error::truncated);
  EXPECT_EQ(data, "part of it");
}

// --- 15. clients that are dropped without a word ---

TEST_F(defect, defect_15_every_failure_has_a_reason_and_the_peers_address) {
  server.set_handshake_timeout(50ms);
  std::string address;
  std::vector<std::string> sentences;
  server.error_occurred.connect([&](ssl_socket& socket, error_code) {
    address = socket.peer_name();
    EXPECT_EQ(socket.report().peer, address);
    sentences.push_back(socket.error_string());
  });
  listen();
  for (const std::string bytes : {"plaintext", "GET / HTTP/1.1\r\n\r\n", ""}) {
    auto client = connect();
    client.send(bytes);
    const auto already = trace.size();
    run_until([&] { return trace.size() > already; });
    EXPECT_EQ(address, "127.0.0.1:" + std::to_string(client.local_port()));
  }
  EXPECT_EQ(trace, (events{"error not_tls", "error plain_http", "error timeout_before_client_hello"}));
  ASSERT_EQ(sentences.size(), 3U);
  EXPECT_EQ(std::set<std::string>(sentences.begin(), sentences.end()).size(), 3U);
  for (const auto& sentence : sentences) EXPECT_GT(sentence.size(), 20U) << sentence;
}

// --- 16. the first byte restarts the timer ---

TEST_F(defect, defect_16_bytes_do_not_restart_the_deadline) {
  server.set_handshake_timeout(150ms);
  std::vector<std::uint16_t> order;
  server.error_occurred.connect(
      [&](ssl_socket& socket, error_code) { order.push_back(socket.remote_endpoint().port()); });
  listen();
  auto first = connect();
  run_until([&] { return server.handshakes_in_progress() == 1; });
  const auto second = connect();
  run_until([&] { return server.handshakes_in_progress() == 2; });
  // Were the deadline counted from here the second client would be the first to go.
  first.send(client_hello().substr(0, 20));
  run_until([&] { return order.size() == 2; });
  EXPECT_EQ(order, (std::vector<std::uint16_t>{first.local_port(), second.local_port()}));
  EXPECT_EQ(trace, (events{"started", "error timeout_before_client_hello", "error timeout_before_client_hello"}));
}

// --- 17. silent clients hold all places ---

TEST_F(defect, defect_17_silent_clients_in_all_places_keep_nobody_out) {
  server.set_handshake_timeout(1h);
  server.set_max_handshakes(30);
  server.set_max_handshakes_per_address(30);
  listen();
  std::deque<raw_client> silent;
  for (int number = 0; number < 90; ++number) silent.push_back(connect());
  run_until([&] { return count("error evicted") == 60; });
  EXPECT_EQ(server.handshakes_in_progress(), 30U);
  auto good = in_background([port = port()] {
    wire_client client(raw_client::to_port(port));
    client.handshake();
  });
  accept();
  run_until_done(good);
  silent.clear();
}

TEST_F(defect, defect_17_one_address_has_a_share_of_the_places) {
  server.set_handshake_timeout(1h);
  server.set_max_handshakes(30);
  server.set_max_handshakes_per_address(10);
  ASSERT_EQ(server.listen(tcp::endpoint(tcp::v6(), 0)), error_code());
  const auto other = raw_client::to_port(port(), "::1");
  run_until([&] { return server.handshakes_in_progress() == 1; });
  std::deque<raw_client> greedy;
  for (int number = 0; number < 90; ++number) greedy.push_back(raw_client::to_port(port(), "127.0.0.1"));
  run_until([&] { return count("error evicted") == 80; });
  EXPECT_EQ(server.handshakes_in_progress(), 11U);  // the other one has kept its place
}

// --- 18. writing without end to a client that doesn't read ---

TEST_P(defect_in_both_versions, defect_18_writes_wait_for_a_client_that_does_not_read) {
  listen();
  auto pair = make_pair(only(version()));
  // More than the kernel's buffers take, and less than would be noticed if it were kept here.
  const std::string data(64 << 20, 'x');
  outcome written;
  asio::async_write(pair.socket, asio::buffer(data), written.handler());
  for (int turn = 0; turn < 1000; ++turn) run_ready();
  EXPECT_FALSE(written.is_done());
  auto reads = in_background([&] { return pair.client.receive_exactly(data.size()) == data; });
  EXPECT_TRUE(run_until_done(reads));
  run_until([&] { return written.is_done(); });
  EXPECT_EQ(written.error, error_code());
}

// --- 19. crypto on the one event thread ---

TEST_F(defect, defect_19_a_few_handshake_steps_per_turn_of_the_loop) {
  listen();
  std::deque<raw_client> burst;
  const std::string hello = client_hello();
  for (int number = 0; number < 60; ++number) {
    burst.push_back(connect());
    burst.back().send(hello);
  }
  // Somebody else on the same loop, who wants to have every other turn.
  std::ptrdiff_t seen = 0;
  std::ptrdiff_t longest_wait = 0;
  int turns = 0;
  std::function<void()> other = [&] {
    const auto now = count("started");
    longest_wait = std::max(longest_wait, now - seen);
    seen = now;
    ++turns;
    if (now < 60) asio::post(io, other);
  };
  asio::post(io, other);
  run_until([&] { return count("started") == 60; });
  run_until([&] { return seen == 60; });
  EXPECT_LE(longest_wait, 4);
  EXPECT_GE(turns, 15);
}

TEST_F(defect, defect_19_servers_on_several_threads_share_one_port) {
  struct worker {
    asio::io_context context{1};
    ssl_server server{context.get_executor()};
    std::thread thread;
    int served = 0;
  };
  std::deque<worker> workers(2);
  tcp::endpoint where = loopback;
  for (auto& each : workers) {
    each.server.set_configuration(make_configuration()).value();
    ASSERT_EQ(each.server.listen(where, {.reuse_port = true}), error_code());
    where = each.server.local_endpoint();
    each.server.pending_connection_available.connect([&each] {
      ++each.served;
      each.server.next_pending_connection();  // and closes it
    });
    each.thread = std::thread([&each] { each.context.run(); });
  }
  constexpr int count = 40;
  int complete = 0;
  for (int number = 0; number < count; ++number) {
    wire_client client(raw_client::to_port(where.port()));
    complete += client.try_handshake() ? 1 : 0;
    EXPECT_EQ(client.read_to_end().end, stream_end::close_notify);
  }
  for (auto& each : workers) {
    asio::post(each.context, [&each] { each.server.close(); });
    each.thread.join();
  }
  EXPECT_EQ(complete, count);
  EXPECT_EQ(workers[0].served + workers[1].served, count);
  EXPECT_GT(workers[0].served, 0);
  EXPECT_GT(workers[1].served, 0);
}

// --- 20. startedEncryptionHandshake after errorOccurred ---

TEST_P(failing_clients, defect_20_started_encryption_handshake_is_always_first) {
  listen();
  auto client = connect();
  GetParam().fail(client);
  run_until([&] { return count_errors() == 1 && server.handshakes_in_progress() == 0; });
  for (int turn = 0; turn < 20; ++turn) run_ready();
  EXPECT_THAT(trace.back(), testing::StartsWith("error"));
  const bool is_tls = GetParam().name == "garbage_after_0x16" || GetParam().name == "old_version" ||
                      GetParam().name == "close_after_hello";
  EXPECT_EQ(count("started"), is_tls ? 1 : 0);
  EXPECT_EQ(trace.front() == "started", is_tls);
}

}  // namespace
}  // namespace sallyport::test
