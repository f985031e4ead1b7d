// check: see check.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "check.hpp"

#include "configuration.hpp"
#include "days.hpp"
#include "failure.hpp"
#include "log.hpp"
#include "text.hpp"

#include <sallyport/context.hpp>

#include <spdlog/fmt/fmt.h>

#include <chrono>
#include <cstddef>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

namespace sallyport::tool {
namespace {

using fields = std::vector<log_field>;

std::string joined(const std::vector<std::string>& all) {
  std::string text;
  for (const std::string& each : all) text += (text.empty() ? "" : ", ") + each;
  return text;
}

std::string rules_text(const std::vector<access_rule>& rules) {
  std::vector<std::string> texts;
  for (const access_rule& rule : rules) texts.push_back(rule.text());
  return joined(texts);
}

std::string_view text_of(peer_verify_mode mode) {
  switch (mode) {
    case peer_verify_mode::none:
      return "none";
    case peer_verify_mode::query:
      return "query";
    case peer_verify_mode::verify:
      break;
  }
  return "verify";
}

std::string_view text_of(security_profile profile) {
  return profile == security_profile::modern ? "modern" : "intermediate";
}

// A value of a log_field, which none of ours has as a floating point number.
std::string text_of(const log_field& field) {
  if (const auto* text = std::get_if<std::string>(&field.value)) return printable(*text);
  if (const auto* number = std::get_if<std::int64_t>(&field.value)) return std::to_string(*number);
  if (const auto* number = std::get_if<std::uint64_t>(&field.value)) return std::to_string(*number);
  return std::get<bool>(field.value) ? "yes" : "no";
}

// A thing and what is known of it: for people its name, and below it the rest, for programs one line.
class report_writer {
 public:
  report_writer(log_format format, std::chrono::system_clock::time_point now) : format_(format), now_(now) {}

  void add(std::string_view thing, std::string_view name, const fields& facts) {
    if (format_ == log_format::json) {
      fields all = facts;
      if (!name.empty()) all.emplace(all.begin(), "name", name);
      report_.text += format_log_line(format_, now_, log_level::info, thing, all) + "\n";
      return;
    }
    report_.text += fmt::format("{}{}{}\n", thing, name.empty() ? "" : " ", printable(name));
    for (const log_field& fact : facts) report_.text += fmt::format("  {:<12} {}\n", fact.name, text_of(fact));
  }

  void warn(std::string_view sentence) {
    if (format_ == log_format::json) {
      const log_field detail("detail", sentence);
      report_.warnings += format_log_line(format_, now_, log_level::warning, "configuration", {&detail, 1}) + "\n";
    } else {
      report_.warnings += "warning: " + printable(sentence) + "\n";
    }
  }

  check_report take() { return std::move(report_); }

 private:
  log_format format_;
  std::chrono::system_clock::time_point now_;
  check_report report_{};
};

void add_trust(fields& to, const std::optional<trust_store>& cas, const std::optional<revocation_lists>& lists) {
  if (cas) to.emplace_back("client_cas", cas->size());
  if (!lists) return;
  to.emplace_back("crls", lists->size());
  if (const auto end = lists->next_update()) to.emplace_back("crl_until", time_text(*end));
}

}  // namespace

check_report check_configuration(const service_options& options) {
  const loaded_configuration loaded = load_configuration(options);
  const auto made = context::make(loaded.tls);
  if (made.has_error()) throw startup_failure(exit_usage, made.error().detail);

  const auto now = std::chrono::system_clock::now();
  report_writer report(options.format, now);
  for (std::size_t at = 0; at < loaded.identities.size(); ++at) {
    const certificate& leaf = loaded.identities[at].leaf;
    fields facts{{"names", joined(leaf.dns_names())},
                 {"issuer", leaf.issuer()},
                 {"key", leaf.key_type()},
                 {"ends", date_text(leaf.not_after())},
                 {"days_left", whole_days(leaf.not_after() - now)}};
    if (const auto end = loaded.tls.identities[at].ocsp_response_end())
      facts.emplace_back("ocsp_until", time_text(*end));
    if (at == 0) facts.emplace_back("default", true);
    report.add("certificate", loaded.identities[at].file, facts);
  }

  fields clients{{"verify", text_of(loaded.tls.verify_mode)}};
  add_trust(clients, loaded.tls.ca_certificates, loaded.tls.revocation);
  if (!loaded.tls.allow.empty()) clients.emplace_back("allow", rules_text(loaded.tls.allow));
  if (loaded.pre_shared_keys) clients.emplace_back("psk", loaded.pre_shared_keys->size());
  report.add("clients", "", clients);

  for (const name_settings& each : loaded.tls.for_names) {
    fields facts;
    if (each.verify_mode) facts.emplace_back("verify", text_of(*each.verify_mode));
    add_trust(facts, each.ca_certificates, each.revocation);
    if (each.allow && !each.allow->empty()) facts.emplace_back("allow", rules_text(*each.allow));
    if (each.alpn_protocols) facts.emplace_back("alpn", joined(*each.alpn_protocols));
    if (each.profile) facts.emplace_back("profile", text_of(*each.profile));
    report.add("for", joined(each.names), facts);
  }

  for (const std::string& sentence : all_warnings(loaded, made->warnings())) report.warn(sentence);
  return report.take();
}

}  // namespace sallyport::tool
