// live_configuration: see live_configuration.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "live_configuration.hpp"

#include "days.hpp"
#include "failure.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <new>
#include <utility>

namespace sallyport::tool {

live_configuration::live_configuration(boost::asio::any_io_executor executor, const service_options& options,
                                       logger& log, std::chrono::milliseconds day)
    : options_(options),
      log_(log),
      files_(configuration_paths(options)),
      day_(day),
      look_timer_(executor),
      day_timer_(executor) {}

void live_configuration::start(server_group& group) {
  group_ = &group;
  if (options_.watch.count() != 0) files_.take();
  use(load_configuration(options_));
  warn(in_use_.warnings);
  wait_for_look();
  wait_for_next_day();
}

void live_configuration::use(loaded_configuration loaded) {
  const auto set = group_->set_configuration(loaded.tls);
  if (set.has_error()) throw startup_failure(exit_usage, set.error().detail);
  in_use_ = std::move(loaded);
  {
    const std::lock_guard lock(mutex_);
    pre_shared_keys_ = in_use_.pre_shared_keys;
  }
  try {
    in_use_.warnings = all_warnings(in_use_, group_->configuration_warnings());
  } catch (const std::bad_alloc&) {
    // The settings are in use: without their warnings, then.
  }
}

void live_configuration::reload(std::string_view cause) {
  if (is_stopped_) return;
  try {
    if (options_.watch.count() != 0) files_.take();
    use(load_configuration(options_, &in_use_));
    log_reloaded(cause);
    warn(in_use_.warnings);
  } catch (const std::exception& failure) {
    log_.error("reload failed",
               {{"cause", cause}, {"detail", std::string(failure.what()) + " (the former settings stay in use)"}});
  }
}

void live_configuration::stop() noexcept {
  is_stopped_ = true;
  look_timer_.cancel();
  day_timer_.cancel();
}

std::shared_ptr<const psk_file> live_configuration::pre_shared_keys() const {
  const std::lock_guard lock(mutex_);
  return pre_shared_keys_;
}

void live_configuration::warn(const std::vector<std::string>& sentences) {
  for (const std::string& sentence : sentences) log_.warning("configuration", {{"detail", sentence}});
}

void live_configuration::log_reloaded(std::string_view cause) {
  std::vector<log_field> fields{
      {"cause", cause}, {"identities", in_use_.identities.size()}, {"names", in_use_.names()}};
  const auto first =
      std::ranges::min_element(in_use_.identities, {}, [](const auto& each) { return each.leaf.not_after(); });
  if (first != in_use_.identities.end()) {
    fields.emplace_back("first_to_end", first->file);
    fields.emplace_back("days_left", whole_days(first->leaf.not_after() - std::chrono::system_clock::now()));
  }
  if (in_use_.tls.ca_certificates) fields.emplace_back("client_cas", in_use_.tls.ca_certificates->size());
  if (in_use_.tls.revocation) fields.emplace_back("crls", in_use_.tls.revocation->size());
  if (in_use_.pre_shared_keys) fields.emplace_back("pre_shared_keys", in_use_.pre_shared_keys->size());
  fields.emplace_back("warnings", in_use_.warnings.size());
  log_.info("reloaded", fields);
}

void live_configuration::wait_for_look() {
  if (options_.watch.count() == 0 || is_stopped_) return;
  look_timer_.expires_after(options_.watch);
  look_timer_.async_wait([this](error_code cancelled) {
    if (cancelled || is_stopped_) return;
    wait_for_look();
    if (files_.has_settled_change()) reload("files have changed");
  });
}

// A certificate that isn't replaced would else be told of only when somebody reloads, which is what was forgotten.
void live_configuration::wait_for_next_day() {
  if (is_stopped_) return;
  day_timer_.expires_after(day_);
  day_timer_.async_wait([this](error_code cancelled) {
    if (cancelled || is_stopped_) return;
    wait_for_next_day();
    warn(ending_soon(in_use_.identities));
  });
}

}  // namespace sallyport::tool
