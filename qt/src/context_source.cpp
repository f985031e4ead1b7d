// context_source: see context_source.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "context_source.hpp"

#include "engine_settings.hpp"
#include "setting_names.hpp"
#include "ssl_configuration_data.hpp"
#include "to_qt.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <list>
#include <mutex>
#include <utility>

namespace sallyport::qt {

namespace {

made_context refused(const error& why) { return {std::nullopt, to_qt(in_qts_words(why.detail))}; }

// ---- those made lately ----

constexpr std::size_t most_cached = 16;

struct cache_entry {
  SslConfiguration configuration;
  bool pre_shared_keys;
  context made;
};

/// The latest used is the first.
class context_cache {
 public:
  using maker = made_context (*)(const SslConfiguration&, bool);

  explicit context_cache(maker make) : make_(make) {}

  made_context get(const SslConfiguration& wanted, bool pre_shared_keys) {
    const SslConfiguration configuration = without_results(wanted);
    {
      const std::lock_guard lock(mutex_);
      if (const context* found = find(configuration, pre_shared_keys)) return {*found, {}};
    }
    // Not under the lock: it takes long enough for others to wait.
    made_context fresh = make_(configuration, pre_shared_keys);
    if (!fresh.made) return fresh;
    std::list<cache_entry> dropped;  // destroyed without the lock
    const std::lock_guard lock(mutex_);
    if (const context* found = find(configuration, pre_shared_keys)) return {*found, {}};  // another thread's
    entries_.push_front({configuration, pre_shared_keys, *fresh.made});
    if (entries_.size() > most_cached) dropped.splice(dropped.begin(), entries_, std::prev(entries_.end()));
    return fresh;
  }

 private:
  const context* find(const SslConfiguration& configuration, bool pre_shared_keys) {
    const auto found = std::ranges::find_if(entries_, [&](const cache_entry& each) {
      return each.pre_shared_keys == pre_shared_keys && each.configuration == configuration;
    });
    if (found == entries_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found);
    return &found->made;
  }

  const maker make_;
  std::mutex mutex_;
  std::list<cache_entry> entries_;
};

}  // namespace

made_context make_server_context(const SslConfiguration& configuration, bool pre_shared_keys) {
  const auto settings = server_settings(configuration, pre_shared_keys);
  if (!settings) return refused(settings.error());
  auto made = context::make(*settings);
  if (!made) return refused(made.error());
  return {*std::move(made), {}};
}

made_context make_client_context(const SslConfiguration& configuration, bool pre_shared_keys) {
  const auto settings = client_settings(configuration, pre_shared_keys);
  if (!settings) return refused(settings.error());
  auto made = context::make_client(*settings);
  if (!made) return refused(made.error());
  return {*std::move(made), {}};
}

// Never destroyed: it holds certificates and keys of Qt's, and at the program's end their backend goes first.

made_context cached_server_context(const SslConfiguration& configuration, bool pre_shared_keys) {
  static context_cache& cache = *new context_cache(make_server_context);
  return cache.get(configuration, pre_shared_keys);
}

made_context cached_client_context(const SslConfiguration& configuration, bool pre_shared_keys) {
  static context_cache& cache = *new context_cache(make_client_context);
  return cache.get(configuration, pre_shared_keys);
}

}  // namespace sallyport::qt
