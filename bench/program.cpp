// program: what the benchmarks have in common as programs: the command line, the line that tells the port, the end.
//
// SPDX-License-Identifier: Apache-2.0
#include "program.hpp"

#include <arpa/inet.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <utility>

namespace {

bool parse(const std::string& text, auto& number) {
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && stopped == end;
}

}  // namespace

void refuse(const std::string& sentence) {
  std::cerr << sentence << '\n';
  std::exit(2);
}

options::options(int argc, char** argv, std::map<std::string, std::string> known) : values_(std::move(known)) {
  for (int i = 1; i < argc; i += 2) {
    const auto found = values_.find(argv[i]);
    if (found == values_.end()) {
      std::string all;
      for (const auto& [name, value] : values_) all += ' ' + name;
      refuse(std::string(argv[i]) + ": no such option; there are" + all);
    }
    if (i + 1 == argc) refuse(found->first + ": needs a value");
    found->second = argv[i + 1];
  }
  for (const auto& [name, value] : values_) {
    if (value.empty()) refuse(name + ": is needed");
  }
}

long options::number(const std::string& name) const {
  long number = 0;
  if (!parse(text(name), number) || number < 0) refuse(name + ": '" + text(name) + "' is no number of 0 or more");
  return number;
}

double options::seconds(const std::string& name) const {
  double seconds = 0;
  // Not "inf" nor "nan", which also parse.
  if (!parse(text(name), seconds) || !(seconds >= 0 && seconds < 1e6)) {
    refuse(name + ": '" + text(name) + "' is no number of seconds");
  }
  return seconds;
}

sockaddr_in options::address(const std::string& name) const {
  const std::string& given = text(name);
  const std::size_t colon = given.rfind(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  std::uint16_t port = 0;
  if (colon == std::string::npos || !parse(given.substr(colon + 1), port) ||
      inet_pton(AF_INET, given.substr(0, colon).c_str(), &address.sin_addr) != 1) {
    refuse(name + ": '" + given + "' is no IPv4 address and port, such as 127.0.0.1:0");
  }
  address.sin_port = htons(port);
  return address;
}

void print_listening(const std::string& host, unsigned port) {
  std::cout << "listening on " << host << ':' << port << std::endl;
}

void end_on_sigterm() {
  std::signal(SIGTERM, [](int) { ::_exit(0); });
}
