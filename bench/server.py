# server: a program under test, from its start to its end.
#
# SPDX-License-Identifier: Apache-2.0

import ctypes
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import time

import machine

START_TIMEOUT = 10.0
STOP_TIMEOUT = 5.0

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1  # <sys/prctl.h>
PR_SET_CHILD_SUBREAPER = 36
LISTENING = re.compile(r"listening on [^\s\",]*:(\d+)")


class Failure(Exception):
    """One sentence that says what didn't work."""


class Missing(Exception):
    """What would have to be installed or built."""


def start_process(command, cores, **options):
    """A process on these cores only, which doesn't outlive us and doesn't get our terminal's Ctrl-C."""
    def prepare():
        os.sched_setaffinity(0, cores)
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)

    return subprocess.Popen([str(word) for word in command], preexec_fn=prepare, start_new_session=True, **options)


def adopt_orphans():
    """What our children leave behind becomes ours, so that it can be ended, and its CPU time be accounted."""
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def wait_for(pid, deadline):
    """Until a process that may be ours has ended; it is killed if that takes too long."""
    try:
        while os.waitpid(pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                return
            time.sleep(0.01)
    except ChildProcessError:
        pass  # its parent has waited for it


def free_port():
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A running server. `port` None: it tells its own by `listening on HOST:PORT`."""

    def __init__(self, name, command, cores, directory, port=None, tls=True, environment=None,
                 start_timeout=START_TIMEOUT):
        self.name = name
        self.port = port
        self.cores = cores
        self.pids = []
        self._output = pathlib.Path(directory) / "output"
        with open(self._output, "wb") as output:
            self._process = start_process(command, cores, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                          cwd=directory, env={**os.environ, **(environment or {})})
        try:
            self._wait_until_listening(start_timeout)
            self.check_echo(tls)
            self.pids = machine.descendants(self._process.pid)
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def ports(self):
        return [self.port]

    def cpu_ns(self):
        return machine.cpu_ns(self.pids)

    def cpu_ticks(self):
        return machine.cpu_ticks(self.pids)

    def memory(self):
        return machine.anonymous_bytes(self.pids)

    def check_alive(self):
        if self._process.poll() is not None:
            raise Failure(f"{self.name} ended with status {self._process.returncode}: {self.last_words()}")

    def last_words(self):
        lines = self._output.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def check_echo(self, tls):
        """Whether a client that isn't ours gets back what it sends."""
        sent = os.urandom(64)
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=START_TIMEOUT) as plain:
                if tls:
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                    context.check_hostname = False
                    context.verify_mode = ssl.CERT_NONE
                    plain = context.wrap_socket(plain)
                plain.sendall(sent)
                received = b""
                while len(received) < len(sent):
                    chunk = plain.recv(len(sent))
                    if not chunk:
                        break
                    received += chunk
        except OSError as error:
            raise Failure(f"{self.name} doesn't serve: {error}; {self.last_words()}") from None
        if received != sent:
            raise Failure(f"{self.name} doesn't echo: {self.last_words()}")

    def stop(self):
        """Ends it and what it started: politely, then by force. Nothing of it is left then, and all is accounted."""
        family = machine.descendants(self._process.pid)
        if self._process.poll() is None:
            self._process.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        # Workers that their master didn't wait for are ours now: see adopt_orphans().
        for pid in family[1:] + [pid for pid in self.pids[1:] if pid not in family]:
            wait_for(pid, deadline)

    def _wait_until_listening(self, timeout):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            self.check_alive()
            if self.port is None:
                found = LISTENING.search(self._output.read_text(errors="replace"))
                if found:
                    self.port = int(found.group(1))
                    return
            else:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                        return
            time.sleep(0.01)
        raise Failure(f"{self.name} doesn't listen after {timeout:.0f} s: {self.last_words()}")


class Together:
    """Several running servers, measured as one; each has a client of its own."""

    def __init__(self, name, servers):
        self.name = name
        self._servers = servers
        self.ports = [server.port for server in servers]
        self.cores = [core for server in servers for core in server.cores]
        self.pids = [pid for server in servers for pid in server.pids]

    def cpu_ns(self):
        return machine.cpu_ns(self.pids)

    def cpu_ticks(self):
        return machine.cpu_ticks(self.pids)

    def check_alive(self):
        for server in self._servers:
            server.check_alive()
