# traces: what a server tells of one connection, line by line.
#
# SPDX-License-Identifier: Apache-2.0

import re

from programs import RunningProgram

TIMEOUT = 20


def trace_of(program, scenario, version, identity, ca, connect, handshake_timeout):
    """Starts a server for the scenario and calls connect(port, accepted); the lines that the server has printed.
    accepted() returns when it has a socket for the client."""
    options = ["--scenario", scenario.name, "--version", version, *identity.options(), "--ca", ca]
    if handshake_timeout is not None:
        options += ["--timeout", handshake_timeout]
    with RunningProgram(program, *options) as server:
        port = int(server.wait_for(r"^port (\d+)", TIMEOUT).group(1))
        connect(port, lambda: server.wait_for("^accepted$", TIMEOUT))
        status = server.finish(TIMEOUT)
        lines = [line for line in server.lines if not line.startswith(("port ", "accepted"))]
        if status != 0:
            raise AssertionError(f"the server ended with {status}; its output:\n{server.text}")
        # OpenSSL's words, with the address of its error.
        return [re.sub(r"0x[0-9a-f]+", "0x", line) for line in lines]
