// openssl_commands: see openssl_commands.hpp.
//
// OpenSSL's commands can do anything, so it isn't they that are looked at but what they have done: after each one the
// SSL_CTX must still have what every connection here has.
//
// SPDX-License-Identifier: Apache-2.0
#include "openssl_commands.hpp"

#include "printable.hpp"
#include "protocol_versions.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace sallyport::detail {
namespace {

using conf_ptr = std::unique_ptr<SSL_CONF_CTX, openssl_free<SSL_CONF_CTX_free>>;

constexpr int security_level = 2;

// Without these a client could change who it is in mid-stream, or find out secrets (CRIME).
constexpr std::uint64_t always_set = SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION;

struct forbidden_option {
  std::uint64_t bit;
  const char* what;
};
constexpr forbidden_option never_set[] = {
    {SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION, "allows unsafe renegotiation"},
    {SSL_OP_LEGACY_SERVER_CONNECT, "allows servers with unsafe renegotiation"},
    {SSL_OP_ALLOW_NO_DHE_KEX, "allows resumption without forward secrecy"},
    {SSL_OP_NO_EXTENDED_MASTER_SECRET, "switches the extended master secret off"},
    // A connection that was cut off would look complete.
    {SSL_OP_IGNORE_UNEXPECTED_EOF, "takes a truncated stream for a whole one"},
};

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  for (const std::string_view each : names) {
    if (name.size() == each.size() && OPENSSL_strncasecmp(name.data(), each.data(), name.size()) == 0) return true;
  }
  return false;
}

conf_ptr new_conf(unsigned flags) {
  conf_ptr conf{SSL_CONF_CTX_new()};
  if (conf) SSL_CONF_CTX_set_flags(conf.get(), SSL_CONF_FLAG_FILE | SSL_CONF_FLAG_SHOW_ERRORS | flags);
  return conf;
}

/// True for what has settings of its own here, each checked when it is set.
bool is_about_certificates(const std::string& name, unsigned side) {
  if (is_one_of(name, {"VerifyMode"})) return true;
  const conf_ptr all = new_conf(side | SSL_CONF_FLAG_CERTIFICATE);
  const conf_ptr others = new_conf(side);
  return all && others && SSL_CONF_cmd_value_type(all.get(), name.c_str()) != SSL_CONF_TYPE_UNKNOWN &&
         SSL_CONF_cmd_value_type(others.get(), name.c_str()) == SSL_CONF_TYPE_UNKNOWN;
}

bool speaks(SSL_CTX* ctx, int version, std::uint64_t switched_off) {
  const long minimum = SSL_CTX_get_min_proto_version(ctx), maximum = SSL_CTX_get_max_proto_version(ctx);
  return (SSL_CTX_get_options(ctx) & switched_off) == 0 && minimum <= version && (maximum == 0 || version <= maximum);
}

/// What the SSL_CTX no longer has; "" if it has everything.
std::string what_is_lost(const context_data& data) {
  SSL_CTX* const ctx = data.ssl_ctx.get();
  const ssl_configuration& configuration = data.configuration;
  if (SSL_CTX_get_security_level(ctx) < security_level) return "lowers the security level below 2";
  const tls_version minimum = versions_of(configuration).minimum;
  if (SSL_CTX_get_min_proto_version(ctx) < static_cast<long>(minimum))
    return "allows versions before " + std::string(to_string(minimum));
  if (!speaks(ctx, TLS1_2_VERSION, SSL_OP_NO_TLSv1_2) && !speaks(ctx, TLS1_3_VERSION, SSL_OP_NO_TLSv1_3))
    return "leaves no version of TLS";
  const std::uint64_t options = SSL_CTX_get_options(ctx);
  if ((options & SSL_OP_NO_COMPRESSION) == 0) return "allows compression";
  if ((options & always_set) != always_set) return "allows renegotiation";
  for (const forbidden_option& each : never_set) {
    if ((options & each.bit) != 0) return each.what;
  }
  // Tickets without keys of ours would be judged by nobody.
  const bool resumes = data.is_client || configuration.resumption_lifetime.count() > 0;
  if (!resumes && ((options & SSL_OP_NO_TICKET) == 0 || SSL_CTX_get_num_tickets(ctx) != 0))
    return "allows session tickets, and resumption_lifetime doesn't";
  return {};
}

}  // namespace

std::optional<error> apply_openssl_commands(context_data& data) {
  if (data.configuration.openssl_commands.empty()) return std::nullopt;
  const unsigned side = data.is_client ? SSL_CONF_FLAG_CLIENT : SSL_CONF_FLAG_SERVER;
  const conf_ptr conf = new_conf(side);
  if (!conf) return error{configuration_error::internal, "openssl_commands: OpenSSL is out of memory"};
  SSL_CONF_CTX_set_ssl_ctx(conf.get(), data.ssl_ctx.get());

  for (const auto& [name, value] : data.configuration.openssl_commands) {
    const auto refuse = [&name = name](const std::string& problem) {
      ERR_clear_error();
      return error{configuration_error::invalid_value, "openssl_commands: \"" + printable(name) + "\" " + problem};
    };
    const std::string with_value = "with the value \"" + printable(value) + "\" ";
    if (name.find('\0') != std::string::npos || value.find('\0') != std::string::npos)
      return refuse("contains a NUL byte");
    if (is_about_certificates(name, side))
      return refuse("is about certificates or their verification, which have settings of their own");
    const int done = SSL_CONF_cmd(conf.get(), name.c_str(), value.c_str());
    if (done == -2)
      return refuse(std::string("is no command of OpenSSL for a ") + (data.is_client ? "client" : "server"));
    if (done <= 0) {
      const std::string why = take_openssl_error();
      return refuse(with_value + "is refused by OpenSSL" + (why.empty() ? "" : " (" + why + ")"));
    }
    if (const std::string lost = what_is_lost(data); !lost.empty()) return refuse(with_value + lost);
    if (is_one_of(name, {"Groups", "Curves"})) data.groups = value;
  }
  const bool finished = SSL_CONF_CTX_finish(conf.get()) == 1;
  ERR_clear_error();
  if (!finished) return error{configuration_error::internal, "openssl_commands: OpenSSL fails to finish them"};
  return std::nullopt;
}

}  // namespace sallyport::detail
