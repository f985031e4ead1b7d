# test_close_without_loss: a client that has not read everything yet when the server closes loses nothing.
#
# SPDX-License-Identifier: Apache-2.0
"""What can go wrong: the server closes a socket in whose receive buffer there is something unread (late data of the
client, or its close_notify), or sends something after the client has closed; then TCP resets the connection, and the
reset overtakes the data that the client hasn't read."""

import contextlib
import random
import select
import socket
import struct
import time
import unittest

from backend import Backend
from certificates import Certificates
from hostile import ends_within, figure, wait_until_delivered
from load_client import BOTH_VERSIONS, TIMEOUT, LoadClient, exchange
from sallyport import Server

ROUNDS = 50  # of each kind in each TLS version
LARGEST = 1000 * 1000

SMALL_WINDOW = 4096


def sizes(random_source):
    """From 1 byte to 1 MB, as many small ones as large ones."""
    yield from (1, 16384, 16385, LARGEST)
    while True:
        yield int(10 ** random_source.uniform(0, 6))


class CloseWithoutLoss(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.certificates = Certificates()
        cls.addClassCleanup(cls.certificates.remove)

    def setUp(self):
        seed = random.SystemRandom().getrandbits(32)
        figure(f"seed {seed}")
        self.random = random.Random(seed)
        self.data = self.random.randbytes(LARGEST)

    def test_echo(self):
        with Server("echo", *self.certificates.ecdsa.options()) as server:
            def play(version, size):
                answer = bytearray()
                with self._client(server, version) as client:
                    # Lazy: nothing is read before everything is sent, close_notify too, or the server takes no more.
                    exchange(client, [self.data[:size]], answer.extend, half_close=True, lazy=True)
                    client.expect_fin()
                self.assertEqual(answer, self.data[:size])
            self._play(play)

    def test_forward_to_a_backend_that_closes_at_once(self):
        def serve(connection):
            connection.sendall(self.data[: self._requested_size(connection)])

        with self._forward_to(serve) as server:
            def play(version, size):
                with self._client(server, version) as client:
                    client.send(struct.pack(">I", size))
                    self._expect_answer(client, size)
            self._play(play)

    def test_forward_to_a_backend_that_has_not_read_everything(self):
        """The backend answers after the first bytes of a long request and closes: that resets its connection. What it
        has sent is the client's all the same; how the client's connection ends then is another matter, as nobody knows
        whether the answer was complete."""
        def serve(connection):
            connection.sendall(self.data[: self._requested_size(connection)])
            wait_until_delivered(connection)

        with self._forward_to(serve) as server:
            def play(version, size):
                with self._client(server, version) as client:
                    client.send(struct.pack(">I", size))
                    self._send_for_a_while(client, self.random.randrange(1, 300 * 1000))
                    self._expect_answer(client, size, clean_end=False)
            self._play(play)

    def test_forward_to_a_backend_that_reads_no_more(self):
        """The same with a backend that ends its answer by a FIN and leaves the rest of the request unread."""
        def serve(connection):
            connection.sendall(self.data[: self._requested_size(connection)])
            connection.shutdown(socket.SHUT_WR)
            wait_until_delivered(connection)

        with self._forward_to(serve) as server:
            def play(version, size):
                with self._client(server, version) as client:
                    client.send(struct.pack(">I", size))
                    self._send_for_a_while(client, self.random.randrange(1, 300 * 1000))
                    self._expect_answer(client, size)
            self._play(play)

    def _play(self, play):
        start = time.monotonic()
        for version in BOTH_VERSIONS:
            for _, size in zip(range(ROUNDS), sizes(self.random)):
                try:
                    play(version, size)
                except Exception as failure:
                    failure.add_note(f"with {version.name} and an answer of {size} bytes")
                    raise
        figure(f"{2 * ROUNDS} rounds in {time.monotonic() - start:.1f} s")

    def _client(self, server, version):
        # With the small window the server is done only when the client has read almost everything; with the normal
        # one it may be gone for long when the client begins.
        return LoadClient(server, version, receive_buffer=self.random.choice((None, SMALL_WINDOW)))

    def _forward_to(self, serve):
        backend = self.enterContext(Backend(serve))
        return Server("forward", *self.certificates.ecdsa.options(), "--to", backend.address)

    @staticmethod
    def _requested_size(connection):
        connection.settimeout(TIMEOUT)
        return struct.unpack(">I", connection.recv(4, socket.MSG_WAITALL))[0]

    def _send_for_a_while(self, client, size):
        """Only a part of it, if the server takes no more."""
        client.queue(self.data[:size])
        while client.unsent_size() and client.ready(select.POLLOUT, 0.1):
            client.send_ciphertext()

    def _expect_answer(self, client, size, clean_end=True):
        """Reads slowly: all of the answer, then close_notify. Only then may TCP end in any way."""
        time.sleep(self.random.choice((0, 0.002, 0.01)))
        answer = bytearray()
        while len(answer) < size and (data := client.receive()):
            answer += data
            if self.random.random() < 0.1:
                time.sleep(0.001)
        if clean_end:
            self.assertEqual(client.receive(), b"")
        self.assertEqual(len(answer), size)
        self.assertEqual(answer, self.data[:size])
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            client.send_close_notify()
        self.assertTrue(ends_within(client.socket, TIMEOUT), "the server kept the connection")


if __name__ == "__main__":
    unittest.main(verbosity=2)
