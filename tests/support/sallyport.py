# sallyport: runs the built command for a test: starts it, reads its log, measures it, and stops it.
#
# SPDX-License-Identifier: Apache-2.0
"""The command under test.

    with Server("echo", "--cert", cert, "--key", key) as server:
        client = socket.create_connection((server.host, server.port))
        server.wait_for_log(r"handshake failed .*reason=closed_by_client")

Leaving the context stops the process and fails the test if it crashed or a sanitizer complained.
"""

import ctypes
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import threading
import time

# Generous on purpose: builds with sanitizers on a busy machine are many times slower.
START_TIMEOUT = 20.0
EVENT_TIMEOUT = 20.0

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1  # <sys/prctl.h>

SANITIZER_REPORT = re.compile(
    r"ERROR: AddressSanitizer|WARNING: ThreadSanitizer|ERROR: LeakSanitizer|runtime error:|"
    r"AddressSanitizer:DEADLYSIGNAL|ThreadSanitizer:DEADLYSIGNAL|FATAL: ThreadSanitizer"
)
LISTENING = re.compile(r"listening on ([^\s\",]+)")


def repository():
    """The root of the source tree."""
    return pathlib.Path(__file__).resolve().parents[2]


def command():
    """The path of the built command."""
    path = os.environ.get("SALLYPORT") or str(repository() / "build" / "dev" / "sallyport")
    if not os.access(path, os.X_OK) or os.path.isdir(path):
        raise FileNotFoundError(f"{path}: not an executable; build the command or set SALLYPORT to its path")
    return path


def sanitizer():
    """"address", "thread" or None: what the command was built with, for bounds that a sanitizer widens."""
    program = pathlib.Path(command()).read_bytes()
    if b"__asan_init" in program:
        return "address"
    if b"__tsan_init" in program:
        return "thread"
    return None


def run(*arguments, timeout=EVENT_TIMEOUT, **options):
    """Runs the command to its end, without a terminal and with nothing on its standard input."""
    options.setdefault("stdin", subprocess.DEVNULL)
    finished = subprocess.run(
        [command(), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        timeout=timeout,
        start_new_session=True,
        **options,
    )
    output = finished.stdout + finished.stderr
    if finished.returncode < 0 or SANITIZER_REPORT.search(output):
        raise AssertionError(f"the command crashed (status {finished.returncode}):\n{output}")
    return finished


class LineCollector:
    """Reads lines from a pipe in a thread and lets others wait for one of them."""

    def __init__(self, pipe):
        self._pipe = pipe
        self._lines = []
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        try:
            for raw in self._pipe:
                with self._changed:
                    self._lines.append(raw.decode("utf-8", "replace").rstrip("\n"))
                    self._changed.notify_all()
        except OSError:
            pass  # how a pseudo-terminal tells that its other end is closed
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def lines(self):
        with self._changed:
            return list(self._lines)

    def find(self, pattern, timeout, start=0):
        """The first match among the lines from `start` on; None if the pipe ended or the time is up without one."""
        expression = re.compile(pattern)
        deadline = time.monotonic() + timeout
        at = start
        with self._changed:
            while True:
                while at < len(self._lines):
                    match = expression.search(self._lines[at])
                    at += 1
                    if match:
                        return match
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    return None
                self._changed.wait(left)

    def join(self, timeout):
        self._thread.join(timeout)


class Server:
    """A running `sallyport echo` or `sallyport forward`.

    `listen` is given to --listen; with several addresses or None use the arguments instead. `wait=False` doesn't wait
    for the log to say that it listens. `descriptor_limit` is its RLIMIT_NOFILE. `environment` adds variables.
    """

    def __init__(self, mode, *arguments, listen="127.0.0.1:0", wait=True, descriptor_limit=None, environment=None):
        self.arguments = [command(), mode]
        if listen is not None:
            self.arguments += ["--listen", listen]
        self.arguments += [str(argument) for argument in arguments]
        self._wait = wait
        self._descriptor_limit = descriptor_limit
        self._environment = {**os.environ, **(environment or {})}
        self._killed = False
        self.process = None
        self.address = None  # as the log tells it: "127.0.0.1:4711", "[::1]:4711", "unix:/path"
        self.host = None
        self.port = None

    def __enter__(self):
        self.process = subprocess.Popen(
            self.arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment,
            preexec_fn=self._prepare,
            start_new_session=True,
        )
        self._stderr = LineCollector(self.process.stderr)
        self._stdout = LineCollector(self.process.stdout)
        if self._wait:
            try:
                self._learn_address()
            except BaseException:
                self._stop()
                raise
        return self

    def __exit__(self, kind, value, trace):
        self._stop()
        complaint = self._complaint()
        if complaint:
            raise AssertionError(complaint) from value
        if kind is not None and issubclass(kind, Exception):
            # The log is often the shortest way to the cause of a failed test.
            value.add_note(f"log of {' '.join(self.arguments[1:])}:\n" + "\n".join(self.log[-40:]))
        return False

    @property
    def pid(self):
        return self.process.pid

    @property
    def log(self):
        """The lines on standard error so far."""
        return self._stderr.lines()

    @property
    def output(self):
        """The lines on standard output so far."""
        return self._stdout.lines()

    def wait_for_log(self, pattern, timeout=EVENT_TIMEOUT, start=0):
        """The first match of a regular expression in the log's lines (from number `start` on); waits for it."""
        match = self._stderr.find(pattern, timeout, start)
        if match is None:
            raise AssertionError(f"no log line matched {pattern!r} in {timeout} s; the log:\n" + "\n".join(self.log))
        return match

    def connect(self, timeout=EVENT_TIMEOUT):
        """A plain TCP (or unix) connection to the server."""
        if self.address.startswith("unix:"):
            client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                client.settimeout(timeout)
                client.connect(self.address[len("unix:") :])
            except OSError:
                client.close()
                raise
            return client
        return socket.create_connection((self.host, self.port), timeout)

    def rss(self):
        """Resident memory in bytes."""
        return self._kilobytes("status", "VmRSS")

    def peak_rss(self):
        """The most resident memory so far, in bytes."""
        return self._kilobytes("status", "VmHWM")

    def pss(self):
        """Proportional share of resident memory in bytes."""
        return self._kilobytes("smaps_rollup", "Pss")

    def descriptors(self):
        """How many descriptors it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu_seconds(self):
        """User and system time so far."""
        # The second field is the program's name in parentheses, which may itself hold spaces.
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def send_signal(self, number=signal.SIGTERM):
        os.kill(self.pid, number)

    def wait(self, timeout=EVENT_TIMEOUT):
        """The exit code, once the process has ended by itself and its last log line was read."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout} s; the log:\n" + "\n".join(self.log)) from None
        self._stderr.join(EVENT_TIMEOUT)
        self._stdout.join(EVENT_TIMEOUT)
        return code

    def terminate(self, timeout=EVENT_TIMEOUT):
        """SIGTERM, and the exit code."""
        self.send_signal(signal.SIGTERM)
        return self.wait(timeout)

    def is_running(self):
        return self.process.poll() is None

    def _prepare(self):
        # Runs in the child: a test that is killed for taking too long must not leave its server behind.
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if self._descriptor_limit is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self._descriptor_limit, self._descriptor_limit))

    def _learn_address(self):
        match = self._stderr.find(LISTENING, START_TIMEOUT)
        if match is None:
            raise AssertionError("the command didn't say where it listens; its output:\n" + "\n".join(self.log))
        self.address = match.group(1)
        if not self.address.startswith("unix:"):
            host, _, port = self.address.rpartition(":")
            self.host = host.strip("[]")
            self.port = int(port)

    def _kilobytes(self, file, name):
        text = pathlib.Path(f"/proc/{self.pid}/{file}").read_text()
        return int(re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE).group(1)) * 1024

    def _stop(self):
        # The first signal drains, the second ends at once: both let sanitizers report leaks, which SIGKILL doesn't.
        for number, patience in ((signal.SIGTERM, 1.0), (signal.SIGTERM, 15.0), (signal.SIGKILL, 15.0)):
            if self.process.poll() is not None:
                break
            if number == signal.SIGKILL:
                self._killed = True
            self.process.send_signal(number)
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                continue
        self._stderr.join(EVENT_TIMEOUT)
        self._stdout.join(EVENT_TIMEOUT)
        self.process.stderr.close()
        self.process.stdout.close()

    def _complaint(self):
        output = "\n".join(self.log + self.output)
        if self._killed:
            return "the command didn't end after two SIGTERMs and had to be killed; its output:\n" + output
        if self.process.returncode < 0:
            name = signal.Signals(-self.process.returncode).name
            return f"the command died by {name}; its output:\n{output}"
        if SANITIZER_REPORT.search(output):
            return "a sanitizer complained; the output:\n" + output
        return None
