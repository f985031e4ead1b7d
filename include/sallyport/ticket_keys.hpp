// ticket_keys: what session tickets are encrypted with (RFC 5077, RFC 8446 section 4.6.1).
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TICKET_KEYS_HPP
#define SALLYPORT_TICKET_KEYS_HPP

#include <sallyport/error.hpp>

#include <memory>
#include <utility>

namespace sallyport {

namespace detail {
struct ticket_keys_data;
}

/// Contexts that share one of these (ssl_configuration::tickets) resume each other's sessions, if they also agree on
/// who is let in. Whoever knows the keys can read what was resumed with them in TLS 1.2: they never leave the process,
/// and are wiped with the last copy. Immutable; copies share the same keys; use from any thread.
class ticket_keys {
 public:
  /// Fresh random keys. Error: configuration_error::internal if there are no random numbers to be had.
  static result<ticket_keys> random();

  /// For the library's own use.
  const detail::ticket_keys_data& data() const noexcept { return *data_; }

 private:
  explicit ticket_keys(std::shared_ptr<const detail::ticket_keys_data> data) noexcept : data_(std::move(data)) {}

  std::shared_ptr<const detail::ticket_keys_data> data_;
};

}  // namespace sallyport

#endif
