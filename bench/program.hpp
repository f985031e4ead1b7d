// program: what the benchmarks have in common as programs: the command line, the line that tells the port, the end.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_BENCH_PROGRAM_HPP
#define SALLYPORT_BENCH_PROGRAM_HPP

#include <netinet/in.h>

#include <map>
#include <string>

/// The command line: --name value, and nothing else.
class options {
 public:
  /// What may be given, each with its default; with "" as the default it has to be given. Anything else ends the
  /// program with status 2 and a sentence on standard error.
  options(int argc, char** argv, std::map<std::string, std::string> known);

  const std::string& text(const std::string& name) const { return values_.at(name); }
  long number(const std::string& name) const;
  /// A time, "2" or "0.5".
  double seconds(const std::string& name) const;
  /// An IPv4 address and a port, "127.0.0.1:0".
  sockaddr_in address(const std::string& name) const;

 private:
  std::map<std::string, std::string> values_;
};

/// Ends the program with status 2.
[[noreturn]] void refuse(const std::string& sentence);

/// Tells whoever started the program where it listens, by the line that all benchmark servers print.
void print_listening(const std::string& host, unsigned port);

/// From now on SIGTERM ends the program at once, with status 0: what destructors would do isn't to be counted.
void end_on_sigterm();

#endif
