# good_client: an honest client in a process of its own, which keeps measuring how well it is served.
#
# SPDX-License-Identifier: Apache-2.0
"""In a process of its own, so that what a test does with 2,000 sockets doesn't count as the server's slowness.

    with GoodClient(server) as good:
        ...
    print(good.visits, good.worst, good.failures)
"""

import json
import select
import ssl
import subprocess
import sys
import time
import types

from load_client import BOTH_VERSIONS, visit
from tls_stream import Truncated

PAUSE = 0.005
TIMEOUT = 20.0


class GoodClient:
    """Completes one handshake and echo after another, alternating TLS 1.2 and 1.3, until the context is left."""

    def __init__(self, server):
        self._arguments = [sys.executable, __file__, server.host, str(server.port)]
        self.visits = 0
        self.worst = 0.0  # the longest visit, in seconds
        self.failures = []

    def __enter__(self):
        self._process = subprocess.Popen(self._arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self._process.stdout.readline() != "served\n":
            self._process.kill()
            self._process.communicate()
            raise AssertionError("the good client wasn't served even before the load began")
        return self

    def __exit__(self, kind, value, trace):
        output, _ = self._process.communicate(timeout=3 * TIMEOUT)
        if kind is None:
            result = json.loads(output)
            self.visits, self.worst, self.failures = result["visits"], result["worst"], result["failures"]
        return False


def main(host, port):
    server = types.SimpleNamespace(host=host, port=int(port))
    visit(server)
    print("served", flush=True)
    visits, worst, failures = 0, 0.0, []
    while not select.select([sys.stdin], [], [], PAUSE)[0]:
        start = time.monotonic()
        try:
            worst = max(worst, visit(server, BOTH_VERSIONS[visits % 2], TIMEOUT))
        except (OSError, ssl.SSLError, Truncated, AssertionError) as failure:
            failures.append(f"after {time.monotonic() - start:.3f} s: {failure!r}")
        visits += 1
    print(json.dumps({"visits": visits, "worst": worst, "failures": failures}))


if __name__ == "__main__":
    main(*sys.argv[1:])
