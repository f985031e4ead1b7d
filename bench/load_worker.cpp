// load_worker: see load_worker.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "load_worker.hpp"

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <map>
#include <span>
#include <stdexcept>

namespace load {
namespace {

// More would overflow the server's backlog, and what is dropped there comes again after a second.
constexpr std::size_t most_opening = 32;

constexpr auto operation_timeout = std::chrono::seconds(10);
constexpr const char* operation_timeout_text = "10 seconds";
constexpr auto check_interval = std::chrono::milliseconds(500);

[[noreturn]] void throw_errno(const std::string& what) { throw std::runtime_error(what + ": " + std::strerror(errno)); }

// How many of the events there are, after at most that time.
std::size_t wait_for_events(int epoll, std::span<epoll_event> events, steady::duration at_most) {
  at_most = std::max(at_most, steady::duration::zero());
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(at_most);
  timespec timeout{};
  timeout.tv_sec = whole.count();
  timeout.tv_nsec = std::chrono::duration_cast<std::chrono::nanoseconds>(at_most - whole).count();
  const int size = static_cast<int>(events.size());
  int count = epoll_pwait2(epoll, events.data(), size, &timeout, nullptr);
  if (count < 0 && errno == ENOSYS) {
    // Valgrind, or a kernel before 5.11. Rounded down, so that the last part of a millisecond is waited for actively.
    const auto rounded = std::chrono::duration_cast<std::chrono::milliseconds>(at_most);
    count = epoll_wait(epoll, events.data(), size, static_cast<int>(rounded.count()));
  }
  if (count < 0 && errno != EINTR) throw_errno("epoll_wait");
  return static_cast<std::size_t>(std::max(count, 0));
}

}  // namespace

worker::worker(const load_options& options, const std::vector<unsigned char>& pattern, failures& failures,
               std::size_t thread)
    : options_(options),
      failures_(failures),
      thread_(thread),
      window_(std::make_unique<window>()),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      surroundings_{options, pattern, *window_, nullptr, epoll_, thread % options.sources},
      schedule_(options, thread) {
  if (epoll_ < 0) throw_errno("epoll_create1");
  if (!options.plain) surroundings_.client = &tls_.emplace(options, *window_);
  const std::size_t count = options.connections / options.threads + (thread < options.connections % options.threads);
  for (std::size_t i = 0; i < count; ++i) connections_.emplace_back(surroundings_, thread + i * options.threads);
}

worker::~worker() {
  connections_.clear();
  ::close(epoll_);
}

// ---- the phases ----

void worker::prepare(time_point deadline) {
  phase_ = phase::preparing;
  deadline_ = deadline;
  // The kernel would otherwise be up to 50 microseconds late, which an open loop would count as the server's.
  prctl(PR_SET_TIMERSLACK, 1UL);
  now_ = steady::now();
  if (options_.mode == mode::resume) take_session();
  if (options_.connects_each_time()) {
    for (connection& each : connections_) free_.push_back(&each);
    return;
  }
  for (connection& each : connections_) to_open_.push_back(&each);
  while (ready_ < connections_.size() && !failures_.too_many()) {
    open_connections();
    if (!failures_.too_many()) turn(deadline_);
  }
}

void worker::take_session() {
  connection& first = connections_.front();
  first.busy_since = now_;
  handle(first, first.open(purpose::session_taking));
  while (first.is_busy()) turn(deadline_);
  // Without a session there is nothing to go on with.
  if (!first.failure().empty()) failures_.add_fatal(first.failure());
}

void worker::run(time_point start, time_point deadline) {
  phase_ = phase::running;
  deadline_ = deadline;
  schedule_.begin(start);
  now_ = steady::now();
  while (!failures_.too_many()) {
    open_connections();
    begin_operations();
    if (failures_.too_many()) return;
    const bool is_over = schedule_.is_over(now_);
    if (is_over && in_operation_ == 0) return;
    if (is_over) {
      turn(deadline_);
    } else {
      turn(options_.rate > 0 && !free_.empty() ? schedule_.due() : schedule_.measurement_end());
    }
  }
}

void worker::hold(int descriptor) {
  phase_ = phase::running;
  deadline_ = time_point::max();
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = nullptr;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) != 0) throw_errno("epoll_ctl");
  while (!is_released_ && !failures_.too_many()) turn(deadline_);
}

void worker::finish(time_point deadline) {
  phase_ = phase::finishing;
  deadline_ = deadline;
  now_ = steady::now();
  for (connection& each : connections_) {
    if (!each.is_open()) continue;
    each.busy_since = now_;
    handle(each, each.close());
  }
  while (std::ranges::any_of(connections_, &connection::is_busy)) turn(deadline_);
}

// ---- what the connections do ----

void worker::open_connections() {
  while (!to_open_.empty() && opening_ < most_opening && !failures_.too_many()) {
    connection& next = *to_open_.front();
    to_open_.pop_front();
    next.is_opening = true;
    ++opening_;
    next.busy_since = now_;
    handle(next, next.open(purpose::exchange));
  }
}

void worker::begin_operations() {
  while (!free_.empty() && !failures_.too_many()) {
    connection& next = *free_.front();
    // It may have failed while nobody used it; when it is open again it comes again.
    if (!options_.connects_each_time() && !next.is_open()) {
      free_.pop_front();
      continue;
    }
    const auto operation = schedule_.next(now_);
    if (!operation) return;
    free_.pop_front();
    next.operation_start = operation->start;
    next.operation_counts = operation->counts;
    next.busy_since = now_;
    next.in_operation = true;
    ++in_operation_;
    if (!options_.connects_each_time()) {
      handle(next, next.exchange());
    } else {
      handle(next, next.open(options_.mode == mode::resume ? purpose::resumption : purpose::handshake));
    }
  }
}

void worker::handle(connection& connection, outcome result) {
  switch (result) {
    case outcome::nothing:
      return;
    case outcome::unready:
      if (!connection.is_queued) unready_.push_back(&connection);
      connection.is_queued = true;
      return;
    case outcome::opened:
      connection.is_opening = false;
      --opening_;
      // One echo, so that an idle connection is one that has been used.
      if (options_.mode == mode::idle) return handle(connection, connection.exchange());
      set_ready(connection, true);
      free_.push_back(&connection);
      return;
    case outcome::exchanged:
      if (options_.mode == mode::idle) {
        set_ready(connection, true);
      } else {
        operation_done(connection);
      }
      return;
    case outcome::closed:
      if (phase_ == phase::running) operation_done(connection);
      return;
    case outcome::failed:
      operation_failed(connection);
      return;
  }
}

void worker::operation_done(connection& connection) {
  const time_point end = steady::now();
  connection.in_operation = false;
  --in_operation_;
  free_.push_back(&connection);
  if (connection.operation_counts) {
    const auto latency = std::chrono::duration_cast<std::chrono::nanoseconds>(end - connection.operation_start).count();
    latencies_.add(static_cast<std::uint64_t>(std::max<std::int64_t>(0, latency)));
  }
  if (schedule_.counts(connection.operation_counts, end)) {
    ++operations_;
    last_end_ = end;
  }
}

void worker::operation_failed(connection& connection) {
  if (phase_ == phase::preparing && options_.mode == mode::resume) return;  // take_session() tells it
  failures_.add(connection.failure());
  if (connection.in_operation) --in_operation_;
  connection.in_operation = false;
  if (phase_ == phase::finishing) return;
  if (options_.connects_each_time()) {
    free_.push_back(&connection);
    return;
  }
  if (connection.is_opening) --opening_;
  connection.is_opening = false;
  set_ready(connection, false);
  to_open_.push_back(&connection);
}

void worker::set_ready(connection& connection, bool ready) {
  if (ready && !connection.is_ready) ++ready_;
  if (!ready && connection.is_ready) --ready_;
  connection.is_ready = ready;
}

// ---- the loop ----

void worker::turn(time_point until) {
  now_ = steady::now();
  if (now_ >= deadline_) throw std::runtime_error(what_is_stuck());
  if (now_ >= next_check_) check_timeouts();
  // next_check_ is soon, so that this is never long.
  const time_point wake = unready_.empty() ? std::min({until, deadline_, next_check_}) : now_;
  std::array<epoll_event, 256> events;
  const std::size_t count = wait_for_events(epoll_, events, wake - now_);
  advancing_.swap(unready_);
  for (const epoll_event& event : std::span(events).first(count)) {
    if (event.data.ptr == nullptr) {
      is_released_ = true;
      continue;
    }
    connection& ready = *static_cast<connection*>(event.data.ptr);
    handle(ready, ready.on_events(event.events));
  }
  for (connection* each : advancing_) {
    each->is_queued = false;
    handle(*each, each->advance());
  }
  advancing_.clear();
  now_ = steady::now();
}

void worker::check_timeouts() {
  next_check_ = now_ + check_interval;
  for (connection& each : connections_) {
    if (each.is_busy() && now_ - each.busy_since > operation_timeout) {
      handle(each, each.time_out(operation_timeout_text));
    }
  }
}

std::string worker::what_is_stuck() const {
  std::map<std::string, std::size_t> activities;
  for (const connection& each : connections_) {
    if (each.is_busy()) ++activities[each.activity()];
  }
  std::string text = "out of time: thread " + std::to_string(thread_);
  std::string separator = " has connections that are ";
  for (const auto& [activity, count] : activities) {
    text += separator + activity + ": " + std::to_string(count);
    separator = ", ";
  }
  if (phase_ == phase::running && !schedule_.is_over(now_)) text += "; operations are left to begin";
  return text;
}

}  // namespace load
