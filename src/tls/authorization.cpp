// authorization: see authorization.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "authorization.hpp"

#include "access_rule_data.hpp"
#include "certificate_data.hpp"
#include "utf8.hpp"

#include <exception>
#include <string_view>
#include <vector>

namespace sallyport::detail {
namespace {

// In a sentence.
constexpr std::size_t longest_subject = 200;
constexpr std::size_t longest_shown_name = 64;
constexpr std::size_t most_names = 4;

/// The names of one kind, all of them together no longer than a sentence can bear; `left` of all kinds.
void append_names(std::string& text, std::string_view kind, const std::vector<std::string>& names, std::size_t& left) {
  for (const std::string& name : names) {
    if (left == 0) return;
    text +=
        --left == 0 ? ", ..." : ", " + std::string(kind) + '=' + shortened(escaped_for_log(name), longest_shown_name);
  }
}

}  // namespace

bool authorize(session_impl& session, X509* leaf) noexcept try {
  const std::vector<access_rule>& rules = session.settings.configuration().allow;
  if (!session.peer) return rules.empty();
  peer_authentication& client = *session.peer;
  client.rule.reset();
  client.let_in.reset();
  if (rules.empty()) return true;
  if (leaf == nullptr) return false;
  const certificate judged = certificate_of(leaf);
  if (const access_rule* const match = first_match(rules, judged)) {
    client.let_in = judged;
    client.rule = *match;
  }
  // What reading the certificate puts on the error queue would end the handshake at its next pause.
  ERR_clear_error();
  return client.rule.has_value();
} catch (const std::exception&) {
  return false;
}

bool is_authorized(session_impl& session) noexcept {
  if (session.settings.configuration().allow.empty()) return true;
  if (!session.peer) return false;
  const peer_authentication& client = *session.peer;
  if (!client.identity.empty()) return true;
  const X509* const leaf = SSL_get0_peer_certificate(session.ssl.get());
  return leaf != nullptr && client.rule && client.let_in &&
         X509_cmp(leaf, client.let_in->data().certificate.get()) == 0;
}

std::string denial(const session_impl& session) {
  if (!session.peer || session.peer->chain.empty()) return "no rule lets in a client without a certificate";
  const certificate& client = session.peer->chain.front();
  std::string who = shortened(client.subject(), longest_subject);
  std::size_t left = most_names + 1;
  append_names(who, "dns", client.dns_names(), left);
  append_names(who, "uri", client.uris(), left);
  append_names(who, "email", client.email_addresses(), left);
  return "no rule matches the client's certificate (" + who + ")";
}

}  // namespace sallyport::detail
