// load: the client of all benchmarks: makes load, measures, prints one JSON object. README.md has the modes and
// options.
//
// SPDX-License-Identifier: Apache-2.0
#include "latency_histogram.hpp"
#include "load_failures.hpp"
#include "load_key_decoding.hpp"
#include "load_options.hpp"
#include "load_worker.hpp"
#include "program.hpp"

#include <openssl/crypto.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <exception>
#include <iostream>
#include <latch>
#include <string>
#include <thread>
#include <vector>

namespace load {
namespace {

// Beyond what the options ask for.
constexpr auto patience = std::chrono::seconds(30);

// Standard input and so on, and an epoll per thread.
constexpr rlim_t other_descriptors = 64;

void raise_descriptor_limit(const load_options& options) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t needed = options.connections + options.threads + other_descriptors;
  if (limit.rlim_max < needed) {
    refuse("--connections: the limit of open files (ulimit -n) is " + std::to_string(limit.rlim_max) + ", and " +
           std::to_string(needed) + " are needed");
  }
}

std::string microseconds(std::uint64_t nanoseconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", static_cast<double>(nanoseconds) / 1000);
  return text;
}

void print_result(const load_options& options, const std::deque<worker>& workers, const failures& failures,
                  time_point begin) {
  std::uint64_t operations = 0;
  latency_histogram latencies;
  time_point last_end = begin;
  for (const worker& each : workers) {
    operations += each.operations();
    latencies.merge(each.latencies());
    last_end = std::max(last_end, each.last_end());
  }
  // An open loop that had to catch up took longer; what ended later in a closed one wasn't counted.
  steady::duration taken = last_end - begin;
  if (options.count == 0 && !failures.too_many()) taken = std::max(taken, options.duration);
  const auto bytes = operations * options.bytes_per_operation();
  std::string text = "{\"mode\":\"" + options.mode_name + "\",\"operations\":" + std::to_string(operations);
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%.6f", std::chrono::duration<double>(taken).count());
  text += std::string(",\"seconds\":") + seconds + ",\"bytes\":" + std::to_string(bytes) +
          ",\"failed\":" + std::to_string(failures.count()) + ",\"latency_us\":{";
  text += "\"p50\":" + microseconds(latencies.percentile(0.5)) + ",\"p90\":" + microseconds(latencies.percentile(0.9)) +
          ",\"p99\":" + microseconds(latencies.percentile(0.99)) +
          ",\"p999\":" + microseconds(latencies.percentile(0.999)) + ",\"max\":" + microseconds(latencies.max()) + "}}";
  std::cout << text << std::endl;
}

// Whoever started us may be gone by then: that is the end of the input, too.
void wait_for_a_line() {
  std::string line;
  std::getline(std::cin, line);
}

int run(const load_options& options) {
  const std::vector<unsigned char> pattern = make_pattern(options.size);
  failures failures;
  std::deque<worker> workers;
  for (std::size_t i = 0; i < options.threads; ++i) workers.emplace_back(options, pattern, failures, i);

  const int released = eventfd(0, EFD_CLOEXEC);
  std::latch prepared(static_cast<std::ptrdiff_t>(options.threads));
  std::latch started(1);
  time_point start;
  const auto time_allowed = options.warmup + options.duration + patience;
  const auto in_thread = [&](worker& worker) {
    const auto guarded = [&](auto&& step) {
      try {
        if (!failures.too_many()) step();
      } catch (const std::exception& error) {
        failures.add_fatal(error.what());
      }
    };
    guarded([&] { worker.prepare(steady::now() + patience); });
    prepared.count_down();
    started.wait();
    guarded([&] {
      if (options.mode == mode::idle) {
        worker.hold(released);
      } else {
        worker.run(start, start + time_allowed);
      }
    });
    guarded([&] { worker.finish(steady::now() + patience); });
  };

  std::vector<std::jthread> threads;
  for (worker& each : workers) threads.emplace_back(in_thread, std::ref(each));
  prepared.wait();
  start = steady::now();
  started.count_down();
  if (options.mode == mode::idle) {
    std::size_t idle = 0;
    for (const worker& each : workers) idle += each.connections_ready();
    std::cout << "{\"idle\": " << idle << "}" << std::endl;
    if (!failures.too_many()) wait_for_a_line();
    const std::uint64_t one = 1;
    if (write(released, &one, sizeof one) != sizeof one) failures.add("write to an eventfd failed");
  }
  threads.clear();  // joins them
  ::close(released);
  if (options.mode != mode::idle) print_result(options, workers, failures, start + options.warmup);
  return failures.count() == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace
}  // namespace load

int main(int argc, char** argv) try {
  const load::load_options options = load::parse_load_options(argc, argv);
  load::raise_descriptor_limit(options);
  load::decode_keys_quickly();
  return load::run(options);
} catch (const std::exception& error) {
  std::cerr << "load: " << error.what() << '\n';
  return EXIT_FAILURE;
}
