// server_group_state: what a server_group is on the inside.
//
// SPDX-License-Identifier: Apache-2.0
#include "server_group_state.hpp"

#include "listener.hpp"
#include "port_probe.hpp"
#include "server_state.hpp"

#include <sallyport/context.hpp>
#include <sallyport/ticket_keys.hpp>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/system_executor.hpp>

#include <cerrno>
#include <cstdint>
#include <exception>
#include <future>
#include <optional>
#include <stdexcept>
#include <utility>

namespace sallyport::detail {
namespace {

namespace asio = boost::asio;

// sockaddr_in and sockaddr_in6 have the port in the same place.
std::uint16_t port_of(const server_group_state::endpoint& where) {
  return ntohs(reinterpret_cast<const sockaddr_in*>(where.data())->sin_port);
}

/// Beside a shard that listens on `descriptor` already.
error_code listen_beside(ssl_server& server, int descriptor) {
  const int copy = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return {errno, boost::system::system_category()};
  const error_code ec = server.set_socket_descriptor(copy);
  if (ec) ::close(copy);
  return ec;
}

/// What each shard is to use from now on. They wait with it until all have it in their queues: from there on nothing
/// can fail any more.
struct configuration_change {
  std::vector<context> made;
  std::mutex mutex;
  bool is_certain = false;
};

}  // namespace

server_group_state::server_group_state(std::size_t shards, const server_group::setup_function& setup,
                                       server_group::exception_handler on_exception)
    : on_exception_(std::move(on_exception)), balance_(shards) {
  shards_.reserve(shards);
  for (std::size_t number = 0; number < shards; ++number)
    shards_.push_back(std::make_unique<shard>(number, shards_, balance_));
  if (setup) {
    for (const auto& each : shards_) setup(each->server(), each->number());
  }
  try {
    for (const auto& each : shards_) each->start(on_exception_);
  } catch (...) {
    end_threads();
    throw;
  }
}

server_group_state::~server_group_state() { stop(); }

void server_group_state::refuse_own_threads(const char* function) const {
  if (this_shard() == size()) return;
  throw std::logic_error("server_group::" + std::string(function) + "() was called on a thread of its own shards");
}

std::size_t server_group_state::this_shard() const noexcept {
  const shard* const current = shard::current();
  return current != nullptr && current->belongs_to(balance_) ? current->number() : size();
}

template <class Function>
auto server_group_state::ask(shard& asked, Function function) {
  std::optional<decltype(function())> answer;
  asked.call_and_wait([&] { answer = function(); });
  return *std::move(answer);
}

void server_group_state::for_each(const std::function<void(ssl_server& server, std::size_t shard)>& function) {
  refuse_own_threads("for_each");
  for (const auto& each : shards_) each->call_and_wait([&] { function(each->server(), each->number()); });
}

// --- configuration ---

result<void> server_group_state::set_configuration(const ssl_configuration& configuration) {
  refuse_own_threads("set_configuration");
  ssl_configuration shared = configuration;
  if (!shared.tickets) {
    if (!own_tickets_) {
      auto keys = ticket_keys::random();
      if (!keys) return keys.error();
      own_tickets_ = *std::move(keys);
    }
    shared.tickets = own_tickets_;
  }
  const auto change = std::make_shared<configuration_change>();
  if (is_stopped_) return error{asio::error::operation_aborted, "the group was stopped"};
  for (std::size_t number = 0; number < size(); ++number) {
    auto made = make_context(shared, size() == 1 ? 0 : number + 1);
    if (!made) return made.error();
    change->made.push_back(*std::move(made));
  }
  const auto warnings = change->made.front().warnings();
  std::vector<std::string> copied(warnings.begin(), warnings.end());

  std::vector<std::future<void>> done;
  done.reserve(size());
  std::unique_lock lock(change->mutex);
  for (const auto& each : shards_) {
    done.push_back(each->call([change, at = each.get()] {
      const std::lock_guard wait(change->mutex);
      if (!change->is_certain) return;
      at->state().use(std::move(change->made[at->number()]));
    }));
  }
  change->is_certain = true;
  lock.unlock();
  for (auto& each : done) each.get();
  warnings_ = std::move(copied);
  return {};
}

const std::vector<std::string>& server_group_state::configuration_warnings() const {
  refuse_own_threads("configuration_warnings");
  return warnings_;
}

// --- listening ---

bool server_group_state::is_listening() {
  refuse_own_threads("is_listening");
  for (const auto& each : shards_) {
    if (!ask(*each, [&] { return each->server().is_listening(); })) return false;
  }
  return true;
}

asio::ip::tcp::endpoint server_group_state::local_endpoint() {
  refuse_own_threads("local_endpoint");
  shard& first = *shards_.front();
  return ask(first, [&] { return first.server().local_endpoint(); });
}

result<void> server_group_state::listen(const endpoint& where, const listen_options& options) {
  refuse_own_threads("listen");
  const std::string name = listener::name_of(where);
  if (is_stopped_) return error{asio::error::operation_aborted, name + ": the group was stopped"};
  for (const auto& each : shards_) {
    if (ask(*each, [&] { return each->server().is_listening(); }))
      return error{asio::error::already_open,
                   name + ": shard " + std::to_string(each->number()) + " of the group listens already"};
  }
  const bool is_unix = where.protocol().family() == AF_UNIX;
  const bool shares_port = !is_unix && size() > 1;

  error_code ec;
  // A port that is any free one is nobody's: SO_REUSEPORT doesn't count there (inet_csk_find_open_port()).
  if (shares_port && !options.reuse_port && port_of(where) != 0) ec = probe_port(where, options.v6_only);
  listen_options shared = options;
  shared.reuse_port = options.reuse_port || shares_port;
  endpoint actual = where;
  int descriptor = -1;
  std::size_t number = 0;
  while (!ec && number < size()) {
    shard& next = *shards_[number];
    ec = ask(next, [&] {
      if (is_unix && number > 0) return listen_beside(next.server(), descriptor);
      const error_code failure = next.server().listen(actual, shared);
      if (!failure && number == 0) {
        actual = next.state().listening().local_endpoint();
        descriptor = next.server().socket_descriptor();
      }
      return failure;
    });
    if (!ec) ++number;
  }
  if (!ec) return {};
  // Only the listening ends: what waits in async_accept() goes on waiting for the next try.
  for (std::size_t former = 0; former < number; ++former)
    shards_[former]->call_and_wait([&] { shards_[former]->state().stop_listening(); });
  return error{ec, name + ": shard " + std::to_string(number) + ": " + ec.message()};
}

// --- the end ---

void server_group_state::start_drain(std::chrono::milliseconds deadline, shutdown_handler handler) {
  std::unique_lock lock(drain_mutex_);
  // A handler without an executor of its own runs on a shard, if there are any.
  const asio::any_io_executor home = is_stopped_ ? asio::any_io_executor(asio::system_executor())
                                                 : asio::any_io_executor(shards_.front()->context().get_executor());
  const auto drain = std::make_shared<group_drain>(std::move(handler), home, size());
  if (is_stopped_ || drain_) {
    const error_code refusal = is_stopped_ ? asio::error::operation_aborted : asio::error::in_progress;
    return asio::post(home, [drain, refusal] { drain->complete(refusal); });  // not before this function has returned
  }
  drain_ = drain;
  lock.unlock();
  try {
    for (const auto& each : shards_) {
      asio::post(each->context(), [this, drain, deadline, at = each.get()] {
        at->server().async_drain(deadline, [this, drain](error_code ec) { end_shards_drain(drain, ec); });
      });
    }
  } catch (const std::exception&) {  // out of memory; the shards that have begun go on with their drains
    forget(drain);
    drain->complete(asio::error::no_memory);
  }
}

void server_group_state::end_shards_drain(const std::shared_ptr<group_drain>& drain, error_code ec) {
  if (!drain->end_one(ec)) return;
  forget(drain);  // before the handler, which may begin another one
  drain->complete();
}

void server_group_state::forget(const std::shared_ptr<group_drain>& drain) noexcept {
  const std::lock_guard lock(drain_mutex_);
  if (drain_ == drain) drain_.reset();
}

void server_group_state::stop() {
  refuse_own_threads("stop");
  std::shared_ptr<group_drain> drain;
  {
    const std::lock_guard lock(drain_mutex_);
    if (std::exchange(is_stopped_, true)) return;
    drain = std::exchange(drain_, nullptr);
  }
  if (drain) drain->complete(asio::error::operation_aborted);
  end_threads();
}

// None is waited for before all know: they pass connections on to each other.
void server_group_state::end_threads() noexcept {
  for (const auto& each : shards_) each->begin_end();
  for (const auto& each : shards_) each->join();
}

}  // namespace sallyport::detail
