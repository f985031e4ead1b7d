# test_descriptors: a server that has run out of descriptors waits quietly and recovers.
#
# SPDX-License-Identifier: Apache-2.0

import time
import unittest

from certificates import Certificates
from hostile import figure
from load_client import LoadClient, connect, visit
from sallyport import EVENT_TIMEOUT, Server

DESCRIPTORS = 64
CLIENTS = 200
HANDSHAKE_TIMEOUT = 10.0
OBSERVED = 3.0
CPU_SHARE = 0.10

ACCEPT_FAILED = "accept failed"
EVICTED = "reason=evicted"

# The most lines of log about failing accepts, while they last.
LINES_PER_SECOND = 3


class Descriptors(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.certificates = Certificates()
        cls.addClassCleanup(cls.certificates.remove)

    def setUp(self):
        self.clients = []
        self.addCleanup(self._close_clients)

    def test_clients_without_a_handshake(self):
        with self._server() as server:
            visit(server)
            for _ in range(CLIENTS):
                self.clients.append(connect(server))
            # Whoever stays silent gives its descriptor to a newer client: these don't keep a good one waiting.
            server.wait_for_log(f"{ACCEPT_FAILED}|{EVICTED}")
            visit(server)
            self._expect_quiet(server)
            self._expect_recovery(server)

    def test_clients_that_stay(self):
        with self._server() as server:
            visit(server)
            served = 0
            while len(self.clients) < CLIENTS:
                # The server takes as many as it has descriptors for; the others wait in the kernel's backlog.
                client = LoadClient(server, timeout=0.2, handshake=False)
                self.clients.append(client.socket)
                client.begin_handshake()
                served += self._served(client, server)
            figure(f"{served} of {CLIENTS} clients were served")
            self.assertGreater(served, DESCRIPTORS // 2)
            server.wait_for_log(ACCEPT_FAILED)
            self._expect_quiet(server)
            self._expect_recovery(server)

    def _served(self, client, server):
        """Whether the handshake completes, or False as soon as the log says that there are no more descriptors."""
        deadline = time.monotonic() + EVENT_TIMEOUT
        while not self._failures(server):
            try:
                client.handshake()
                return True
            except TimeoutError:
                self.assertLess(time.monotonic(), deadline, "a client isn't served, and the log doesn't say why")
        return False

    def _server(self):
        return Server("echo", *self.certificates.ecdsa.options(), "--handshake-timeout", f"{HANDSHAKE_TIMEOUT:g}s",
                      descriptor_limit=DESCRIPTORS)

    def _failures(self, server):
        return sum(ACCEPT_FAILED in line for line in server.log)

    def _expect_quiet(self, server):
        cpu, lines, start = server.cpu_seconds(), self._failures(server), time.monotonic()
        # Nothing is waited for here: the time itself is what is measured.
        time.sleep(OBSERVED)
        elapsed = time.monotonic() - start
        share = (server.cpu_seconds() - cpu) / elapsed
        lines = self._failures(server) - lines
        self.assertTrue(server.is_running())
        figure(f"{share * 100:.1f} % CPU and {lines} lines of log in {elapsed:.1f} s, "
               f"{server.descriptors()} descriptors")
        self.assertLess(share, CPU_SHARE)
        self.assertLess(lines, LINES_PER_SECOND * elapsed)

    def _expect_recovery(self, server):
        self._close_clients()
        start = time.monotonic()
        visit(server, timeout=HANDSHAKE_TIMEOUT)
        elapsed = time.monotonic() - start
        figure(f"a good client was served {elapsed:.3f} s after the others had gone")
        self.assertLess(elapsed, HANDSHAKE_TIMEOUT)

    def _close_clients(self):
        while self.clients:
            self.clients.pop().close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
