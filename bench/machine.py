# machine: what the benchmarks run on: its cores, the CPU time that processes took, and who else is using it.
#
# SPDX-License-Identifier: Apache-2.0

import os
import pathlib
import platform
import re
import resource
import subprocess
import time

import summary

# Beyond these a run says that it was disturbed. A core is 100 %.
OTHERS_LIMIT = 0.10  # of one core, taken by processes that aren't ours
STEAL_LIMIT = 0.01  # of all cores, taken by the hypervisor
CALIBRATION_LIMIT = 0.05  # from the first to the third quartile of the same piece of work


class Cores:
    """Who runs where. The server under test has its core alone; on fewer than four cores the others share."""

    def __init__(self):
        usable = sorted(os.sched_getaffinity(0))
        if len(usable) < 2:
            raise SystemExit("bench: at least two cores are needed: one for the server, one for its client.")
        interrupts = device_interrupts()
        quiet = min(usable, key=lambda core: interrupts.get(core, 0))
        self.all = usable
        self.server = [quiet]
        self.others = [core for core in usable if core != quiet]
        # The backend of a proxy has a core of its own, if one is left for the client.
        self.backend = self.others[:1]
        self.proxy_load = self.others[1:] or self.others

    def servers(self, count):
        """As many cores for one server, and those that are left for its client: all, if none is left."""
        server = (self.server + self.others)[:count]
        return server, [core for core in self.all if core not in server] or self.all

    def remarks(self):
        if len(self.all) >= 4:
            return []
        return [f"This machine has {len(self.all)} usable cores: the server has one, and everything else shares "
                f"{'the other' if len(self.all) == 2 else 'the others'}. Servers may not have been saturated."]


def device_interrupts():
    """For each core the interrupts that devices raised there since the start."""
    counts = {}
    try:
        lines = pathlib.Path("/proc/interrupts").read_text().splitlines()
    except OSError:
        return counts
    cores = [int(name[3:]) for name in lines[0].split()]
    for line in lines[1:]:
        number, _, rest = line.partition(":")
        if number.strip().isdigit():
            for core, count in zip(cores, rest.split()):
                counts[core] = counts.get(core, 0) + int(count)
    return counts


def cpu_ns(pids):
    """The CPU time that these processes, with all their threads, have taken.

    It is the scheduler's counter, as in /proc/PID/task/*/schedstat, but read by way of the process's clock, which is up
    to date while the process runs; schedstat is so only to the last tick (4 ms).
    """
    return sum(time.clock_gettime_ns((~pid << 3) | 2) for pid in pids)  # 2: CPUCLOCK_SCHED


def cpu_ticks(pids):
    """User and kernel time of these processes, with all their threads, in ticks: coarse, and only good for shares."""
    user = kernel = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        user, kernel = user + int(fields[11]), kernel + int(fields[12])
    return user, kernel


def descendants(pid):
    """The process and all that it started, directly or not."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = pathlib.Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(entry))
    found = [pid]
    for parent in found:
        found.extend(children.get(parent, []))
    return found


def anonymous_bytes(pids):
    """User memory: the pages that these processes have and no file has."""
    total = 0
    for pid in pids:
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += int(re.search(r"^Anonymous:\s+(\d+) kB", text, re.MULTILINE).group(1)) * 1024
    return total


def raise_descriptor_limit():
    """As many descriptors as may be had without asking; how many that is."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Noise:
    """What others took of this machine during a run, and how evenly it worked."""

    def __init__(self, core):
        self._core = core
        self._calibrations = []
        self._others_ns = 0
        self._steal_ns = 0
        self._wall_ns = 0
        self._busiest = (0.0, None)

    def watch(self, name):
        """A context around something whose processes have all ended when it is left."""
        return _Watch(self, name)

    def calibrate(self):
        """The same piece of work on the server's core, while no server works."""
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {self._core})
        best = min(_work() for _ in range(3))
        os.sched_setaffinity(0, before)
        self._calibrations.append(best)

    def account(self, name, others_ns, steal_ns, wall_ns):
        self._others_ns += others_ns
        self._steal_ns += steal_ns
        self._wall_ns += wall_ns
        share = others_ns / wall_ns
        if share > self._busiest[0]:
            self._busiest = (share, name)

    def report(self):
        wall = max(1, self._wall_ns)
        spread = 0.0
        if len(self._calibrations) >= 4:
            figures = summary.Summary(self._calibrations)
            spread = (figures.q3 - figures.q1) / figures.median
        others, steal = self._others_ns / wall, self._steal_ns / wall / os.cpu_count()
        reasons = []
        if others > OTHERS_LIMIT:
            reasons.append(f"other processes took {others:.0%} of a core")
        elif self._busiest[0] > 2 * OTHERS_LIMIT:
            reasons.append(f"other processes took {self._busiest[0]:.0%} of a core during {self._busiest[1]}")
        if steal > STEAL_LIMIT:
            reasons.append(f"the hypervisor took {steal:.1%} of all cores")
        if spread > CALIBRATION_LIMIT:
            reasons.append(f"the same piece of work took {spread:.0%} more or less time")
        return {
            "others_of_a_core": round(others, 4),
            "steal_of_all_cores": round(steal, 4),
            "calibration_spread": round(spread, 4),
            "remark": "this machine is noisy: " + ", ".join(reasons) if reasons else None,
        }


class _Watch:
    def __init__(self, noise, name):
        self._noise = noise
        self._name = name

    def __enter__(self):
        self._wall = time.monotonic_ns()
        self._busy, self._steal = _machine_ns()
        self._ours = _our_ns()

    def __exit__(self, *_):
        busy, steal = _machine_ns()
        others = (busy - self._busy) - (_our_ns() - self._ours)
        self._noise.account(self._name, max(0, others), steal - self._steal, time.monotonic_ns() - self._wall)


def _work():
    start = time.perf_counter_ns()
    value = 1
    for _ in range(30000):
        value = value * 1103515245 + 12345 & 0x7FFFFFFF
    return time.perf_counter_ns() - start


def _machine_ns():
    """Busy and stolen time of all cores."""
    with open("/proc/stat") as file:
        fields = [int(field) for field in file.readline().split()[1:9]]
    tick = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields
    return (user + nice + system + irq + softirq) * tick, steal * tick


def _our_ns():
    """What we and those of our processes that have ended took."""
    usages = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return int(sum(usage.ru_utime + usage.ru_stime for usage in usages) * 1e9)


def description():
    """What has to be known of this machine to understand its figures."""
    model = re.search(r"^model name\s*:\s*(.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    try:
        openssl = subprocess.run(["openssl", "version"], capture_output=True, text=True).stdout.split()[1]
    except (OSError, IndexError):
        openssl = "unknown"
    return {
        "cpu": model.group(1).strip() if model else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "openssl": openssl,
    }
