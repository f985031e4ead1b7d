// handshake_log: see handshake_log.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "handshake_log.hpp"

#include <sallyport/certificate.hpp>
#include <sallyport/handshake_report.hpp>
#include <sallyport/ssl_error.hpp>

#include <chrono>
#include <cstddef>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sallyport::tool {
namespace {

// A client chooses many of these texts, and a line shouldn't become longer than a pipe takes at once. What is cut ends
// in "...". An identity that got in is never cut: psk_file has no longer ones.
constexpr std::size_t max_text = 256;
constexpr std::size_t max_offer = 512;
constexpr std::size_t max_sentence = 1024;

std::string shortened(std::string_view text, std::size_t size) {
  if (text.size() <= size) return std::string(text);
  return std::string(text.substr(0, size)) + "...";
}

double milliseconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

void add_if_any(std::vector<log_field>& fields, std::string_view name, std::string_view text, std::size_t size) {
  if (!text.empty()) fields.emplace_back(name, shortened(text, size));
}

std::string joined(const std::vector<std::string>& names) {
  std::string all;
  for (const std::string& name : names) {
    if (!all.empty()) all += ',';
    all += name;
    if (all.size() > max_text) break;
  }
  return all;
}

// Who the client says it is, by certificate or pre-shared key.
void add_client(std::vector<log_field>& fields, const ssl_socket& socket) {
  add_if_any(fields, "psk_identity", socket.pre_shared_key_identity(), max_text);
  if (const std::optional<certificate> client = socket.peer_certificate()) {
    fields.emplace_back("client_subject", shortened(client->subject(), max_offer));
    fields.emplace_back("client_fingerprint", client->sha256_fingerprint());
  }
}

}  // namespace

void handshake_log::accepted(const ssl_socket& socket) {
  if (!log_.enabled(accepted_level_)) return;
  std::vector<log_field> fields{{"peer", socket.peer_name()},
                                {"id", socket.id()},
                                {"version", sallyport::to_string(socket.session_protocol())},
                                {"cipher", socket.session_cipher()},
                                {"group", socket.key_exchange_group()},
                                {"alpn", socket.next_negotiated_protocol()},
                                {"sni", socket.server_name()},
                                {"resumed", socket.session_resumed()},
                                {"duration_ms", milliseconds(socket.handshake_duration())}};
  add_client(fields, socket);
  if (socket.peer_certificate()) {
    const std::span<const ssl_error> errors = socket.ssl_handshake_errors();
    fields.emplace_back("client_verified", errors.empty());
    if (!errors.empty()) fields.emplace_back("client_error", shortened(errors.front().error_string(), max_sentence));
  }
  add_if_any(fields, "matched_rule", socket.matched_rule(), max_offer);
  log_.write(accepted_level_, "connection accepted", fields);
}

void handshake_log::failed(const ssl_socket& socket, error_code failure) {
  if (!log_.enabled(log_level::info)) return;
  if (!log_.enabled(log_level::debug)) {
    const auto now = std::chrono::steady_clock::now();
    const auto reason = static_cast<handshake_error>(failure.value());
    const auto address = socket.remote_endpoint().address();
    std::unique_lock lock(mutex_);
    const auto ended = noise_.take_ended(now);
    const bool is_admitted = noise_.admit(reason, address, now);
    if (!is_admitted) wait_for_end_of_interval();
    lock.unlock();
    write_summaries(ended);
    if (!is_admitted) return;
  }
  write_failure(socket);
}

void handshake_log::write_failure(const ssl_socket& socket) {
  const handshake_report report = socket.report();
  std::vector<log_field> fields{{"reason", sallyport::to_string(report.reason)},
                                {"peer", report.peer},
                                {"id", socket.id()},
                                {"phase", sallyport::to_string(report.phase)},
                                {"duration_ms", milliseconds(report.elapsed)},
                                {"detected_by", sallyport::to_string(report.detected_by)}};
  add_if_any(fields, "sni", report.server_name, max_text);
  add_if_any(fields, "alpn_offered", joined(report.client_protocols), max_text);
  if (report.alert) {
    fields.emplace_back("alert", sallyport::to_string(report.alert->type));
    fields.emplace_back("alert_from", report.alert->sent ? "server" : "client");
  }
  add_if_any(fields, "client_offers", report.client_offers, max_offer);
  add_if_any(fields, "server_offers", report.server_offers, max_offer);
  add_client(fields, socket);
  add_if_any(fields, "detail", report.sentence, max_sentence);
  log_.info("handshake failed", fields);
}

void handshake_log::write_summaries(const std::vector<noise_filter::summary>& summaries) {
  for (const noise_filter::summary& summary : summaries) {
    std::vector<log_field> fields{{"reason", sallyport::to_string(summary.reason)}, {"suppressed", summary.suppressed}};
    if (summary.addresses != 0) {
      const bool is_exact = summary.addresses < noise_filter::max_addresses;
      fields.emplace_back(is_exact ? "addresses" : "addresses_at_least", summary.addresses);
    }
    fields.emplace_back("interval_ms", milliseconds(summary.interval));
    log_.info("handshakes failed", fields);
  }
}

void handshake_log::wait_for_end_of_interval() {
  const auto due = noise_.due();
  if (!due || is_waiting_ || is_finished_) return;
  is_waiting_ = true;
  timer_.expires_at(*due);
  timer_.async_wait([this](error_code cancelled) {
    if (cancelled) return;
    std::unique_lock lock(mutex_);
    is_waiting_ = false;
    const auto ended = noise_.take_ended(std::chrono::steady_clock::now());
    // Another interval may have begun since the timer was set.
    wait_for_end_of_interval();
    lock.unlock();
    write_summaries(ended);
  });
}

void handshake_log::finish() {
  std::unique_lock lock(mutex_);
  is_finished_ = true;
  timer_.cancel();
  const auto all = noise_.take_all(std::chrono::steady_clock::now());
  lock.unlock();
  write_summaries(all);
}

}  // namespace sallyport::tool
