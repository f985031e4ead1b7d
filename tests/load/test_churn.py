# test_churn: clients that come and go in every bad way leave no descriptor and no memory behind.
#
# SPDX-License-Identifier: Apache-2.0

import contextlib
import random
import socket
import ssl
import struct
import time
import unittest

from certificates import Certificates
from hostile import client_hello, ends_within, figure, promise, settled, small_quarantine
from load_client import BOTH_VERSIONS, LoadClient, connect, visit
from sallyport import Server
from tls_stream import reset

ROUNDS = 4000
WARM_UP = 1000

# The deadline is far away, so that a connection which the server ought to end at once can't hide behind it.
HANDSHAKE_TIMEOUT = "60s"
PROMPTLY = 20.0

HANDSHAKE, APPLICATION_DATA = 22, 23


def record(content_type, data, size=None):
    return struct.pack(">BHH", content_type, 0x0303, len(data) if size is None else size) + data


class Churn(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.certificates = Certificates()
        cls.addClassCleanup(cls.certificates.remove)

    def test_nothing_is_left_behind(self):
        seed = random.SystemRandom().getrandbits(32)
        figure(f"seed {seed}")
        self.random = random.Random(seed)
        kinds = [getattr(self, name) for name in sorted(dir(self)) if name.startswith("round_")]
        rounds = [kinds[number % len(kinds)] for number in range(ROUNDS)]
        self.random.shuffle(rounds)
        options = ["--handshake-timeout", HANDSHAKE_TIMEOUT]
        options += self.certificates.ecdsa.options()
        with Server("echo", *options, environment=small_quarantine()) as self.server:
            for version in BOTH_VERSIONS:
                visit(self.server, version)
            # What the visits left has been closed when there are as few as a server without clients has.
            descriptors = self._idle_descriptors()
            start = time.monotonic()
            self._play(rounds[:WARM_UP])
            self.assertEqual(settled(self.server.descriptors, descriptors), descriptors)
            memory = self.server.rss()
            self._play(rounds[WARM_UP:])
            self.assertEqual(settled(self.server.descriptors, descriptors), descriptors)
            growth = self.server.rss() - memory
            figure(f"{ROUNDS} rounds of {len(kinds)} kinds in {time.monotonic() - start:.1f} s; memory grew by "
                   f"{growth / 1024:.0f} KiB from {memory / 1024:.0f} KiB; {descriptors} descriptors")
            for version in BOTH_VERSIONS:
                visit(self.server, version)
            # Sanitizers remember every place that allocates; they look for leaks themselves when the command ends.
            self.assertLess(growth, promise(1, 32) * 1024 * 1024)
            self.assertEqual(self.server.terminate(), 0)

    def _idle_descriptors(self):
        # A server that has just begun to listen has no clients; so much the visits may not have added for good.
        with Server("echo", *self.certificates.ecdsa.options()) as fresh:
            expected = fresh.descriptors()
        descriptors = settled(self.server.descriptors, expected)
        self.assertEqual(descriptors, expected)
        return descriptors

    def _play(self, rounds):
        for number, play in enumerate(rounds):
            try:
                play()
            except Exception as failure:
                failure.add_note(f"in a round of {play.__name__}, number {number}")
                raise

    def _version(self):
        return self.random.choice(BOTH_VERSIONS)

    def _client(self, handshake=True):
        return LoadClient(self.server, self._version(), handshake=handshake)

    def _send(self, data):
        client = connect(self.server)
        client.sendall(data)
        return client

    def _expect_end(self, client):
        with client:
            self.assertTrue(ends_within(client, PROMPTLY), "the server kept the connection")

    # Each method below is one kind of round.

    def round_connect_and_close(self):
        connect(self.server).close()

    def round_reset_before_client_hello(self):
        reset(connect(self.server))

    def round_reset_within_client_hello(self):
        hello = client_hello(self._version())
        reset(self._send(hello[: self.random.randrange(1, len(hello))]))

    def round_reset_after_client_hello(self):
        reset(self._send(client_hello(self._version())))

    def round_reset_after_server_flight(self):
        client = self._send(client_hello(self._version()))
        self.assertTrue(client.recv(1))
        reset(client)

    def round_reset_after_handshake(self):
        self._client().reset()

    def round_reset_after_data(self):
        client = self._client()
        client.send(self.random.randbytes(1000))
        if self.random.random() < 0.5:
            client.receive_exactly(1000)
        client.reset()

    def round_close_within_client_hello(self):
        hello = client_hello(self._version())
        client = self._send(hello[: self.random.randrange(1, len(hello))])
        client.shutdown(socket.SHUT_WR)
        self._expect_end(client)

    def round_close_after_client_hello(self):
        client = self._send(client_hello(self._version()))
        client.shutdown(socket.SHUT_WR)
        self._expect_end(client)

    def round_close_after_handshake(self):
        client = self._client()
        client.socket.shutdown(socket.SHUT_WR)
        self._expect_end(client.socket)

    def round_polite_visit(self):
        visit(self.server, self._version())

    def round_garbage(self):
        # The first byte isn't that of a handshake record, which would be waited for to its end.
        first = self.random.choice([byte for byte in range(256) if byte != HANDSHAKE])
        self._expect_end(self._send(bytes([first]) + self.random.randbytes(self.random.randrange(4, 2000))))

    def round_plain_http(self):
        self._expect_end(self._send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))

    def round_zero_length_record(self):
        # Whether or not the server waits for more after that, the end comes.
        client = self._send(record(HANDSHAKE, b""))
        client.shutdown(socket.SHUT_WR)
        self._expect_end(client)

    def round_many_zero_length_records(self):
        self._expect_end(self._send(record(HANDSHAKE, b"") * 200))

    def round_oversized_record(self):
        self._expect_end(self._send(record(HANDSHAKE, b"\1" * 100, size=2**14 + 2048 + 1)))

    def round_garbage_in_client_hello(self):
        # A record whose message claims to be a ClientHello.
        body = self.random.randbytes(300)
        self._expect_end(self._send(record(HANDSHAKE, b"\1" + struct.pack(">I", len(body))[1:] + body)))

    def round_wrong_content_type_in_handshake(self):
        client = self._client(handshake=False)
        client.begin_handshake()
        self.assertTrue(client.socket.recv(1))
        client.socket.sendall(record(APPLICATION_DATA, self.random.randbytes(100)))
        self._expect_end(client.socket)

    def round_client_hello_twice(self):
        hello = client_hello(self._version())
        self._expect_end(self._send(hello + hello))

    def round_record_that_does_not_decrypt(self):
        client = self._client()
        client.socket.sendall(record(APPLICATION_DATA, self.random.randbytes(100)))
        self._expect_end(client.socket)

    def round_oversized_record_after_handshake(self):
        client = self._client()
        client.socket.sendall(record(APPLICATION_DATA, self.random.randbytes(100), size=2**14 + 2048 + 1))
        self._expect_end(client.socket)

    def round_client_hello_in_single_bytes(self):
        with self._client(handshake=False) as client:
            client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with contextlib.suppress(ssl.SSLWantReadError):
                client.tls.do_handshake()
            for byte in client.pending_output():
                client.socket.sendall(bytes([byte]))
            client.handshake()
            client.echo()


if __name__ == "__main__":
    unittest.main(verbosity=2)
