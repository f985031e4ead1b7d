# test_never_reads: whoever sends without end to somebody who never reads is held back, and costs no memory.
#
# SPDX-License-Identifier: Apache-2.0

import hashlib
import random
import select
import threading
import unittest

from backend import Backend
from certificates import Certificates
from hostile import echo_backend, figure, promise, settled, small_quarantine
from load_client import BOTH_VERSIONS, BUFFER_SIZE, TIMEOUT, LoadClient, exchange, send_until_blocked, visit
from sallyport import Server

ENDLESS = 1 << 30
MEMORY = 2 * 1024 * 1024


class Stream:
    """Chunks of random bytes, ENDLESS in total, and the digest of those that were taken."""

    def __init__(self):
        self._random = random.Random(1)
        self.digest = hashlib.sha256()
        self.size = 0

    def __iter__(self):
        while self.size < ENDLESS:
            chunk = self._random.randbytes(64 * 1024)
            self.digest.update(chunk)
            self.size += len(chunk)
            yield chunk


class NeverReads(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.certificates = Certificates()
        cls.addClassCleanup(cls.certificates.remove)
        cls.options = cls.certificates.ecdsa.options()
        # Nothing has moved for so long: nothing ever will.
        cls.patience = promise(1.5, 5.0)

    def test_client_of_echo(self):
        for version in BOTH_VERSIONS:
            with self.subTest(version=version.name):
                with Server("echo", *self.options, environment=small_quarantine()) as server:
                    before = self._memory_after_warm_up(server)
                    self._send_and_read_late(server, version, before)

    def test_client_of_forward_that_sends(self):
        """The client sends to an echo behind `forward` and doesn't read what comes back."""
        with Backend(echo_backend) as backend:
            with self._forward_to(backend) as server:
                before = self._memory_after_warm_up(server)
                self._send_and_read_late(server, None, before)

    def test_client_of_forward_with_a_fast_backend(self):
        """The backend sends without being asked; the client doesn't read."""
        stream = Stream()
        blocked, finish = threading.Event(), threading.Event()

        def send_without_end(connection):
            connection.settimeout(TIMEOUT)
            chunks = iter(stream)
            waiting = select.poll()
            waiting.register(connection, select.POLLOUT)
            while waiting.poll(self.patience * 1000):
                # What POLLOUT promises room for is less than a chunk: the rest may have to wait for the client.
                chunk = memoryview(next(chunks))
                while chunk and waiting.poll(self.patience * 1000):
                    chunk = chunk[connection.send(chunk) :]
                if chunk:
                    blocked.set()
                    finish.wait(TIMEOUT)
                    connection.sendall(chunk)
                    return
            blocked.set()
            finish.wait(TIMEOUT)

        def serve(connection):
            # The first bytes tell what the client is here for.
            request = connection.recv(64)
            if request == b"endless":
                send_without_end(connection)
            else:
                connection.sendall(request)
                echo_backend(connection)

        with Backend(serve) as backend:
            with self._forward_to(backend) as server:
                before = self._memory_after_warm_up(server)
                with LoadClient(server) as client:
                    client.send(b"endless")
                    self.assertTrue(blocked.wait(TIMEOUT), "the backend was never held back")
                    self.assertLess(stream.size, ENDLESS)
                    visit(server)
                    self._expect_little_memory(server, before, stream.size)
                    finish.set()
                    received = hashlib.sha256()
                    while data := client.receive():
                        received.update(data)
                    self.assertEqual(received.digest(), stream.digest.digest())
                    self._expect_little_memory(server, before, stream.size)

    def test_backend_of_forward(self):
        """The client sends; the backend doesn't read."""
        finish = threading.Event()
        digests = []

        def serve(connection):
            connection.settimeout(TIMEOUT)
            first = connection.recv(7)
            if first != b"endless":
                connection.sendall(first)
                echo_backend(connection)
                return
            finish.wait(TIMEOUT)
            received = hashlib.sha256()
            while data := connection.recv(BUFFER_SIZE):
                received.update(data)
            digests.append(received.digest())

        with Backend(serve) as backend:
            with self._forward_to(backend) as server:
                before = self._memory_after_warm_up(server)
                stream = Stream()
                with LoadClient(server) as client:
                    client.send(b"endless")
                    send_until_blocked(client, stream, self.patience)
                    self.assertLess(stream.size, ENDLESS, "the client was never held back")
                    visit(server)
                    self._expect_little_memory(server, before, stream.size)
                    finish.set()
                    exchange(client, (), lambda data: self.fail("the backend sent nothing"), half_close=True)
                self._expect_little_memory(server, before, stream.size)
        self.assertEqual(digests, [stream.digest.digest()])

    def _forward_to(self, backend):
        return Server("forward", *self.options, "--to", backend.address, environment=small_quarantine())

    def _send_and_read_late(self, server, version, before):
        stream, received = Stream(), hashlib.sha256()
        with LoadClient(server, version) as client:
            send_until_blocked(client, stream, self.patience)
            self.assertLess(stream.size, ENDLESS, "the client was never held back")
            for other in BOTH_VERSIONS:
                visit(server, other)
            self._expect_little_memory(server, before, stream.size)
            exchange(client, (), received.update, half_close=True)
        self.assertEqual(received.digest(), stream.digest.digest())
        self._expect_little_memory(server, before, stream.size)

    def _memory_after_warm_up(self, server):
        """What the server holds when its code and its loop's window have been used, and nobody is connected."""
        idle = None
        for version in BOTH_VERSIONS:
            with LoadClient(server, version) as client:
                exchange(client, [bytes(1000)] + [bytes(64 * 1024)] * 16, lambda data: None, half_close=False)
            idle = server.descriptors() if idle is None else idle
        settled(server.descriptors, idle - 1, timeout=2.0)
        return server.rss(), server.peak_rss()

    def _expect_little_memory(self, server, before, size):
        memory, peak = before
        # A new peak tells also what was there only for a moment.
        new_peak = server.peak_rss()
        growth = max(server.rss(), new_peak if new_peak > peak else 0) - memory
        figure(f"{size / 1e6:.1f} MB taken, memory up by {growth / 1024:.0f} KiB")
        self.assertLess(growth, promise(MEMORY, 8 * MEMORY))


if __name__ == "__main__":
    unittest.main(verbosity=2)
