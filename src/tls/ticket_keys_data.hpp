// ticket_keys_data: what ticket_keys are on the inside.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_TICKET_KEYS_DATA_HPP
#define SALLYPORT_TLS_TICKET_KEYS_DATA_HPP

#include <openssl/crypto.h>

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace sallyport::detail {

/// The keys of one period.
struct ticket_key {
  ticket_key() = default;
  ticket_key(const ticket_key&) = default;
  ticket_key& operator=(const ticket_key&) = default;
  ~ticket_key() { OPENSSL_cleanse(bytes.data(), bytes.size()); }

  /// Sent in the clear in each ticket.
  std::span<const unsigned char, 16> name() const noexcept { return std::span(bytes).subspan<0, 16>(); }
  /// For AES-256.
  std::span<const unsigned char, 32> cipher_key() const noexcept { return std::span(bytes).subspan<16, 32>(); }
  /// For HMAC-SHA256.
  std::span<const unsigned char, 32> mac_key() const noexcept { return std::span(bytes).subspan<48, 32>(); }

  std::int64_t period = 0;
  std::array<unsigned char, 80> bytes{};
};

/// In seconds; tests have their own.
struct ticket_clocks {
  ticket_clocks();                          ///< the real ones
  std::function<std::int64_t()> system;     ///< since 1970; hosts agree on it
  std::function<std::int64_t()> monotonic;  ///< since whenever; nobody sets it
};

class ticket_keys_data {
 public:
  static constexpr std::int64_t seconds_per_period = 12 * 60 * 60;

  using derived_secret = std::array<unsigned char, 32>;

  /// With random keys, which follow from nothing: somebody who takes over the process later can't read older tickets.
  explicit ticket_keys_data(const ticket_clocks& clocks = {});
  /// With keys that follow from `secret`, of any size, and the time. Look at is_usable() then.
  explicit ticket_keys_data(std::span<const unsigned char> secret, const ticket_clocks& clocks = {});
  ticket_keys_data(const ticket_keys_data&) = delete;
  ticket_keys_data& operator=(const ticket_keys_data&) = delete;
  ~ticket_keys_data();

  /// False if there are no random numbers or no memory.
  bool is_usable() const noexcept;

  /// The key to make a ticket with; none if no random numbers or no memory can be had.
  std::optional<ticket_key> current() const noexcept;

  /// The key of the ticket that begins with this name; none if it isn't accepted, or not any more.
  std::optional<ticket_key> find(std::span<const unsigned char, 16> name, bool& is_current) const noexcept;

  /// How many seconds a ticket of the current key is accepted.
  std::int64_t accepted_for() const noexcept;

  /// The time by which tickets are judged.
  std::int64_t now() const noexcept { return clocks_.system(); }

  std::vector<std::string> warnings;

 private:
  // What is accepted: the next period's (only if all have the secret), the current one's, the two before.
  static constexpr std::size_t current_place = 1;
  using places = std::array<std::optional<ticket_key>, 4>;

  std::int64_t time() const noexcept;
  const places& turn() const noexcept;
  std::optional<ticket_key> make(std::int64_t period) const noexcept;

  ticket_clocks clocks_;
  std::optional<derived_secret> secret_;
  bool has_secret_ = false;
  std::int64_t started_ = 0;

  mutable std::mutex mutex_;  // for what follows, which changes with the time
  mutable places keys_;
};

}  // namespace sallyport::detail

#endif
