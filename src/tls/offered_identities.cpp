// offered_identities: the pre-shared keys that a TLS 1.3 ClientHello names (RFC 8446 section 4.2.11).
//
// SPDX-License-Identifier: Apache-2.0
#include "offered_identities.hpp"

#include <algorithm>

namespace sallyport::detail {
namespace {

/// Reads numbers and vectors off the front; once something is missing everything is.
class extension_reader {
 public:
  explicit extension_reader(std::span<const unsigned char> bytes) noexcept : rest_(bytes) {}

  std::uint32_t number(std::size_t size) noexcept {
    std::uint32_t value = 0;
    for (const unsigned char byte : take(size)) value = value << 8 | byte;
    return value;
  }
  std::span<const unsigned char> take(std::size_t size) noexcept {
    if (size > rest_.size()) {
      is_whole_ = false;
      rest_ = {};
      return {};
    }
    const auto front = rest_.first(size);
    rest_ = rest_.subspan(size);
    return front;
  }
  bool at_end() const noexcept { return rest_.empty(); }
  bool is_whole() const noexcept { return is_whole_; }

 private:
  std::span<const unsigned char> rest_;
  bool is_whole_ = true;
};

}  // namespace

std::vector<offered_identity> offered_identities(std::span<const unsigned char> extension, std::size_t limit) {
  std::vector<offered_identity> found;
  extension_reader all(extension);
  extension_reader list(all.take(all.number(2)));
  while (!list.at_end() && found.size() < limit) {
    const auto name = list.take(list.number(2));
    const std::uint32_t age = list.number(4);
    if (!list.is_whole() || name.empty()) return {};
    found.push_back({{reinterpret_cast<const char*>(name.data()), name.size()}, age, 0});
  }
  extension_reader binders(all.take(all.number(2)));
  for (offered_identity& each : found) {
    each.binder_size = binders.take(binders.number(1)).size();
    if (!binders.is_whole() || each.binder_size == 0) return {};
  }
  return all.is_whole() ? found : std::vector<offered_identity>();
}

bool offers_tls_1_3(std::span<const unsigned char> extension) noexcept {
  constexpr std::uint32_t tls_1_3 = 0x0304;
  extension_reader all(extension);
  extension_reader versions(all.take(all.number(1)));
  while (!versions.at_end()) {
    if (versions.number(2) == tls_1_3) return true;
  }
  return false;
}

bool offers_psk_with_dhe(std::span<const unsigned char> extension) noexcept {
  constexpr unsigned char psk_dhe_ke = 1;
  extension_reader all(extension);
  const auto modes = all.take(all.number(1));
  return std::ranges::find(modes, psk_dhe_ke) != modes.end();
}

}  // namespace sallyport::detail
