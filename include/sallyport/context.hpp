// context: a validated configuration, ready to serve connections.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_CONTEXT_HPP
#define SALLYPORT_CONTEXT_HPP

#include <sallyport/error.hpp>
#include <sallyport/ssl_configuration.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace sallyport {

class context;
struct client_configuration;

namespace detail {
struct context_data;
/// As context::make(), with one of OpenSSL's library contexts beside the usual one.
result<context> make_context(const ssl_configuration& configuration, std::size_t library_context);
}  // namespace detail

/// An ssl_configuration, or a client_configuration, that has been checked and turned into OpenSSL's form, once for all
/// connections that use it. Immutable; copies share the same data; use from any thread. A session keeps its context
/// alive.
class context {
 public:
  /// Errors: configuration_error, with a sentence that names the setting or file and the reason.
  static result<context> make(const ssl_configuration& configuration);

  /// The same for clients: for the sessions that begin a connection.
  static result<context> make_client(const client_configuration& configuration);

  /// What it was made of. Of a client_configuration, the settings that it has in common with servers'.
  const ssl_configuration& configuration() const noexcept;

  /// What is odd but not refused, a sentence each: those of the identities, the trust store, the revocation lists and
  /// the ticket keys; identities that no client will see; lists that the trust store's CAs haven't signed; groups that
  /// this OpenSSL doesn't have. Those of for_names begin with "for_names (NAME): ".
  std::span<const std::string> warnings() const noexcept;

  /// For the library's own use.
  const detail::context_data& data() const noexcept { return *data_; }

 private:
  friend result<context> detail::make_context(const ssl_configuration& configuration, std::size_t library_context);
  explicit context(std::shared_ptr<const detail::context_data> data) noexcept : data_(std::move(data)) {}

  std::shared_ptr<const detail::context_data> data_;
};

}  // namespace sallyport

#endif
