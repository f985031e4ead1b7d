// load_options: see load_options.hpp.
//
// SPDX-License-Identifier: Apache-2.0
#include "load_options.hpp"

#include "program.hpp"

#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

namespace load {
namespace {

constexpr std::array<std::pair<std::string_view, mode>, 5> modes{{{"handshake", mode::handshake},
                                                                  {"resume", mode::resume},
                                                                  {"echo", mode::echo},
                                                                  {"bulk", mode::bulk},
                                                                  {"idle", mode::idle}}};

constexpr long most_connections = 1'000'000;
constexpr long most_threads = 1024;
constexpr long most_bytes = 1L << 30;
constexpr long most_sources = 250;  // 127.0.0.2 and on
constexpr double most_seconds = 86'400;
constexpr double most_per_second = 1e8;

// With --count and without --duration.
constexpr auto enough_for_a_count = std::chrono::minutes(10);

double decimal(const options& given, const std::string& name, double most) {
  const std::string& text = given.text(name);
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !std::isfinite(number) || number < 0 || number > most) {
    refuse(name + ": '" + text + "' is no number from 0 to " + std::to_string(static_cast<long>(most)));
  }
  return number;
}

std::size_t natural(const options& given, const std::string& name, long least, long most) {
  const long number = given.number(name);
  if (number < least || number > most) {
    refuse(name + ": " + given.text(name) + " is not between " + std::to_string(least) + " and " +
           std::to_string(most));
  }
  return static_cast<std::size_t>(number);
}

steady::duration seconds(const options& given, const std::string& name) {
  return std::chrono::duration_cast<steady::duration>(
      std::chrono::duration<double>(decimal(given, name, most_seconds)));
}

std::size_t default_size(mode mode) {
  if (mode == mode::bulk) return std::size_t{1} << 20;
  return 64;
}

// --plain is the one option that has no value.
bool take_plain(std::vector<char*>& arguments) {
  return std::erase_if(arguments, [](const char* each) { return std::strcmp(each, "--plain") == 0; }) > 0;
}

}  // namespace

load_options parse_load_options(int argc, char** argv) {
  load_options parsed;
  std::vector<char*> arguments(argv, argv + argc);
  parsed.plain = take_plain(arguments);
  const options given(static_cast<int>(arguments.size()), arguments.data(),
                      {{"--connect", ""},
                       {"--mode", ""},
                       {"--tls", "1.3"},
                       {"--ciphersuites", "TLS_AES_128_GCM_SHA256"},
                       {"--ciphers", "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"},
                       {"--group", "X25519"},
                       {"--names", "0"},
                       {"--size", "of the mode"},
                       {"--connections", "32"},
                       {"--threads", "1"},
                       {"--sources", "64"},
                       {"--duration", "2 or enough"},
                       {"--count", "0"},
                       {"--warmup", "0"},
                       {"--rate", "0"}});
  parsed.server = given.address("--connect");
  parsed.mode_name = given.text("--mode");
  const auto* const mode =
      std::ranges::find(modes, std::string_view(parsed.mode_name), &std::pair<std::string_view, load::mode>::first);
  if (mode == modes.end()) refuse("--mode: '" + parsed.mode_name + "' is none of handshake, resume, echo, bulk, idle");
  parsed.mode = mode->second;
  if (parsed.plain && parsed.mode == mode::resume) refuse("--plain: there is nothing to resume without TLS");

  const std::string& tls = given.text("--tls");
  if (tls != "1.2" && tls != "1.3") refuse("--tls: '" + tls + "' is neither 1.2 nor 1.3");
  parsed.tls_version = tls == "1.2" ? TLS1_2_VERSION : TLS1_3_VERSION;
  parsed.ciphersuites = given.text("--ciphersuites");
  parsed.ciphers = given.text("--ciphers");
  parsed.group = given.text("--group");
  parsed.size =
      given.text("--size") == "of the mode" ? default_size(parsed.mode) : natural(given, "--size", 1, most_bytes);
  parsed.names = natural(given, "--names", 0, most_connections);
  parsed.connections = natural(given, "--connections", 1, most_connections);
  parsed.threads = natural(given, "--threads", 1, most_threads);
  parsed.sources = natural(given, "--sources", 1, most_sources);
  parsed.warmup = seconds(given, "--warmup");
  parsed.count = natural(given, "--count", 0, 1'000'000'000);
  if (given.text("--duration") != "2 or enough") {
    parsed.duration = seconds(given, "--duration");
  } else if (parsed.count > 0) {
    parsed.duration = enough_for_a_count;
  } else {
    parsed.duration = std::chrono::seconds(2);
  }
  parsed.rate = decimal(given, "--rate", most_per_second);
  if (parsed.threads > parsed.connections) {
    refuse("--threads: there are " + std::to_string(parsed.threads) + " for " + std::to_string(parsed.connections) +
           " connections");
  }
  return parsed;
}

std::vector<unsigned char> make_pattern(std::size_t size) {
  std::vector<unsigned char> pattern(size + pattern_offsets);
  // Any good mixing will do; it is the same in every run (xorshift64).
  std::uint64_t state = 0x9e3779b97f4a7c15;
  for (unsigned char& each : pattern) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    each = static_cast<unsigned char>(state >> 32);
  }
  return pattern;
}

}  // namespace load
