# figures: the kinds of figures there are, and how each is measured.
#
# SPDX-License-Identifier: Apache-2.0
"""A figure has subjects, which are measured in turn. Each measurement is a dictionary with at least "value"."""

import contextlib
import dataclasses
import json
import pathlib
import subprocess
import tempfile
import time
from typing import Tuple

from client import TIMEOUT, Client, measure
from peers import PEERS, Place
from server import Failure, Missing, start_process


@dataclasses.dataclass(frozen=True)
class Target:
    """What has to be reached: by the subject's value, or by its ratio to the best of `over`."""

    bound: float
    over: Tuple[str, ...] = ()
    of: str = ""  # the figure's own subject unless told otherwise
    at_least: bool = True

    def is_met(self, value):
        return value >= self.bound if self.at_least else value <= self.bound


def at_least(bound, *over):
    return Target(bound, over)


def at_most(bound, of="", over=()):
    return Target(bound, over, of, at_least=False)


class Bench:
    """What all measurements of a run have in common."""

    def __init__(self, programs, identities, cores, directory, quick):
        self.programs = pathlib.Path(programs)
        self.identities = identities
        self.cores = cores
        self.directory = directory
        self.seconds = 0.4 if quick else 0.8
        self.warmup = 0.1 if quick else 0.15
        self.idle = (200, 400) if quick else (1000, 2000)

    def start(self, name, identity, cores, stack):
        """A server that ends with the stack; a proxy has a backend of its own."""
        peer = PEERS[name]
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="server-", dir=self.directory))
        place = Place(directory, cores, self.programs, self.identities[identity])
        if peer.proxy:
            peer.program(place)  # missing ones need no backend
            backend = Place(directory, self.cores.backend, self.programs, None)
            place.backend_port = stack.enter_context(PEERS["tcp_echo"].start(backend)).port
        return stack.enter_context(peer.start(place))


@dataclasses.dataclass(frozen=True)
class Figure:
    name: str
    title: str
    unit: str
    group: str
    subjects: Tuple[str, ...]  # the first is ours
    targets: Tuple[Target, ...] = ()
    identity: str = "ecdsa"

    higher_is_better = True
    most_rounds = None

    @property
    def comparisons(self):
        """Which ratios are told: pairs of subjects."""
        return [(self.subjects[0], other) for other in self.subjects[1:]]

    def setup(self, bench):
        """One sentence: who runs where."""
        raise NotImplementedError

    def open(self, bench, subject, stack):
        """Whatever the subject needs to be measured, which the stack then ends."""
        raise NotImplementedError

    def measure(self, bench, opened, subject):
        raise NotImplementedError


def core_list(cores):
    return f"{'core' if len(cores) == 1 else 'cores'} {', '.join(map(str, cores))}"


@dataclasses.dataclass(frozen=True)
class Rate(Figure):
    """Operations per second of the server's CPU time: what a core does when it has nothing else to do."""

    mode: str = "echo"
    tls: str = "1.3"
    size: int = 0
    connections: int = 32

    def load_cores(self, bench):
        return bench.cores.proxy_load if self.group == "forward" else bench.cores.others

    def setup(self, bench):
        backend = f", its backend on {core_list(bench.cores.backend)}" if self.group == "forward" else ""
        return (f"the server on {core_list(bench.cores.server)}{backend}, the client on "
                f"{core_list(self.load_cores(bench))}; {self.connections} connections at a time")

    def open(self, bench, subject, stack):
        if subject == "in_memory":
            if not (bench.programs / "bench" / "in_memory").exists():
                raise Missing("in_memory wasn't built")
            return None
        return bench.start(subject, self.identity, bench.cores.server, stack)

    def measure(self, bench, opened, subject):
        arguments = ["--mode", self.mode, *(["--size", self.size] if self.size else [])]
        if opened is None:
            return self._measure_in_memory(bench, [*arguments, "--tls", self.tls])
        arguments += ["--connections", self.connections]
        arguments += ["--tls", self.tls] if PEERS[subject].tls else ["--plain"]
        sample = measure(bench.programs, opened, self.load_cores(bench), arguments, bench.seconds, bench.warmup)
        return {"value": sample["capacity"], **sample}

    def _measure_in_memory(self, bench, arguments):
        identity = bench.identities[self.identity]
        command = [bench.programs / "bench" / "in_memory", "--cert", identity.certificate, "--key", identity.key,
                   *arguments, "--duration", 1]
        with start_process(command, bench.cores.server, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True) as process:
            try:
                output, errors = process.communicate(timeout=bench.seconds + TIMEOUT)
            except BaseException:
                process.kill()
                raise
        if process.returncode != 0 or not output:
            raise Failure(f"in_memory: {errors.strip() or 'it failed'}")
        cpu_ns = json.loads(output)["server_ns_per_operation"]
        return {"value": 1e9 / cpu_ns, "capacity": 1e9 / cpu_ns, "cpu_ns": cpu_ns}


@dataclasses.dataclass(frozen=True)
class IdleMemory(Figure):
    """User memory that a server needs for each more idle connection. A count rather than a time: once is enough."""

    higher_is_better = False
    most_rounds = 1

    def setup(self, bench):
        first, more = bench.idle
        return (f"anonymous memory of the server with {first} and with {first + more} idle TLS 1.3 connections, after "
                f"an echo of 64 bytes on each; the difference, divided by {more}")

    def open(self, bench, subject, stack):
        return bench.start(subject, self.identity, bench.cores.server, stack)

    def measure(self, bench, opened, subject):
        with contextlib.ExitStack() as clients:
            levels = []
            for count in bench.idle:
                arguments = ["--mode", "idle", "--connections", count]
                client = Client(bench.programs, opened.port, bench.cores.proxy_load, arguments)
                clients.enter_context(client).first_line()
                time.sleep(0.3)  # nothing tells when a server has done its last work
                levels.append(opened.memory())
        return {"value": (levels[1] - levels[0]) / bench.idle[1] / 1024}


@dataclasses.dataclass(frozen=True)
class Threads(Figure):
    """The server's CPU time per operation, when it has as many cores as threads."""

    higher_is_better = False
    mode: str = "echo"
    size: int = 0
    connections: int = 32  # per thread

    @property
    def comparisons(self):
        return [(subject, self.subjects[0]) for subject in self.subjects[1:]]

    def count(self, subject):
        return int(subject.split()[0])

    def setup(self, bench):
        return (f"a server of N threads on N cores, {self.connections} connections per thread; the client on as many "
                f"others, so that all threads find as much to do, or on all {len(bench.cores.all)} if there aren't so many")

    def open(self, bench, subject, stack):
        count = self.count(subject)
        if count > len(bench.cores.all):
            raise Missing(f"this machine has {len(bench.cores.all)} usable cores")
        return bench.start(subject, self.identity, bench.cores.servers(count)[0], stack)

    def measure(self, bench, opened, subject):
        count = self.count(subject)
        arguments = ["--mode", self.mode, "--connections", self.connections * count,
                     *(["--size", self.size] if self.size else [])]
        others = sorted(bench.cores.servers(count)[1])
        client = set(others) if set(others) == set(bench.cores.all) else set(others[-count:])
        sample = measure(bench.programs, opened, client, arguments, bench.seconds, bench.warmup)
        return {"value": sample["cpu_ns"] / 1000, **sample}


@dataclasses.dataclass(frozen=True)
class Fairness(Figure):
    """The 99th percentile of an echo's latency while another client drives as many handshakes as it can."""

    higher_is_better = False
    connections: int = 64
    rate: int = 0  # of an open loop; 0: a closed one

    # What each subject is: a server, and whether it is flooded.
    KINDS = {
        "quiet": ("sallyport callbacks", False),
        "with handshakes": ("sallyport callbacks", True),
        "without budget": ("sallyport without budget", True),
    }

    @property
    def comparisons(self):
        return [(subject, self.subjects[0]) for subject in self.subjects[1:]]

    def _cores(self, bench):
        """The echoing client's and the other one's."""
        others = bench.cores.others
        return others[:1], others[1:] or others

    def setup(self, bench):
        echo, flood = self._cores(bench)
        loop = f"an open loop of {self.rate} per second" if self.rate else "a closed loop"
        return (f"the server on {core_list(bench.cores.server)}; echoes of 64 bytes on {self.connections} open "
                f"connections, {loop}, from {core_list(echo)}; full handshakes, 64 at a time, from {core_list(flood)}")

    def open(self, bench, subject, stack):
        return bench.start(self.KINDS[subject][0], self.identity, bench.cores.server, stack)

    def measure(self, bench, opened, subject):
        echo_cores, flood_cores = self._cores(bench)
        echo = ["--mode", "echo", "--size", 64, "--connections", self.connections,
                *(["--rate", self.rate] if self.rate else [])]
        if not self.KINDS[subject][1]:
            sample = measure(bench.programs, opened, echo_cores, echo, bench.seconds, bench.warmup)
            return {"value": sample["latency_us"]["p99"], **sample}
        # The flood begins before the echoes and ends after them.
        duration = bench.seconds + bench.warmup + 0.8
        flood = ["--mode", "handshake", "--connections", 64, "--duration", duration]
        with Client(bench.programs, opened.port, flood_cores, flood) as attacker:
            time.sleep(0.1)
            sample = measure(bench.programs, opened, echo_cores, echo, bench.seconds, bench.warmup)
            handshakes = attacker.finish(duration)
        return {"value": sample["latency_us"]["p99"], **sample,
                "handshakes": handshakes["operations"] / handshakes["seconds"]}
