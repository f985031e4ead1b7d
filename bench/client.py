# client: runs `load` against a server and looks at what that costs the server.
#
# SPDX-License-Identifier: Apache-2.0

import contextlib
import json
import subprocess
import time

from server import Failure, Missing, start_process

SATURATED = 0.9  # of the server's cores
TIMEOUT = 30.0  # beyond what was asked for


class Client:
    """A running `load`."""

    def __init__(self, programs, port, cores, arguments, threads=None):
        program = programs / "bench" / "load"
        if not program.exists():
            raise Missing("load wasn't built")
        self._arguments = arguments
        self.started = time.monotonic()
        self._process = start_process(
            [program, "--connect", f"127.0.0.1:{port}", "--threads", threads or len(cores), *arguments], cores,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()

    def first_line(self):
        """What `--mode idle` prints when its connections are open."""
        line = self._process.stdout.readline()
        if not line:
            self.finish(TIMEOUT)
        return json.loads(line)

    def finish(self, seconds):
        """Its result."""
        try:
            output, errors = self._process.communicate(timeout=seconds + TIMEOUT)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self._name()}: no end after {seconds + TIMEOUT:.0f} s") from None
        if self._process.returncode != 0 or not output:
            reason = errors.strip().splitlines()
            raise Failure(f"{self._name()}: {reason[-1] if reason else 'it failed'}")
        return json.loads(output)

    def _name(self):
        return " ".join(["load", *map(str, self._arguments)])


def measure(programs, server, cores, arguments, seconds, warmup):
    """One sample: operations per second, and the share of its cores that the server used while it did them.

    The share is taken from a time within the client's, when nobody starts or ends, and so it needn't be the same time.
    Servers that are several have a client for each, which share the cores.
    """
    arguments = [*arguments, "--duration", seconds, "--warmup", warmup]
    with contextlib.ExitStack() as stack:
        threads = max(1, len(cores) // len(server.ports))
        clients = [stack.enter_context(Client(programs, port, cores, arguments, threads)) for port in server.ports]
        started = clients[-1].started
        sleep_until(started + warmup + 0.1)
        first, first_cpu, first_ticks = time.monotonic_ns(), server.cpu_ns(), server.cpu_ticks()
        sleep_until(clients[0].started + warmup + seconds - 0.02)
        server.check_alive()
        last, last_cpu, last_ticks = time.monotonic_ns(), server.cpu_ns(), server.cpu_ticks()
        done = [client.finish(seconds + warmup) for client in clients]
    rate = sum(result["operations"] / result["seconds"] for result in done)
    used = (last_cpu - first_cpu) / (last - first)
    if rate <= 0 or used <= 0:
        raise Failure(f"{server.name} did nothing")
    sample = {
        "rate": rate,
        "cores_used": used,
        "saturated": used > SATURATED * len(server.cores),
        "capacity": rate / used,
        "cpu_ns": used * 1e9 / rate,
        "user_ticks": last_ticks[0] - first_ticks[0],
        "kernel_ticks": last_ticks[1] - first_ticks[1],
        "interval_ns": (first, last),
    }
    # Percentiles of several clients can't be added up.
    return {**sample, "latency_us": done[0]["latency_us"]} if len(done) == 1 else sample


def sleep_until(point):
    left = point - time.monotonic()
    if left > 0:
        time.sleep(left)
