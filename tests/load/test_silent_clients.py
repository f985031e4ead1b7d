# test_silent_clients: clients that never complete a handshake are gone on time, and keep nobody waiting.
#
# SPDX-License-Identifier: Apache-2.0

import signal
import time
import unittest

from certificates import Certificates
from good_client import GoodClient
from hostile import Swarm, client_hello, figure, promise, raise_descriptor_limit
from load_client import LoadClient, visit
from sallyport import Server

CLIENTS = 2000
HANDSHAKE_TIMEOUT = 2.0

# What a kernel keeps for a server that doesn't accept: no more than net.core.somaxconn, which is seldom less.
BURST = 2000

# So many that each client is held until the timeout, instead of being evicted for the others' sake.
NO_EVICTION = ("--max-handshakes", 10000, "--max-handshakes-per-address", 10000)


class SilentClients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        raise_descriptor_limit(CLIENTS + 500)
        cls.certificates = Certificates()
        cls.addClassCleanup(cls.certificates.remove)
        cls.hello = client_hello()

    def test_silent_with_default_limits(self):
        self._expect_gone_in_time(evicted=True)

    def test_silent_without_eviction(self):
        self._expect_gone_in_time(*NO_EVICTION)

    def test_half_a_client_hello_with_default_limits(self):
        self._expect_gone_in_time(evicted=True, first=self._half_hello())

    def test_half_a_client_hello_without_eviction(self):
        self._expect_gone_in_time(*NO_EVICTION, first=self._half_hello())

    def test_a_byte_a_second_with_default_limits(self):
        self._expect_gone_in_time(evicted=True, first=self.hello[:1], drip=self.hello[1:])

    def test_a_byte_a_second_without_eviction(self):
        self._expect_gone_in_time(*NO_EVICTION, first=self.hello[:1], drip=self.hello[1:])

    def test_a_good_client_in_the_middle_of_a_burst(self):
        """All connect while the server is stopped, so that it finds them all at once: who has said what he wants isn't
        evicted for the others' sake before he was listened to."""
        with Server("echo", *self.certificates.ecdsa.options()) as server:
            visit(server)
            server.send_signal(signal.SIGSTOP)
            try:
                before = self.enterContext(Swarm(server, BURST // 2, self._half_hello()))
                good = self.enterContext(LoadClient(server, handshake=False))
                good.begin_handshake()
                after = self.enterContext(Swarm(server, BURST // 2, self._half_hello()))
            finally:
                server.send_signal(signal.SIGCONT)
            start = time.monotonic()
            good.handshake()
            good.echo()
            duration = time.monotonic() - start
        figure(f"served after {duration:.3f} s, between {before.alive} and {after.alive} others")
        self.assertLess(duration, promise(1.0, 5.0))

    def _half_hello(self):
        return self.hello[: len(self.hello) // 2]

    def _expect_gone_in_time(self, *options, evicted=False, first=b"", drip=b""):
        # At debug each of them gets its line; at info the log summarises.
        options += ("--handshake-timeout", f"{HANDSHAKE_TIMEOUT:g}s", "--log-level", "debug")
        with Server("echo", *self.certificates.ecdsa.options(), *options) as server:
            with GoodClient(server) as good:
                with Swarm(server, CLIENTS, first, drip) as swarm:
                    swarm.run(HANDSHAKE_TIMEOUT + 20)
                    self.assertEqual(swarm.alive, 0, "clients that were never cut off")
            # A line of the log for each, no more and no less.
            failures = self._wait_for_failures(server)
        figure(f"gone after {min(swarm.lifetimes):.3f} to {max(swarm.lifetimes):.3f} s; "
               f"{good.visits} visits of a good client, the worst {good.worst:.3f} s; {failures}")
        self.assertLess(max(swarm.lifetimes), HANDSHAKE_TIMEOUT + promise(1.0, 4.0))
        self.assertEqual(good.failures, [])
        self.assertGreater(good.visits, 10)
        self.assertLess(good.worst, promise(1.0, 5.0))
        self.assertEqual(sum(failures.values()), CLIENTS)
        if evicted:
            self.assertGreater(failures["evicted"], 0)
        else:
            # Nobody is cut off early: a slow client has the whole time. (The server's clock starts a little later.)
            self.assertGreater(min(swarm.lifetimes), HANDSHAKE_TIMEOUT - 0.05)
            self.assertEqual(failures, {"timeout_before_client_hello": CLIENTS, "evicted": 0})

    def _wait_for_failures(self, server):
        deadline = time.monotonic() + promise(5.0, 20.0)
        while True:
            lines = [line for line in server.log if "handshake failed" in line]
            if len(lines) >= CLIENTS or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        return {
            reason: sum(f"reason={reason}" in line for line in lines)
            for reason in ("timeout_before_client_hello", "evicted")
        }


if __name__ == "__main__":
    unittest.main(verbosity=2)
