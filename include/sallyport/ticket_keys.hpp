// ticket_keys: what session tickets are encrypted with (RFC 5077, RFC 8446 section 4.6.1).
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TICKET_KEYS_HPP
#define SALLYPORT_TICKET_KEYS_HPP

#include <sallyport/error.hpp>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace sallyport {

namespace detail {
class ticket_keys_data;
}

/// Contexts that share one of these (ssl_configuration::tickets) resume each other's sessions, if they also agree on
/// who is let in. They change by themselves, every 12 hours: tickets are made with the current ones, and accepted with
/// these, the two before and (from hosts whose clocks are ahead) the next. Whoever knows the keys can read what was
/// resumed with them in TLS 1.2: keys that are no longer accepted are wiped when the next ticket is made or shown, and
/// all of them with the last copy. Copies share the same keys; use from any thread.
class ticket_keys {
 public:
  /// Fresh random keys, and fresh ones for each period: only this process ever has them. Error:
  /// configuration_error::internal if there are no random numbers to be had.
  static result<ticket_keys> random();

  /// Keys derived from a secret and the time (HKDF, RFC 5869): processes and hosts that have the same secret and agree
  /// on the time resume each other's sessions, also after a restart. The secret has at least 32 bytes, and should be
  /// random; whoever has it can make tickets that say anything. Error: configuration_error::invalid_value if it is
  /// shorter.
  static result<ticket_keys> from_secret(std::span<const std::byte> secret);

  /// The same with all bytes of a file of at most 1 MiB; every error and warning names the file.
  static result<ticket_keys> from_secret_file(const std::filesystem::path& file);

  /// What is odd but not refused, a sentence each: a file that others may read.
  std::span<const std::string> warnings() const noexcept;

  /// For the library's own use.
  explicit ticket_keys(std::shared_ptr<const detail::ticket_keys_data> data) noexcept : data_(std::move(data)) {}
  const detail::ticket_keys_data& data() const noexcept { return *data_; }

 private:
  std::shared_ptr<const detail::ticket_keys_data> data_;
};

}  // namespace sallyport

#endif
