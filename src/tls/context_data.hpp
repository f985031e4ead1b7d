// context_data: what a context is on the inside.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TLS_CONTEXT_DATA_HPP
#define SALLYPORT_TLS_CONTEXT_DATA_HPP

#include "identity_table.hpp"
#include "openssl.hpp"
#include "resumption_policy.hpp"
#include "server_names.hpp"

#include <sallyport/ssl_configuration.hpp>
#include <sallyport/ticket_keys.hpp>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::detail {

struct context_data {
  explicit context_data(const ssl_configuration& from) : configuration(from), identities(configuration.identities) {}

  ssl_configuration configuration;  ///< what it was made of
  identity_table identities;
  ssl_ctx_ptr ssl_ctx;
  std::string alpn_wire;  ///< our protocols as ALPN's ProtocolNameList, without its outer length
  std::string groups;     ///< the key exchange groups, as in ssl_configuration: OpenSSL doesn't tell its own
  std::optional<ticket_keys> tickets;  ///< the configuration's or its own; none if nothing is ever resumed
  policy_digest policy{};              ///< what clients must meet to be resumed here
  std::vector<std::string> warnings;

  // --- what is different for some names: context_data of their own, and the names' numbers among them ---
  std::vector<std::unique_ptr<const context_data>> of_names;
  name_table by_name;

  // --- of a client's context. Its `configuration` has what is the same for both sides; `policy` is all by which a
  // session that is to be resumed must have begun, but for the server's name ---
  bool is_client = false;
  bool sends_server_name = true;
  std::string session;  ///< to resume

  bool authenticates_peers() const noexcept {
    return configuration.verify_mode != peer_verify_mode::none || configuration.pre_shared_keys;
  }
  /// True if a handshake may have to stop and ask, whatever the client's name for us is.
  bool may_ask() const noexcept {
    return authenticates_peers() || configuration.ask_about_unknown_names ||
           std::ranges::any_of(of_names, [](const auto& each) { return each->authenticates_peers(); });
  }
};

}  // namespace sallyport::detail

#endif
