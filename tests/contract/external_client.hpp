// external_client: other people's clients, run as they are: openssl s_client, gnutls-cli.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef SALLYPORT_TESTS_CONTRACT_EXTERNAL_CLIENT_HPP
#define SALLYPORT_TESTS_CONTRACT_EXTERNAL_CLIENT_HPP

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

namespace sallyport::test {

struct program_run {
  int status = -1;       ///< exit status; negative: ended by that signal
  std::string output{};  ///< standard output and standard error, as they came
};

/// Runs a program to its end. Its standard input is open and stays silent, as one that ends would end some clients.
/// Blocks: for a thread of its own. A program that hasn't ended after 30 s is ended, and that throws.
inline program_run run_program(std::vector<std::string> arguments) {
  std::array<int, 2> input{}, output{};
  if (::pipe2(input.data(), O_CLOEXEC) != 0 || ::pipe2(output.data(), O_CLOEXEC) != 0)
    throw std::system_error(errno, std::generic_category(), "pipe2");
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, input[0], STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, output[1], STDERR_FILENO);
  std::vector<char*> pointers;
  for (auto& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  pid_t child = -1;
  const int failed = ::posix_spawnp(&child, pointers[0], &actions, nullptr, pointers.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(input[0]);
  ::close(output[1]);

  program_run run;
  bool in_time = failed == 0;
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (in_time) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(give_up - std::chrono::steady_clock::now()).count();
    pollfd readable{output[0], POLLIN, 0};
    in_time = left > 0 && ::poll(&readable, 1, static_cast<int>(left)) > 0;
    if (!in_time) break;
    std::array<char, 4096> bytes{};
    const ssize_t size = ::read(output[0], bytes.data(), bytes.size());
    if (size <= 0) break;
    run.output.append(bytes.data(), static_cast<std::size_t>(size));
  }
  ::close(input[1]);
  ::close(output[0]);
  if (failed != 0) throw std::system_error(failed, std::generic_category(), arguments[0]);
  if (!in_time) ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!in_time) throw std::runtime_error(arguments[0] + " didn't end; it said: " + run.output);
  run.status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return run;
}

}  // namespace sallyport::test

#endif
