// child_process: a part of a test that must run in a process of its own.
//
// SPDX-License-Identifier: Apache-2.0
#include "child_process.hpp"

#include <grp.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <stdexcept>
#include <vector>

namespace sallyport::test {

namespace {

constexpr auto longest_run = std::chrono::seconds{30};
constexpr uid_t nobody = 65534;

void write_all(int descriptor, const std::string& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = ::write(descriptor, text.data() + done, text.size() - done);
    if (count <= 0) return;
    done += static_cast<std::size_t>(count);
  }
}

// The child ends here: without destructors, as they are the parent's.
[[noreturn]] void run_and_exit(const std::function<std::string()>& part, int result_descriptor) {
  std::string result;
  try {
    result = part();
  } catch (const std::exception& thrown) {
    result = std::string("exception: ") + thrown.what();
  }
  write_all(result_descriptor, result);
  ::_exit(0);
}

bool drop_privileges() {
  return ::geteuid() != 0 || (::setgroups(0, nullptr) == 0 && ::setresgid(nobody, nobody, nobody) == 0 &&
                              ::setresuid(nobody, nobody, nobody) == 0);
}

// Reads until the other ends are closed. False if that takes too long.
bool read_until_closed(std::vector<std::pair<int, std::string*>> sources) {
  const auto deadline = std::chrono::steady_clock::now() + longest_run;
  while (!sources.empty()) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    std::vector<pollfd> polled;
    for (const auto& source : sources) polled.push_back({source.first, POLLIN, 0});
    if (::poll(polled.data(), polled.size(), static_cast<int>(left.count())) <= 0) continue;
    for (std::size_t i = polled.size(); i-- > 0;) {
      if (polled[i].revents == 0) continue;
      std::array<char, 4096> chunk;
      const ssize_t count = ::read(sources[i].first, chunk.data(), chunk.size());
      if (count > 0) {
        sources[i].second->append(chunk.data(), static_cast<std::size_t>(count));
      } else {
        sources.erase(sources.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
  }
  return true;
}

void end(pid_t child, bool ended) {
  if (!ended) ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

}  // namespace

std::string run_unprivileged(const std::function<std::string()>& part) {
  std::array<int, 2> pipe;
  if (::pipe(pipe.data()) != 0) throw std::runtime_error("pipe failed");
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("fork failed");
  if (child == 0) {
    if (!drop_privileges()) {
      write_all(pipe[1], "cannot drop privileges");
      ::_exit(1);
    }
    run_and_exit(part, pipe[1]);
  }
  ::close(pipe[1]);
  std::string result;
  const bool ended = read_until_closed({{pipe[0], &result}});
  ::close(pipe[0]);
  end(child, ended);
  if (!ended) throw std::runtime_error("the child process did not end");
  return result;
}

terminal_run run_on_terminal(const std::function<std::string()>& part) {
  std::array<int, 2> pipe;
  if (::pipe(pipe.data()) != 0) throw std::runtime_error("pipe failed");
  int terminal = -1;
  const pid_t child = ::forkpty(&terminal, nullptr, nullptr, nullptr);
  if (child < 0) throw std::runtime_error("forkpty failed");
  if (child == 0) run_and_exit(part, pipe[1]);
  ::close(pipe[1]);
  terminal_run run;
  run.ended = read_until_closed({{pipe[0], &run.result}, {terminal, &run.terminal_output}});
  ::close(pipe[0]);
  ::close(terminal);
  end(child, run.ended);
  return run;
}

}  // namespace sallyport::test
