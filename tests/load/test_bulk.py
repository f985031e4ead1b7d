# test_bulk: 50 MB through the command arrive unchanged, in both TLS versions, also when the client half-closes.
#
# SPDX-License-Identifier: Apache-2.0

import hashlib
import random
import time
import unittest

from backend import Backend
from certificates import Certificates
from hostile import echo_backend, figure
from load_client import BOTH_VERSIONS, LoadClient, exchange
from sallyport import Server

SIZE = 50 * 1000 * 1000
LARGEST_CHUNK = 100 * 1000


class Bulk(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.certificates = Certificates()
        cls.addClassCleanup(cls.certificates.remove)
        cls.seed = random.SystemRandom().getrandbits(32)
        cls.random = random.Random(cls.seed)
        figure(f"seed {cls.seed}")
        cls.data = cls.random.randbytes(SIZE)
        cls.digest = hashlib.sha256(cls.data).hexdigest()

    def test_echo(self):
        with Server("echo", *self.certificates.ecdsa.options()) as server:
            self._expect_the_same_back(server)

    def test_forward(self):
        with Backend(echo_backend) as backend:
            with Server("forward", *self.certificates.ecdsa.options(), "--to", backend.address) as server:
                self._expect_the_same_back(server)

    def _expect_the_same_back(self, server):
        for version in BOTH_VERSIONS:
            for half_close in (False, True):
                # A lazy reader has the most still to come when it half-closes.
                with self.subTest(version=version.name, half_close=half_close):
                    start = time.monotonic()
                    received = hashlib.sha256()
                    with LoadClient(server, version) as client:
                        exchange(client, self._chunks(), received.update, half_close, lazy=half_close)
                        client.expect_fin()
                    rate = SIZE / 1e6 / (time.monotonic() - start)
                    figure(f"{version.name}{', half-closed' if half_close else ''}: {rate:.0f} MB/s")
                    self.assertEqual(received.hexdigest(), self.digest)

    def _chunks(self):
        at = 0
        while at < SIZE:
            size = self.random.randint(1, self.random.choice((100, 20000, LARGEST_CHUNK)))
            yield self.data[at : at + size]
            at += size


if __name__ == "__main__":
    unittest.main(verbosity=2)
