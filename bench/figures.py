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
from server import Failure, Missing, Together, start_process


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


def run_program(command, cores, seconds=0.0):
    """What a program that ends by itself says."""
    with start_process(command, cores, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       text=True) as process:
        try:
            output, errors = process.communicate(timeout=seconds + TIMEOUT)
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise Failure(f"{command[0].name}: {errors.strip() or 'it failed'}")
    return output


MOST_NAMES = 10_000


def run_identities(programs, cores, mode, directory):
    program = programs / "bench" / "identities"
    if not program.exists():
        raise Missing("identities wasn't built")
    return run_program([program, "--mode", mode, "--directory", directory, "--count", MOST_NAMES], cores, TIMEOUT)


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
        self._named_identities = None

    def named_identities(self):
        """The directory with the files of MOST_NAMES identities, made once."""
        if self._named_identities is None:
            directory = tempfile.mkdtemp(prefix="identities-", dir=self.directory)
            run_identities(self.programs, self.cores.others, "make", directory)
            self._named_identities = directory
        return self._named_identities

    def start(self, name, identity, cores, stack):
        """A server that ends with the stack; a proxy has a backend of its own."""
        peer = PEERS[name]
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="server-", dir=self.directory))
        place = Place(directory, cores, self.programs, self.identities[identity],
                      named_identities=self.named_identities)
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

    @property
    def profiled(self):
        """Whose CPU time --profile takes apart: ours and those that it is to be compared with."""
        return ()

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

    @property
    def profiled(self):
        if self.group == "qt":
            return self.subjects
        rivals = {"raw_epoll", "asio_stream"}.union(*(target.over for target in self.targets)) - {"in_memory"}
        return tuple(name for name in self.subjects if name == self.subjects[0] or name in rivals)

    def load_arguments(self, subject):
        """What the client of this subject is told besides."""
        return []

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
        arguments += ["--connections", self.connections, *self.load_arguments(subject)]
        arguments += ["--tls", self.tls] if PEERS[subject].tls else ["--plain"]
        sample = measure(bench.programs, opened, self.load_cores(bench), arguments, bench.seconds, bench.warmup)
        return {"value": sample["capacity"], **sample}

    def _measure_in_memory(self, bench, arguments):
        identity = bench.identities[self.identity]
        command = [bench.programs / "bench" / "in_memory", "--cert", identity.certificate, "--key", identity.key,
                   *arguments, "--duration", 1]
        output = run_program(command, bench.cores.server, bench.seconds)
        if not output:
            raise Failure("in_memory: it said nothing")
        cpu_ns = json.loads(output)["server_ns_per_operation"]
        return {"value": 1e9 / cpu_ns, "capacity": 1e9 / cpu_ns, "cpu_ns": cpu_ns}


@dataclasses.dataclass(frozen=True)
class Names(Rate):
    """Handshakes with a server of "N identities", each for one name. Each asks for one of these names, by chance."""

    @property
    def comparisons(self):
        return [(subject, self.subjects[0]) for subject in self.subjects[1:]]

    @property
    def profiled(self):
        return self.subjects

    def setup(self, bench):
        return super().setup(bench) + "; each asks for one of the server's names, by chance, and gets its certificate"

    def load_arguments(self, subject):
        return ["--names", subject.split()[0]]


@dataclasses.dataclass(frozen=True)
class NamesLoading(Figure):
    """What it takes to load MOST_NAMES identities. A process of its own for each sample."""

    higher_is_better = False
    most_rounds = 5

    # What each subject is called in what the program says.
    PARTS = {"identities from files": "load", "a context with them": "context"}

    @property
    def comparisons(self):
        return []

    def setup(self, bench):
        return (f"one thread on {core_list(bench.cores.server)}; {MOST_NAMES} files, each with an ECDSA P-256 key, its "
                "certificate for one name, and the intermediate certificate that is the same in all; anonymous memory "
                "of the process")

    def open(self, bench, subject, stack):
        return bench.named_identities()

    def measure(self, bench, opened, subject):
        measured = json.loads(run_identities(bench.programs, bench.cores.server, "load", opened))
        part = self.PARTS[subject]
        return {"value": measured[f"{part}_seconds"], "kib_each": measured[f"{part}_kib"] / measured["identities"]}


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
    """The server's CPU time per operation, when it has as many cores as threads.

    "N processes" is a control: as many servers of one thread, which share nothing but the machine. What they need more
    than one alone is due to the machine. They don't share a port: then the kernel would spread clients unevenly.
    """

    higher_is_better = False
    mode: str = "echo"
    size: int = 0
    connections: int = 32  # per thread

    @property
    def comparisons(self):
        controlled = [(subject, subject.replace("threads", "processes")) for subject in self.subjects]
        return ([(subject, self.subjects[0]) for subject in self.subjects[1:]]
                + [pair for pair in controlled if pair[0] != pair[1] and pair[1] in self.subjects])

    @property
    def profiled(self):
        return self.subjects

    def count(self, subject):
        return int(subject.split()[0])

    def setup(self, bench):
        return (f"a server of N threads on N cores, {self.connections} connections per thread; the client on as many "
                f"others, so that all threads find as much to do, or on all {len(bench.cores.all)} if there aren't so "
                "many. N processes: as many servers of one thread, each on one of the same cores and with a port and a "
                "client of its own")

    def open(self, bench, subject, stack):
        count = self.count(subject)
        if count > len(bench.cores.all):
            raise Missing(f"this machine has {len(bench.cores.all)} usable cores")
        cores = bench.cores.servers(count)[0]
        if subject.endswith("processes"):
            return Together(subject, [bench.start(self.subjects[0], self.identity, [core], stack) for core in cores])
        return bench.start(subject, self.identity, cores, stack)

    def measure(self, bench, opened, subject):
        count = self.count(subject)
        arguments = ["--mode", self.mode, "--connections", self.connections * count // len(opened.ports),
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
