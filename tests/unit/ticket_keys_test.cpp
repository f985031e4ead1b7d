// ticket_keys: who resumes whose sessions, and how keys change.
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/ticket_keys.hpp>

#include "support/refused.hpp"
#include "support/session_steps.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_clock.hpp"
#include "support/test_servers.hpp"

#include "tls/ticket_keys_data.hpp"

#include <sallyport/session.hpp>

#include <gtest/gtest.h>
#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace sallyport::test {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

ticket_keys fresh_keys() { return ticket_keys::random().value(); }

ssl_configuration with_keys(const std::optional<ticket_keys>& keys) {
  ssl_configuration configuration = basic_configuration();
  configuration.tickets = keys;
  return configuration;
}

class ticket_keys_in : public testing::TestWithParam<int> {
 protected:
  /// Whether `second` resumes what began at `first`. The handshake succeeds either way.
  static bool resumes(const context& first, const context& second) {
    const ssl_session_ptr ticket = ticket_of(first, GetParam());
    EXPECT_NE(ticket, nullptr);
    session_steps steps(second, {.version = GetParam(), .resumed = ticket});
    steps.client_handshake()
        .handshake(progress::want_input, {"started", "client_hello"})
        .client_handshake()
        .handshake(progress::done, {})
        .client_is_connected()
        .client_sends("again")
        .reads("again");
    EXPECT_EQ(steps.server().resumed(), steps.client().resumed());
    return steps.server().resumed();
  }
};

INSTANTIATE_TEST_SUITE_P(versions, ticket_keys_in, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& tested) { return tested.param == TLS1_3_VERSION ? "tls_1_3" : "tls_1_2"; });

TEST_P(ticket_keys_in, contexts_with_the_same_keys_resume_each_others_sessions) {
  const ticket_keys keys = fresh_keys();
  const context first = make_context(with_keys(keys));
  const context second = make_context(with_keys(keys));
  EXPECT_TRUE(resumes(first, second));
  EXPECT_TRUE(resumes(second, first));
  EXPECT_TRUE(resumes(first, first));
}

TEST_P(ticket_keys_in, contexts_without_keys_have_keys_of_their_own) {
  const context first = make_context(with_keys(std::nullopt));
  const context second = make_context(with_keys(std::nullopt));
  EXPECT_FALSE(resumes(first, second));
  EXPECT_FALSE(resumes(second, first));
  EXPECT_TRUE(resumes(first, first));
}

TEST_P(ticket_keys_in, contexts_with_other_keys_do_not_resume_each_others_sessions) {
  const context first = make_context(with_keys(fresh_keys()));
  const context second = make_context(with_keys(fresh_keys()));
  EXPECT_FALSE(resumes(first, second));
  EXPECT_FALSE(resumes(second, first));
}

// What doesn't decide it may differ.
TEST_P(ticket_keys_in, the_same_keys_with_other_protocols_resume) {
  const ticket_keys keys = fresh_keys();
  ssl_configuration other_protocols = with_keys(keys);
  other_protocols.alpn_protocols = {"h2"};
  EXPECT_TRUE(resumes(make_context(with_keys(keys)), make_context(other_protocols)));
}

// RFC 5077 section 4: the name of the keys comes first in a ticket.
TEST_P(ticket_keys_in, the_tickets_name_the_keys_of_the_configuration) {
  const ticket_keys keys = fresh_keys();
  const ssl_session_ptr ticket = ticket_of(make_context(with_keys(keys)), GetParam());
  ASSERT_NE(ticket, nullptr);
  const unsigned char* data = nullptr;
  std::size_t size = 0;
  SSL_SESSION_get0_ticket(ticket.get(), &data, &size);
  ASSERT_GT(size, 16U);
  EXPECT_TRUE(std::equal(data, data + 16, keys.data().current()->name().begin()));
}

// ---- how they change ----

constexpr std::chrono::hours one_period = 12h;

class changing_keys : public testing::TestWithParam<bool> {
 protected:
  changing_keys() {
    // At the beginning of a period, both for keys that have a secret and for those that count from when they were made.
    clock.set_system(one_period * 40000);
  }
  ticket_keys make(std::string_view secret = "all of our hosts know this secret") const {
    return is_random() ? random_keys(clock) : keys_from(secret, clock);
  }
  static bool is_random() { return GetParam(); }

  test_clock clock;
};

INSTANTIATE_TEST_SUITE_P(all, changing_keys, testing::Bool(),
                         [](const auto& tested) { return tested.param ? "random" : "derived"; });

using key_bytes = std::array<unsigned char, 80>;

key_bytes current(const ticket_keys& keys) { return keys.data().current().value().bytes; }

/// "current", "old", or "unknown"
std::string state_of(const key_bytes& ticket, const ticket_keys& keys) {
  bool is_current = false;
  const auto found = keys.data().find(std::span(ticket).first<16>(), is_current);
  if (!found) return "unknown";
  EXPECT_EQ(found->bytes, ticket);
  return is_current ? "current" : "old";
}

TEST_P(changing_keys, stay_for_twelve_hours) {
  const ticket_keys keys = make();
  const key_bytes first = current(keys);
  clock.forward(one_period - 1s);
  EXPECT_EQ(current(keys), first);
  clock.forward(1s);
  EXPECT_NE(current(keys), first);
}

TEST_P(changing_keys, are_accepted_for_two_more_periods) {
  const ticket_keys keys = make();
  const key_bytes first = current(keys);
  EXPECT_EQ(state_of(first, keys), "current");
  clock.forward(one_period);
  const key_bytes second = current(keys);
  EXPECT_EQ(state_of(first, keys), "old");
  clock.forward(one_period);
  EXPECT_EQ(state_of(first, keys), "old");
  EXPECT_EQ(state_of(second, keys), "old");
  clock.forward(one_period - 1s);
  EXPECT_EQ(state_of(first, keys), "old");
  clock.forward(1s);
  EXPECT_EQ(state_of(first, keys), "unknown");
  EXPECT_EQ(state_of(second, keys), "old");
}

TEST_P(changing_keys, are_forgotten_also_when_nobody_has_come_for_long) {
  const ticket_keys keys = make();
  const key_bytes first = current(keys);
  clock.forward(one_period * 100);
  EXPECT_EQ(state_of(first, keys), "unknown");
  EXPECT_NE(current(keys), first);
}

TEST_P(changing_keys, know_how_long_a_ticket_is_accepted) {
  const ticket_keys keys = make();
  EXPECT_EQ(keys.data().accepted_for(), std::chrono::seconds(3 * one_period).count());
  clock.forward(one_period - 1s);
  EXPECT_EQ(keys.data().accepted_for(), std::chrono::seconds(2 * one_period + 1s).count());

  const key_bytes last = current(keys);
  const std::chrono::seconds left(keys.data().accepted_for());
  clock.forward(left - 1s);
  EXPECT_EQ(state_of(last, keys), "old");
  clock.forward(1s);
  EXPECT_EQ(state_of(last, keys), "unknown");
}

TEST_P(changing_keys, change_while_many_threads_use_them) {
  const auto seconds = std::make_shared<std::atomic<std::int64_t>>(std::chrono::seconds(one_period * 40000).count());
  detail::ticket_clocks clocks;
  clocks.system = clocks.monotonic = [seconds] { return seconds->load(); };
  constexpr std::array<unsigned char, 32> secret{1, 2, 3};
  const auto data = is_random() ? std::make_shared<detail::ticket_keys_data>(clocks)
                                : std::make_shared<detail::ticket_keys_data>(secret, clocks);
  const ticket_keys keys(data);
  std::atomic<int> unknown = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, mine = keys] {
      for (int round = 0; round < 500; ++round) {
        const key_bytes made = current(mine);
        // Nobody else moves it on by more than two periods.
        if (round % 250 == 0) seconds->fetch_add(std::chrono::seconds(one_period).count() / 4);
        if (state_of(made, mine) == "unknown") ++unknown;
      }
    });
  }
  for (std::thread& each : threads) each.join();
  EXPECT_EQ(unknown, 0);
}

// ---- random ones ----

TEST(random_keys, are_this_processs_alone) {
  raise_foreign_error();
  const ticket_keys keys = fresh_keys();
  EXPECT_EQ(ERR_peek_error(), 0U);
  EXPECT_NE(current(keys), current(fresh_keys()));
  EXPECT_TRUE(keys.warnings().empty());
}

// Somebody may set the system's clock; that mustn't bring an old key back.
TEST(random_keys, do_not_go_by_the_systems_clock) {
  test_clock clock;
  const ticket_keys keys = random_keys(clock);
  const key_bytes first = current(keys);
  clock.set_system(1000h);
  EXPECT_EQ(current(keys), first);
  clock.set_monotonic(1000s + one_period);
  EXPECT_NE(current(keys), first);
}

TEST(random_keys, copies_share_the_same_keys) {
  const ticket_keys keys = fresh_keys();
  const ticket_keys copy = keys;
  EXPECT_EQ(&copy.data(), &keys.data());
}

// ---- those of a secret ----

// Another program's HKDF (RFC 5869): what is derived must not change with this library's version.
TEST(derived_keys, are_hkdf_of_the_secret_and_the_period) {
  test_clock clock;
  clock.set_system(one_period * 40000 + 5h);
  std::string secret(32, '\0');
  std::iota(secret.begin(), secret.end(), '\0');
  std::string hexadecimal;
  for (const unsigned char byte : current(keys_from(secret, clock))) {
    constexpr std::string_view digits = "0123456789abcdef";
    hexadecimal += digits[byte >> 4];
    hexadecimal += digits[byte & 15];
  }
  EXPECT_EQ(
      hexadecimal,
      "0781e2958beacdf984cf3ca538fde7058e22bda84af38660f8af50edd8edbdb12635f2ea83cf83a6de36c0476fec37037641c6f49e5b"
      "03379c8509cc306ec34feb5ec490d81a78b174a19abbf32d7c6e");
}

TEST(derived_keys, are_the_same_on_all_hosts) {
  test_clock clock;
  const ticket_keys here = keys_from("one secret", clock);
  EXPECT_EQ(current(here), current(keys_from("one secret", clock)));
  EXPECT_NE(current(here), current(keys_from("two secret", clock)));
  clock.forward(one_period * 7);
  EXPECT_EQ(current(here), current(keys_from("one secret", clock))) << "one was made long before the other";
}

TEST(derived_keys, of_a_host_whose_clock_is_ahead_are_accepted) {
  test_clock ours, theirs;
  theirs.forward(one_period);
  const ticket_keys here = keys_from("one secret", ours);
  EXPECT_EQ(state_of(current(keys_from("one secret", theirs)), here), "old");
  theirs.forward(one_period);
  EXPECT_EQ(state_of(current(keys_from("one secret", theirs)), here), "unknown");
}

TEST(derived_keys, follow_a_clock_that_is_put_back) {
  test_clock clock;
  const ticket_keys keys = keys_from("one secret", clock);
  const key_bytes first = current(keys);
  clock.forward(one_period * 2);
  EXPECT_EQ(state_of(first, keys), "old");
  clock.forward(-one_period * 2);
  EXPECT_EQ(state_of(first, keys), "current");
}

result<ticket_keys> from_text(std::string_view secret) {
  return ticket_keys::from_secret(std::as_bytes(std::span(secret)));
}

TEST(derived_keys, need_a_long_secret) {
  raise_foreign_error();
  const std::string enough(32, 's');
  EXPECT_TRUE(accepted(from_text(enough)));
  EXPECT_NE(current(*from_text(enough)), current(*from_text(enough + "s")));
  EXPECT_TRUE(refused(from_text(std::string_view(enough).substr(1)), configuration_error::invalid_value,
                      "secret of session tickets: has 31 bytes, and a secret for session tickets needs at least 32"));
  EXPECT_TRUE(refused(from_text(""), configuration_error::invalid_value,
                      "secret of session tickets: has 0 bytes, and a secret for session tickets needs at least 32"));
}

TEST(derived_keys, come_from_a_file) {
  const temporary_directory directory;
  const std::string secret = "any bytes, \0 and the line's end included\n"s;
  const auto file = directory.write("secret", secret);
  const auto keys = ticket_keys::from_secret_file(file);
  ASSERT_TRUE(accepted(keys));
  EXPECT_TRUE(keys->warnings().empty());
  EXPECT_EQ(current(*keys), current(*from_text(secret)));

  const auto open = directory.write("open", secret, 0640);
  const auto warned = ticket_keys::from_secret_file(open);
  ASSERT_TRUE(accepted(warned));
  ASSERT_EQ(warned->warnings().size(), 1U);
  EXPECT_EQ(warned->warnings()[0], open.string() +
                                       ": the secret of session tickets can be read by its group (mode 0640); only "
                                       "its owner should");

  const auto small = directory.write("short", "too short");
  EXPECT_TRUE(refused(ticket_keys::from_secret_file(small), configuration_error::invalid_value,
                      small.string() + ": has 9 bytes, and a secret for session tickets needs at least 32"));
  const auto large = directory.write("large", std::string((1 << 20) + 1, 'x'));
  EXPECT_TRUE(refused(ticket_keys::from_secret_file(large), configuration_error::file_too_large,
                      large.string() + ": larger than 1 MiB, which no secret is"));
  const auto missing = directory.path() / "missing";
  EXPECT_TRUE(refused(ticket_keys::from_secret_file(missing), configuration_error::unreadable_file,
                      missing.string() + ": no such file"));
}

}  // namespace
}  // namespace sallyport::test
