// Who doesn't have a key can't find out whose key the server has: on the wire an unknown identity and a known one look
// alike, whatever the client makes of its ClientHello.
//
// SPDX-License-Identifier: Apache-2.0
#include "gate_fixture.hpp"

#include <openssl/ssl.h>

#include <cstdint>
#include <functional>
#include <ostream>

namespace sallyport::test {
namespace {

std::string number(std::size_t value, int size) {
  std::string bytes;
  while (size-- > 0) bytes += static_cast<char>(value >> (8 * size));
  return bytes;
}
std::string with_length(int length_size, const std::string& bytes) { return number(bytes.size(), length_size) + bytes; }

/// What the server says, and how it ends.
struct answer {
  std::vector<std::string> records;
  stream_end end;
  bool operator==(const answer&) const = default;
};

void PrintTo(const answer& seen, std::ostream* out) {
  *out << testing::PrintToString(seen.records) << " end " << static_cast<int>(seen.end);
}

class unknown_identity : public gate_fixture {
 protected:
  /// Alice has a key for SHA-256, bob one for SHA-384. Nobody knows eve.
  void open_with_keys(ssl_configuration configuration) {
    configuration.pre_shared_keys = true;
    if (!configuration.identities.empty()) configuration.identities = {identity_with_signatures_of_one_length()};
    server->pre_shared_key_authentication_required.connect(
        [this](ssl_socket& socket, ssl_pre_shared_key_authenticator& asked) {
          asked_for.push_back(asked.identity());
          const auto key = [&] {
            if (asked.identity() == "alice") return key_of(alices_key);
            if (asked.identity() == "bob") return key_of(alices_key, pre_shared_key_hash::sha384);
            return pre_shared_key();
          };
          if (!defers) {
            asked.set_pre_shared_key(key());
          } else if (auto waiting = socket.defer_pre_shared_key(); key().empty()) {
            waiting.refuse();
          } else {
            waiting.answer(key());
          }
        });
    open(configuration);
  }

  answer run_until_answered(std::future<fate>& client) {
    const fate seen = run_until_done(client);
    EXPECT_EQ(seen.echoed, "");
    return {records_of(seen.wire), seen.end};
  }

  answer of(memory_client_options options, const std::string& identity, int version) {
    options.version = version;
    options.identity = identity;
    options.key = "a guess";
    auto client = knock(port, options);
    return run_until_answered(client);
  }

  static identity identity_with_signatures_of_one_length() {
    static const credentials made = make_self_signed({.common_name = "localhost", .key = key_type::ed25519});
    return identity::from_pem(made.certificate, made.key).value();
  }

  bool defers = false;
  std::vector<std::string> asked_for;
};

class unknown_identity_of_version : public unknown_identity, public testing::WithParamInterface<std::tuple<int, bool>> {
 protected:
  unknown_identity_of_version() { defers = std::get<1>(GetParam()); }
  int version() const { return std::get<0>(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(versions, unknown_identity_of_version,
                         testing::Combine(testing::Values(TLS1_2_VERSION, TLS1_3_VERSION), testing::Bool()),
                         [](const auto& instance) {
                           return std::string(std::get<0>(instance.param) == TLS1_2_VERSION ? "tls_1_2" : "tls_1_3") +
                                  (std::get<1>(instance.param) ? "_deferred" : "");
                         });

TEST_P(unknown_identity_of_version, looks_like_a_wrong_key) {
  open_with_keys(make_configuration());
  const answer unknown = of({}, "eve", version());
  ASSERT_FALSE(unknown.records.empty());
  EXPECT_EQ(unknown.records.back(), version() == TLS1_2_VERSION ? "21 2 fatal 20" : "21 2 fatal 47");
  EXPECT_EQ(unknown.end, stream_end::fin);
  EXPECT_EQ(of({}, "alice", version()), unknown);
  EXPECT_EQ(asked_for, (std::vector<std::string>{"eve", "alice"}));
  EXPECT_EQ(keeper.reasons, (std::map<std::string, int>{{"bad_pre_shared_key", 2}}));
  expect_the_books_to_balance();
}

TEST_P(unknown_identity_of_version, looks_like_a_wrong_key_without_certificates) {
  ssl_configuration keys_alone;
  open_with_keys(keys_alone);
  const answer unknown = of({}, "eve", version());
  EXPECT_EQ(of({}, "alice", version()), unknown);
  EXPECT_EQ(keeper.reasons, (std::map<std::string, int>{{"bad_pre_shared_key", 2}}));
}

// Who shows no certificate where one is required is refused for that, and nobody has ignored it. The client's key is
// unproven by then.
TEST_P(unknown_identity_of_version, looks_like_a_known_one_that_is_refused) {
  for (const bool interrupts : {false, true}) {
    server = std::make_unique<ssl_server>(io->get_executor());
    open_with_keys(gate_configuration(interrupts));
    const answer unknown = of({}, "eve", version());
    EXPECT_EQ(of({}, "alice", version()), unknown);
  }
}

struct offered {
  std::string name;  ///< "?" stands for the one that is guessed
  std::size_t age;
  std::size_t binder_size;
};

struct probe {
  const char* name;
  std::vector<offered> identities;
  std::string ciphersuites;
};

void PrintTo(const probe& what, std::ostream* out) { *out << what.name; }

/// A ClientHello, one record, with this as its last extension instead of pre_shared_key.
std::string change_last_extension(const std::string& record, const std::string& last) {
  const auto at = [&](std::size_t where, std::size_t size) {
    std::size_t value = 0;
    for (std::size_t i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(record.at(where + i));
    return value;
  };
  constexpr std::size_t body = 5 + 4;
  std::size_t position = body + 2 + 32;
  position += 1 + at(position, 1);  // session id
  position += 2 + at(position, 2);  // cipher suites
  position += 1 + at(position, 1);  // compression methods
  const std::size_t extensions = position + 2;
  for (position = extensions; at(position, 2) != TLSEXT_TYPE_psk; position += 4 + at(position + 2, 2)) {
  }
  const std::string message = record.substr(body, extensions - 2 - body) +
                              with_length(2, record.substr(extensions, position - extensions) + last);
  return record.substr(0, 3) + with_length(2, record.substr(5, 1) + with_length(3, message));
}

/// A ClientHello with these identities; the binders are guessed.
std::string hello_of(const probe& what, const std::string& guessed) {
  memory_client client({.version = TLS1_3_VERSION, .ciphersuites = what.ciphersuites, .identity = "x", .key = "y"});
  client.handshake();
  std::string identities, binders;
  for (const offered& each : what.identities) {
    identities += with_length(2, each.name == "?" ? guessed : each.name) + number(each.age, 4);
    binders += with_length(1, std::string(each.binder_size, 'b'));
  }
  return change_last_extension(
      client.output(),
      number(TLSEXT_TYPE_psk, 2) + with_length(2, with_length(2, identities) + with_length(2, binders)));
}

const probe probes[] = {
    {"as_it_should_be", {{"?", 0, 32}}, {}},
    {"with_the_age_of_a_ticket", {{"?", 1, 32}}, {}},
    {"with_the_age_of_a_ticket_and_sha384", {{"?", 1, 48}}, {}},
    {"of_sha384", {{"?", 0, 48}}, {}},
    {"of_a_hash_without_a_suite", {{"?", 0, 48}}, "TLS_AES_128_GCM_SHA256"},
    {"of_the_other_hash_without_a_suite", {{"?", 0, 32}}, "TLS_AES_256_GCM_SHA384"},
    {"of_no_hash", {{"?", 0, 33}}, {}},
    {"behind_another_hash", {{"nobody", 0, 32}, {"?", 0, 48}}, "TLS_AES_128_GCM_SHA256"},
    {"behind_another_hash_without_a_suite", {{"nobody", 0, 48}, {"?", 0, 32}}, "TLS_AES_128_GCM_SHA256"},
    {"behind_no_hash", {{"nobody", 0, 33}, {"?", 0, 32}}, {}},
    {"behind_a_ticket", {{"nobody", 7, 32}, {"?", 0, 32}}, {}},
    {"before_a_ticket", {{"?", 0, 32}, {"nobody", 7, 32}}, {}},
    {"twice", {{"?", 0, 32}, {"?", 0, 48}}, {}},
    {"twice_the_other_way", {{"?", 0, 48}, {"?", 0, 32}}, {}},
    {"twice_with_two_ages", {{"?", 9, 32}, {"?", 0, 32}}, {}},
    {"twice_of_no_hash", {{"?", 0, 33}, {"?", 0, 32}}, {}},
};

class unknown_identity_probed : public unknown_identity, public testing::WithParamInterface<probe> {};
INSTANTIATE_TEST_SUITE_P(probes, unknown_identity_probed, testing::ValuesIn(probes),
                         [](const auto& instance) { return std::string(instance.param.name); });

TEST_P(unknown_identity_probed, cannot_be_told_from_a_known_one) {
  open_with_keys(make_configuration());
  const auto ask = [&](const std::string& guessed) {
    auto client = in_background([client_port = port, hello = hello_of(GetParam(), guessed)] {
      raw_client socket = raw_client::to_port(client_port);
      socket.send(hello);
      socket.finish_sending();
      const received all = socket.read_to_end();
      return fate{.end = all.end, .wire = all.data};
    });
    return run_until_answered(client);
  };
  const answer unknown = ask("eve");
  EXPECT_EQ(ask("alice"), unknown);
  EXPECT_EQ(ask("bob"), unknown);
  EXPECT_EQ(keeper.let_in, 0);
}

// What was ignored for the sake of a key isn't ignored when the key is withdrawn.
TEST_F(unknown_identity, a_key_shown_in_the_first_client_hello_alone_is_no_way_in) {
  server->ssl_errors.connect([](ssl_socket& socket, std::span<const ssl_error>) { socket.ignore_ssl_errors(); });
  open_with_keys(gate_configuration());
  auto client = in_background([client_port = port] {
    memory_client_options options = alice(TLS1_3_VERSION);
    options.groups = "P-521:P-256";  // its key share is for the first, which the server doesn't take
    gate_client made(client_port, options);
    made.tls().handshake();
    made.socket().send(made.tls().output());
    const std::string retry = made.socket().receive();
    made.tls().input(retry);
    made.tls().handshake();
    std::string flight = made.tls().output();
    const std::string change_cipher_spec("\x14\x03\x03\x00\x01\x01", 6);
    if (flight.starts_with(change_cipher_spec)) flight.erase(0, change_cipher_spec.size());
    made.socket().send(change_last_extension(flight, ""));
    const received rest = made.socket().read_to_end();
    return fate{.end = rest.end, .wire = rest.data};
  });
  const answer seen = run_until_answered(client);
  EXPECT_EQ(seen.records, std::vector<std::string>{"21 2 fatal 47"});
  EXPECT_EQ(keeper.reasons, (std::map<std::string, int>{{"protocol_violation", 1}}));
  EXPECT_EQ(keeper.let_in, 0);
  expect_the_books_to_balance();
}

}  // namespace
}  // namespace sallyport::test
