# counts: user instructions and system calls per operation, as ratios to raw_epoll in the same run. Unlike times they
# don't depend on what else the machine does, so CI holds the library to them.
#
# SPDX-License-Identifier: Apache-2.0

import argparse
import concurrent.futures
import dataclasses
import itertools
import os
import pathlib
import re
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "tests" / "support"))

from certificates import Certificates
from client import Client
from server import Failure, Server, adopt_orphans

TIMEOUT = 120.0
REFERENCE = "raw_epoll"
SERVERS = {
    REFERENCE: ["raw_epoll"],
    "wait": ["sallyport_echo", "--api", "wait"],
    "callbacks": ["sallyport_echo", "--api", "callbacks"],
    "coroutines": ["sallyport_echo", "--api", "coroutines"],
    "coroutines-with-executor": ["sallyport_echo", "--api", "coroutines-with-executor"],
}
# What is counted is the difference of two runs: the start, and what is done once, falls out.
OPERATIONS = {
    "full handshake": ["--mode", "handshake", "--connections", 64],
    "resumed handshake": ["--mode", "resume", "--connections", 64],
    "64-byte echo": ["--mode", "echo", "--size", 64, "--connections", 32],
}


@dataclasses.dataclass(frozen=True)
class Gate:
    counter: str  # "instructions" or "system calls"
    operation: str
    server: str
    runs: tuple  # operations of the shorter and of the longer run
    ratio: float = None  # at most as many times what the reference needs,
    more: float = None  # or at most as many more

    def limit(self, reference):
        return reference * self.ratio if self.ratio else reference + self.more

    def limit_text(self):
        return f"x{self.ratio:.2f}" if self.ratio else f"+{self.more:g}"


# So many echoes that the 32 handshakes before them, which aren't always the same, don't count.
HANDSHAKES, ECHOES = (20, 100), (300, 12300)
GATES = [
    Gate("instructions", "full handshake", "wait", HANDSHAKES, ratio=1.02),
    Gate("instructions", "resumed handshake", "wait", HANDSHAKES, ratio=1.02),
    Gate("instructions", "64-byte echo", "wait", ECHOES, ratio=1.12),
    Gate("instructions", "64-byte echo", "callbacks", ECHOES, ratio=1.12),
    Gate("instructions", "64-byte echo", "coroutines", ECHOES, ratio=1.20),
    Gate("instructions", "64-byte echo", "coroutines-with-executor", ECHOES, ratio=1.20),
    Gate("system calls", "full handshake", "wait", (100, 1100), more=3),
    Gate("system calls", "resumed handshake", "wait", (100, 1100), more=3),
    Gate("system calls", "64-byte echo", "wait", (1000, 11000), more=0.3),
    Gate("system calls", "64-byte echo", "coroutines", (1000, 11000), more=0.3),
]


def counting_command(counter, output):
    if counter == "instructions":
        return ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={output}"]
    # -D: strace is the server's child and not its parent, so that the server gets our signals.
    return ["strace", "-D", "-f", "-c", "-U", "name,calls", "-o", output]


def read_count(counter, output):
    """Once the server has ended; what it writes may come a little later."""
    pattern = r"^(?:totals|summary): (\d+)" if counter == "instructions" else r"^total +(\d+)"
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        text = output.read_text(errors="replace") if output.exists() else ""
        if found := re.findall(pattern, text, re.MULTILINE):
            return int(found[-1])
        time.sleep(0.02)
    raise Failure(f"{counter}: {output.name} has no total")


CORES = sorted(os.sched_getaffinity(0))
next_core = itertools.cycle(CORES)


def count(programs, identity, counter, operation, server, operations):
    """All that a server does, from its start to its end, for so many operations."""
    # Instructions are the same wherever they run. How often a server waits depends on how busy it is: so it gets a core
    # of its own, if there are two, on which strace makes it slower than its client.
    server_cores, client_core = (CORES, next(next_core)) if counter == "instructions" else (CORES[:1], CORES[-1])
    with tempfile.TemporaryDirectory() as own:
        output = pathlib.Path(own) / "counts"
        program, *arguments = SERVERS[server]
        command = [*counting_command(counter, output), programs / "bench" / program, *arguments,
                   *identity.options()]
        with Server(server, command, server_cores, own) as running:
            with Client(programs, running.port, {client_core},
                        [*OPERATIONS[operation], "--count", operations]) as client:
                client.finish(TIMEOUT)
        return read_count(counter, output)


def main():
    options = argparse.ArgumentParser(description="Counts instructions and system calls; status 1 if they are too many.")
    options.add_argument("--programs", type=pathlib.Path, required=True, metavar="DIR", help="the build directory")
    programs = options.parse_args().programs.resolve()
    adopt_orphans()
    wanted = sorted({(gate.counter, gate.operation, server, operations) for gate in GATES
                     for server in (gate.server, REFERENCE) for operations in gate.runs})
    certificates = Certificates()
    try:
        with concurrent.futures.ThreadPoolExecutor(len(CORES)) as pool:
            counting = [key for key in wanted if key[0] == "instructions"]
            runs = {key: pool.submit(count, programs, certificates.ecdsa, *key) for key in counting}
            counted = {key: run.result() for key, run in runs.items()}
        for key in wanted:
            if key not in counted:
                counted[key] = count(programs, certificates.ecdsa, *key)
    finally:
        certificates.remove()
    return report(counted)


def report(counted):
    def per_operation(gate, server):
        few, many = (counted[gate.counter, gate.operation, server, runs] for runs in gate.runs)
        return (many - few) / (gate.runs[1] - gate.runs[0])

    failed = 0
    print("| per operation | counter | raw_epoll | sallyport | ratio | difference | at most | |")
    print("|---|---|---:|---:|---:|---:|---:|---|")
    for gate in GATES:
        reference, ours = per_operation(gate, REFERENCE), per_operation(gate, gate.server)
        met = ours <= gate.limit(reference)
        failed += not met
        digits = 0 if gate.counter == "instructions" else 2
        print(f"| {gate.operation}, {gate.server} | {gate.counter} | {reference:.{digits}f} | {ours:.{digits}f} "
              f"| {ours / reference:.3f} | {ours - reference:+.{digits}f} | {gate.limit_text()} "
              f"| {'met' if met else 'not met'} |")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        sys.exit(f"counts: {failure}")
