// ticket_keys: what session tickets are encrypted with (RFC 5077, RFC 8446 section 4.6.1).
//
// SPDX-License-Identifier: Apache-2.0
#include <sallyport/ticket_keys.hpp>

#include "file_contents.hpp"
#include "openssl.hpp"
#include "permission_warning.hpp"
#include "ticket_keys_data.hpp"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace sallyport {
namespace {

constexpr std::size_t shortest_secret = 32;
constexpr std::size_t secret_file_limit = std::size_t{1} << 20;

// HKDF's info (RFC 5869 section 3.2) begins with this; the period's number follows.
constexpr std::string_view purpose = "sallyport session ticket keys 1";

using kdf_ptr = std::unique_ptr<EVP_KDF, detail::openssl_free<EVP_KDF_free>>;
using kdf_ctx_ptr = std::unique_ptr<EVP_KDF_CTX, detail::openssl_free<EVP_KDF_CTX_free>>;

/// One half of HKDF-SHA256, into `out`.
bool hkdf(int half, std::span<const unsigned char> key, std::span<const unsigned char> info,
          std::span<unsigned char> out) noexcept {
  const kdf_ptr kdf{EVP_KDF_fetch(nullptr, "HKDF", nullptr)};
  const kdf_ctx_ptr context{kdf ? EVP_KDF_CTX_new(kdf.get()) : nullptr};
  if (!context) return false;
  std::array<char, 7> digest{"SHA256"};
  // OpenSSL's parameters aren't const, and only read.
  const std::array<OSSL_PARAM, 5> parameters{
      OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &half),
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, const_cast<unsigned char*>(key.data()), key.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, const_cast<unsigned char*>(info.data()), info.size()),
      OSSL_PARAM_construct_end()};
  return EVP_KDF_derive(context.get(), out.data(), out.size(), parameters.data()) == 1;
}

std::string name_of_failure() {
  const std::string reason = detail::take_openssl_error();
  return reason.empty() ? "out of memory" : reason;
}

result<std::shared_ptr<detail::ticket_keys_data>> from_bytes(std::string_view secret, const std::string& name) {
  if (secret.size() < shortest_secret) {
    return error{configuration_error::invalid_value, name + ": has " + std::to_string(secret.size()) +
                                                         " bytes, and a secret for session tickets needs at least " +
                                                         std::to_string(shortest_secret)};
  }
  ERR_clear_error();
  auto data = std::make_shared<detail::ticket_keys_data>(
      std::span(reinterpret_cast<const unsigned char*>(secret.data()), secret.size()));
  if (!data->is_usable()) {
    return error{configuration_error::internal, name + ": no keys of session tickets (" + name_of_failure() + ")"};
  }
  return data;
}

}  // namespace

// time() and not the C++ clock: OpenSSL judges sessions and certificates by it, too.
detail::ticket_clocks::ticket_clocks()
    : system([] { return static_cast<std::int64_t>(std::time(nullptr)); }), monotonic([] {
        using std::chrono::steady_clock;
        return std::chrono::floor<std::chrono::seconds>(steady_clock::now().time_since_epoch()).count();
      }) {}

detail::ticket_keys_data::ticket_keys_data(const ticket_clocks& clocks)
    : clocks_(clocks), started_(clocks_.monotonic()) {}

detail::ticket_keys_data::ticket_keys_data(std::span<const unsigned char> secret, const ticket_clocks& clocks)
    : clocks_(clocks), secret_(derived_secret{}) {
  // The secret itself isn't kept.
  has_secret_ = hkdf(EVP_KDF_HKDF_MODE_EXTRACT_ONLY, secret, {}, *secret_);
}

detail::ticket_keys_data::~ticket_keys_data() {
  if (secret_) OPENSSL_cleanse(secret_->data(), secret_->size());
}

bool detail::ticket_keys_data::is_usable() const noexcept { return (!secret_ || has_secret_) && current(); }

std::int64_t detail::ticket_keys_data::time() const noexcept {
  return secret_ ? clocks_.system() : clocks_.monotonic() - started_;
}

std::optional<detail::ticket_key> detail::ticket_keys_data::make(std::int64_t period) const noexcept {
  ticket_key key;
  key.period = period;
  if (!secret_) {
    // From the generator for what is to stay secret; the keys' name comes along.
    if (RAND_priv_bytes(key.bytes.data(), static_cast<int>(key.bytes.size())) != 1) return std::nullopt;
    return key;
  }
  std::array<unsigned char, purpose.size() + sizeof period> info;
  std::ranges::copy(purpose, info.begin());
  for (std::size_t i = 0; i < sizeof period; ++i) {  // in network byte order
    info[info.size() - 1 - i] = static_cast<unsigned char>(static_cast<std::uint64_t>(period) >> (8 * i));
  }
  if (!hkdf(EVP_KDF_HKDF_MODE_EXPAND_ONLY, *secret_, info, key.bytes)) return std::nullopt;
  return key;
}

/// The keys as they are at this time. With the mutex held.
const detail::ticket_keys_data::places& detail::ticket_keys_data::turn() const noexcept {
  const std::int64_t now = time() / seconds_per_period;
  if (keys_[current_place] && keys_[current_place]->period == now) return keys_;
  const places old = std::exchange(keys_, {});
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    const std::int64_t period = now + static_cast<std::int64_t>(current_place) - static_cast<std::int64_t>(i);
    const auto kept =
        std::ranges::find_if(old, [&](const std::optional<ticket_key>& key) { return key && key->period == period; });
    if (kept != old.end()) {
      keys_[i] = *kept;
    } else if (secret_ || i == current_place) {
      keys_[i] = make(period);
    }
  }
  return keys_;
}

std::optional<detail::ticket_key> detail::ticket_keys_data::current() const noexcept {
  const std::lock_guard lock(mutex_);
  return turn()[current_place];
}

std::optional<detail::ticket_key> detail::ticket_keys_data::find(std::span<const unsigned char, 16> name,
                                                                 bool& is_current) const noexcept {
  const std::lock_guard lock(mutex_);
  const places& keys = turn();
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!keys[i] || !std::ranges::equal(keys[i]->name(), name)) continue;
    is_current = i == current_place;
    return keys[i];
  }
  return std::nullopt;
}

std::int64_t detail::ticket_keys_data::accepted_for() const noexcept {
  constexpr auto periods = static_cast<std::int64_t>(std::tuple_size_v<places> - current_place);
  return periods * seconds_per_period - time() % seconds_per_period;
}

result<ticket_keys> ticket_keys::random() {
  ERR_clear_error();
  auto data = std::make_shared<detail::ticket_keys_data>();
  if (!data->is_usable()) {
    return error{configuration_error::internal,
                 "keys of session tickets: no random numbers (" + name_of_failure() + ")"};
  }
  return ticket_keys(std::move(data));
}

result<ticket_keys> ticket_keys::from_secret(std::span<const std::byte> secret) {
  auto data = from_bytes({reinterpret_cast<const char*>(secret.data()), secret.size()}, "secret of session tickets");
  if (!data) return data.error();
  return ticket_keys(*std::move(data));
}

result<ticket_keys> ticket_keys::from_secret_file(const std::filesystem::path& file) {
  const auto contents = detail::read_file(file, secret_file_limit, "secret");
  if (!contents) return contents.error();
  auto data = from_bytes(contents->text.view(), file.string());
  if (!data) return data.error();
  const std::string warning =
      detail::permission_warning(file.string(), "secret of session tickets", contents->permissions);
  if (!warning.empty()) (*data)->warnings.push_back(warning);
  return ticket_keys(*std::move(data));
}

std::span<const std::string> ticket_keys::warnings() const noexcept { return data_->warnings; }

}  // namespace sallyport
