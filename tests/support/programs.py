# programs: runs other people's programs for the tests, in an environment that decides nothing for them.
#
# SPDX-License-Identifier: Apache-2.0

import os
import shutil
import subprocess
import tty

from sallyport import EVENT_TIMEOUT, LineCollector

# The Debian package of each program, for the message when it is missing.
PACKAGES = {"openssl": "openssl", "gnutls-cli": "gnutls-bin", "curl": "curl", "node": "nodejs",
            "softhsm2-util": "softhsm2"}

# What would make a client trust other CAs, or use other settings, than those the test gives it.
FOREIGN_VARIABLES = ("SSL", "OPENSSL", "CURL", "NODE", "GNUTLS", "REQUESTS_CA_BUNDLE")


def program(name):
    """The path of a program. A missing one is a failure: a test that doesn't run must not look like one that passed."""
    path = shutil.which(name)
    if path is None:
        raise AssertionError(f"{name} is missing: install the Debian package {PACKAGES[name]}")
    return path


def clean_environment():
    """The environment without the variables that clients take CAs, settings and proxies from."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(FOREIGN_VARIABLES) and not name.lower().endswith("_proxy")
    }


def run_program(name, *arguments, timeout=60, input=None):
    """Runs a program that must succeed; its standard output."""
    finished = subprocess.run([program(name), *map(str, arguments)], input=input, env=clean_environment(),
                              capture_output=True, timeout=timeout)
    if finished.returncode != 0:
        raise AssertionError(f"{name} {' '.join(map(str, arguments))}: status {finished.returncode}\n"
                             + finished.stderr.decode("utf-8", "replace"))
    return finished.stdout


class RunningProgram:
    """A program that a test talks to line by line. Its standard error is part of `lines`."""

    def __init__(self, name, *arguments):
        self._name = name
        # A pseudo-terminal, because into a pipe the C library would keep the lines back.
        ours, theirs = os.openpty()
        tty.setraw(theirs)
        self._output = os.fdopen(ours, "rb")
        self._process = subprocess.Popen([program(name), *map(str, arguments)], stdin=subprocess.PIPE,
                                         stdout=theirs, stderr=theirs, env=clean_environment())
        os.close(theirs)
        self._collector = LineCollector(self._output)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process.poll() is None:
            self.kill()
        self._collector.join(EVENT_TIMEOUT)
        self._output.close()
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass

    @property
    def lines(self):
        return self._collector.lines()

    @property
    def text(self):
        return "\n".join(self.lines)

    def send(self, text):
        self._process.stdin.write(text.encode())
        self._process.stdin.flush()

    def end_input(self):
        self._process.stdin.close()

    def wait_for(self, pattern, timeout=EVENT_TIMEOUT, start=0):
        """The first match of a regular expression in a line of the output; waits for it."""
        match = self.finds(pattern, timeout, start)
        if match is None:
            raise AssertionError(f"{self._name}: no line matched {pattern!r} in {timeout} s; its output:\n{self.text}")
        return match

    def finds(self, pattern, timeout=EVENT_TIMEOUT, start=0):
        """The same; None if it ends without one."""
        return self._collector.find(pattern, timeout, start)

    def kill(self):
        self._process.kill()
        self._process.wait()

    def finish(self, timeout=EVENT_TIMEOUT):
        """The exit status, once it has ended and all its output was read."""
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self._name}: still running after {timeout} s; its output:\n{self.text}") from None
        self._collector.join(timeout)
        return status
