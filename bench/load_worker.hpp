// load_worker: one thread of the client: its connections and its epoll loop.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_BENCH_LOAD_WORKER_HPP
#define SALLYPORT_BENCH_LOAD_WORKER_HPP

#include "latency_histogram.hpp"
#include "load_connection.hpp"
#include "load_failures.hpp"
#include "load_options.hpp"
#include "load_schedule.hpp"
#include "load_tls.hpp"
#include "load_window.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace load {

class worker {
 public:
  worker(const load_options& options, const std::vector<unsigned char>& pattern, failures& failures,
         std::size_t thread);
  ~worker();
  worker(const worker&) = delete;
  worker& operator=(const worker&) = delete;

  // All of these return early when there are too many failures, and throw std::runtime_error, which says what was
  // stuck, when the deadline has passed.

  /// Takes a session to resume, or opens the connections.
  void prepare(time_point deadline);
  /// Runs the operations.
  void run(time_point start, time_point deadline);
  /// Keeps the connections until the descriptor is readable.
  void hold(int descriptor);
  /// Closes the connections.
  void finish(time_point deadline);

  std::uint64_t operations() const noexcept { return operations_; }
  /// Also of those that didn't end in time to count: a server that stalled in the end shall be seen.
  const latency_histogram& latencies() const noexcept { return latencies_; }
  /// When the last one that counts ended.
  time_point last_end() const noexcept { return last_end_; }
  std::size_t connections_ready() const noexcept { return ready_; }

 private:
  enum class phase { preparing, running, finishing };

  void take_session();
  void open_connections();
  void begin_operations();
  void turn(time_point until);
  void handle(connection& connection, outcome result);
  void operation_done(connection& connection);
  void operation_failed(connection& connection);
  void set_ready(connection& connection, bool ready);
  void check_timeouts();
  std::string what_is_stuck() const;

  const load_options& options_;
  failures& failures_;
  std::size_t thread_;
  std::unique_ptr<window> window_;
  std::optional<tls> tls_{};
  int epoll_;
  surroundings surroundings_;
  std::deque<connection> connections_{};
  schedule schedule_;

  phase phase_ = phase::preparing;
  time_point now_{};
  time_point deadline_{};
  time_point next_check_{};
  std::deque<connection*> to_open_{};
  std::size_t opening_ = 0;
  std::size_t ready_ = 0;
  std::deque<connection*> free_{};      // where the next operation can begin
  std::vector<connection*> unready_{};  // more to do, no event to come
  std::vector<connection*> advancing_{};
  std::size_t in_operation_ = 0;
  bool is_released_ = false;

  std::uint64_t operations_ = 0;
  latency_histogram latencies_{};
  time_point last_end_{};
};

}  // namespace load

#endif
