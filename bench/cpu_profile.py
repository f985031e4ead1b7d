# cpu_profile: where the CPU time of an operation goes: which part of the kernel, which library, or the program itself.
#
# SPDX-License-Identifier: Apache-2.0
"""Samples of `perf record` tell the shares, and the scheduler's clock what is shared, in the same interval."""

import collections
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess

import report
from client import TIMEOUT
from server import Failure, Missing, start_process
from summary import Summary, paired_ratios

# A timer, since virtual machines often have no counter of cycles; 997 per second of CPU time.
TIME = ("-e", "cpu-clock", "-F", "997")
# Each 7th system call. Both are primes, and so no divisors of what else happens so often. If perf is to note the
# period, the kernel ignores it and samples every call.
PERIOD = 7
CALLING = ("-e", "raw_syscalls:sys_enter", "-c", str(PERIOD), "--no-period")

# System calls by what they are for. The first that is found from the outermost frame on is what a sample counts for:
# what the kernel does within it for the other side, as loopback's receiver within send, is part of it.
CALLS = {call: row for row, calls in {
    "accept, close": "accept accept4 close",
    "shutdown": "shutdown",
    "socket, connect": "socket connect",
    "send": "send sendto sendmsg write writev",
    "receive": "recv recvfrom recvmsg read readv",
    "epoll": "epoll_ctl epoll_wait epoll_pwait epoll_pwait2 poll ppoll select pselect6",
}.items() for call in calls.split()}
KERNEL_ROWS = (*dict.fromkeys(CALLS.values()), "the rest")
USER_ROWS = ("libcrypto", "libssl", "libc and malloc", "the program, Boost, libstdc++", "Qt, GLib")
PREFIX = re.compile(r"^(?:__(?:x64|arm64)_sys_|__do_sys_|ksys_|__sys_|__GI_|__libc_|_+)")

HOW = ("CPU time per operation is the scheduler's, under perf, and the samples are of the same interval: so it "
       "includes what perf costs. The first column is the median of {rounds}{quick}; the others are as many times that "
       "as in the median round. In parentheses: the kernel's share, and how many system calls an operation has.")


def check_perf():
    """Raises Missing with the reason why nothing can be sampled."""
    if shutil.which("perf") is None:
        raise Missing("--profile needs perf, which isn't installed (Debian: linux-perf)")
    trial = subprocess.run(["perf", "record", "-q", "-e", "cpu-clock:k", "-o", "/dev/null", "--", "true"],
                           capture_output=True, text=True)
    if trial.returncode != 0:
        raise Missing("perf may not look into the kernel: --profile needs root, or kernel.perf_event_paranoid at 1 or "
                      "less (and kernel.kptr_restrict at 0)")
    with open("/proc/kallsyms") as symbols:
        if not any(int(line.split()[0], 16) for line in symbols):
            raise Missing("the kernel hides its symbols: --profile needs root, or kernel.kptr_restrict at 0")


def can_count_calls():
    """Tracepoints are more than samples of time: not every kernel has them, and not everybody may use them."""
    return subprocess.run(["perf", "record", "-q", *CALLING, "-o", "/dev/null", "--", "true"],
                          capture_output=True).returncode == 0


def call_of(symbol):
    """The system call that a frame stands for, by the kernel's name of it or libc's."""
    while (shorter := PREFIX.sub("", symbol)) != symbol:
        symbol = shorter
    return CALLS.get(symbol)


def row_of(frames):
    """Which row a sample counts for. `frames`: address, symbol and object of each, the innermost first."""
    depth = next((index for index, frame in enumerate(frames) if frame[0] < 1 << 63), len(frames))
    if depth:
        # At the very door of the kernel no frame tells the call yet, but libc's function that has called does.
        for _, symbol, _ in [*reversed(frames[:depth]), *frames[depth:depth + 1]]:
            if row := call_of(symbol):
                return row
        return "the rest"
    name = os.path.basename(frames[0][2])
    for library, row in (("libcrypto.", USER_ROWS[0]), ("libssl.", USER_ROWS[1]), ("libc.", USER_ROWS[2]),
                         ("ld-linux", USER_ROWS[2]), ("[vdso]", USER_ROWS[2]), ("libQt6", USER_ROWS[4]),
                         ("libglib-", USER_ROWS[4])):
        if name.startswith(library):
            return row
    return USER_ROWS[3]


def count_rows(script, interval_ns):
    """Samples per row in the output of `perf script -F time,ip,sym,dso --ns`, within the interval."""
    counts = collections.Counter()
    for block in script.split("\n\n"):
        head, _, rest = block.strip().partition("\n")
        frames = [(int(found[1], 16), found[2], found[3])
                  for found in re.finditer(r"^\s*([0-9a-f]+) (.*) \(([^\n]*)\)$", rest, re.MULTILINE)]
        if frames and interval_ns[0] <= float(head.strip().rstrip(":")) * 1e9 <= interval_ns[1]:
            counts[row_of(frames)] += 1
    return counts


class Recording:
    """perf, attached to running processes. It samples from when this is entered until `script` is asked for."""

    def __init__(self, event, pids, cores, directory):
        self._data = pathlib.Path(directory) / "perf.data"
        command_read, self._command = os.pipe()
        self._answer, answer_write = os.pipe()
        # -D -1: it samples nothing before it is told to. CLOCK_MONOTONIC: the clock that the interval is told by.
        self._perf = start_process(
            ["perf", "record", "-q", "-k", "CLOCK_MONOTONIC", *event, "-g", "-D", "-1", "--control",
             f"fd:{command_read},{answer_write}", "-o", self._data, "-p", ",".join(map(str, pids))],
            cores, pass_fds=(command_read, answer_write), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        os.close(command_read)
        os.close(answer_write)

    def __enter__(self):
        try:
            with contextlib.suppress(BrokenPipeError):
                os.write(self._command, b"enable\n")
            if not os.read(self._answer, 16).startswith(b"ack"):
                raise Failure(f"perf doesn't record: {self._perf.communicate()[1].decode(errors='replace').strip()}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self._perf.poll() is None:
            self._perf.kill()
            self._perf.communicate()
        os.close(self._command)
        os.close(self._answer)

    def script(self):
        self._perf.send_signal(signal.SIGINT)
        try:
            self._perf.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            raise Failure("perf record doesn't end") from None
        found = subprocess.run(["perf", "script", "-i", self._data, "-F", "time,ip,sym,dso", "--ns"],
                               capture_output=True, text=True, errors="replace")
        if found.returncode != 0:
            raise Failure(f"perf script: {found.stderr.strip()}")
        return found.stdout


class Profile:
    """What the rounds of one subject add up to."""

    def __init__(self):
        self.cpu_us = []
        self.counts = collections.Counter()
        self.calls = None  # of an operation, for each row of the kernel

    def add(self, cpu_us, counts):
        self.cpu_us.append(cpu_us)
        self.counts.update(counts)

    def total(self, reference):
        """µs of an operation: as many times the reference's as in the median round: the machine's speed may vary."""
        return Summary(reference.cpu_us).median * Summary(paired_ratios(self.cpu_us, reference.cpu_us)).median

    def rows(self, reference):
        """What each row has of them."""
        samples = sum(self.counts.values())
        total = self.total(reference)
        return {row: total * self.counts[row] / samples for row in KERNEL_ROWS + USER_ROWS} if samples else {}


def profile_once(figure, bench, subject, profile, with_calls):
    """One subject alone, started anew: its CPU time per operation, and the samples of the same interval."""
    with contextlib.ExitStack() as stack:
        opened = figure.open(bench, subject, stack)
        sample, counts = record(TIME, figure, bench, opened, subject)
        profile.add(sample["cpu_ns"] / 1000, counts)
        if with_calls:
            sample, counts = record(CALLING, figure, bench, opened, subject)
            first, last = sample["interval_ns"]
            operations = sample["rate"] * (last - first) / 1e9
            profile.calls = {row: counts[row] * PERIOD / operations for row in KERNEL_ROWS}


def record(event, figure, bench, opened, subject):
    with Recording(event, opened.pids, bench.cores.others, bench.directory) as recording:
        sample = figure.measure(bench, opened, subject)
        counts = count_rows(recording.script(), sample["interval_ns"])
    if not counts:
        raise Failure(f"perf took no sample of {subject}")
    return sample, counts


def profile_figure(figure, bench, rounds, noise):
    """Round by round, so that what changes on the machine meanwhile changes it for all. Markdown."""
    limit = ("in_memory",) if "in_memory" in figure.subjects else ()
    profiles = {subject: Profile() for subject in figure.profiled + limit}
    absent = {}
    counts_calls = can_count_calls()
    for index in range(rounds):
        noise.calibrate()
        for subject in profiles:
            if subject in absent:
                continue
            try:
                if subject in limit:
                    with contextlib.ExitStack() as stack:
                        opened = figure.open(bench, subject, stack)
                        profiles[subject].add(figure.measure(bench, opened, subject)["cpu_ns"] / 1000, {})
                else:
                    profile_once(figure, bench, subject, profiles[subject], counts_calls and index == 0)
            except (Missing, Failure) as reason:
                absent[subject] = str(reason)
    present = {subject: profile for subject, profile in profiles.items() if subject not in absent}
    return "\n".join(table(figure, present, absent, rounds))


def calls_text(calls):
    return f" ({calls:.1f})" if calls and calls >= 0.05 else ""


def table(figure, profiles, absent, rounds):
    reference = next(iter(profiles.values()), None)
    totals = {subject: profile.total(reference) for subject, profile in profiles.items()}
    rows = {subject: profile.rows(reference) for subject, profile in profiles.items()}
    shown = [subject for subject in profiles if rows[subject]]

    def line(title, cell):
        return f"| {title} | " + " | ".join(cell(subject) for subject in shown) + " |"

    def kernel(subject):
        return sum(rows[subject][row] for row in KERNEL_ROWS)

    samples = min((sum(profiles[subject].counts.values()) for subject in shown), default=0)
    lines = [f"#### {figure.title} (`{figure.name}`)", ""]
    if shown:
        lines += [line("µs per operation", str), "|---|" + "---:|" * len(shown),
                  line("**in all**", lambda subject: f"**{report.number(totals[subject])}**"),
                  line("**the kernel**", lambda subject: f"**{report.number(kernel(subject))}** "
                                                         f"({kernel(subject) / totals[subject]:.0%})")]
        for row in KERNEL_ROWS + USER_ROWS:
            if any(rows[subject][row] for subject in shown):
                title = f"kernel: {row}" if row in KERNEL_ROWS else row
                lines.append(line(title, lambda subject: report.number(rows[subject][row])
                                  + calls_text((profiles[subject].calls or {}).get(row))))
        if any(profiles[subject].calls for subject in shown):
            lines.append(line("system calls", lambda subject: f"{sum((profiles[subject].calls or {}).values()):.1f}"))
        lines += ["", f"{rounds} round{'' if rounds == 1 else 's'}, at least {samples} samples each."]
    for subject in profiles:
        if subject not in shown:
            lines[-1] += (f" The limit, {subject}, which has neither kernel nor program: "
                          f"{report.number(totals[subject])} µs.")
    lines += ["", *(f"Not measured: {subject}, {reason}." for subject, reason in absent.items())] if absent else []
    return lines + [""]
