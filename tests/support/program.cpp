// program: another program that a test runs and listens to.
//
// SPDX-License-Identifier: Apache-2.0
#include "program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <system_error>

namespace sallyport::test {
namespace {

constexpr auto longest_run = std::chrono::seconds{30};

[[noreturn]] void throw_error(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), what);
}

/// Both ends are closed in the child, but for those that it is given under other numbers.
struct pipe_ends {
  pipe_ends() {
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw_error(errno, "pipe2");
  }
  pipe_ends(const pipe_ends&) = delete;
  pipe_ends& operator=(const pipe_ends&) = delete;
  ~pipe_ends() {
    close_end(0);
    close_end(1);
  }
  void close_end(std::size_t which) {
    if (ends[which] >= 0) ::close(ends[which]);
    ends[which] = -1;
  }
  std::array<int, 2> ends{};
};

pid_t start(const std::vector<std::string>& arguments, int input, int output) {
  std::vector<char*> words;
  for (const auto& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
  pid_t child = -1;
  const int error = ::posix_spawnp(&child, words[0], &actions, nullptr, words.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw_error(error, arguments[0]);
  return child;
}

}  // namespace

program_run run_program(const std::vector<std::string>& arguments, const std::string& input) {
  pipe_ends to_program;
  pipe_ends from_program;
  const pid_t child = start(arguments, to_program.ends[0], from_program.ends[1]);
  from_program.close_end(1);
  // Less than a pipe holds, and our own reading end keeps SIGPIPE away.
  if (::write(to_program.ends[1], input.data(), input.size()) != static_cast<ssize_t>(input.size()))
    ::kill(child, SIGKILL);

  program_run run;
  const auto give_up = std::chrono::steady_clock::now() + longest_run;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(give_up - std::chrono::steady_clock::now());
    pollfd readable{from_program.ends[0], POLLIN, 0};
    if (left.count() <= 0) {
      ::kill(child, SIGKILL);
      break;
    }
    if (::poll(&readable, 1, static_cast<int>(left.count())) <= 0) continue;
    std::array<char, 4096> chunk;
    const ssize_t count = ::read(from_program.ends[0], chunk.data(), chunk.size());
    if (count <= 0) break;
    run.output.append(chunk.data(), static_cast<std::size_t>(count));
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFEXITED(status)) run.exit_code = WEXITSTATUS(status);
  return run;
}

}  // namespace sallyport::test
