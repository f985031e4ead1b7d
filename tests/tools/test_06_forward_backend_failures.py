# forward with a backend that refuses, resets, never answers, never reads or reads slowly: the client can tell that the
# stream was cut, one log line says why, memory stays bounded, and other clients are served.
#
# SPDX-License-Identifier: Apache-2.0

import contextlib
import hashlib
import os
import select
import socket
import threading
import time
import unittest

from backend import Backend, read_to_end, refusing_address
from certificates import CertificatesTest
from sallyport import EVENT_TIMEOUT, Server, sanitizer
from tls_stream import CLOSE_NOTIFY, TLS_1_2, TLS_1_3, TlsStream, client_context, reset

VERSIONS = (TLS_1_2, TLS_1_3)
MEBIBYTE = 1 << 20
# What one connection may cost: the loop's window, a spill in each direction, OpenSSL. Sanitizers keep freed memory.
MEMORY_BOUND = (32 if sanitizer() else 1) * MEBIBYTE
# Nothing has moved for so long: the buffers on the way are full.
STANDSTILL = 1.0


@contextlib.contextmanager
def unanswering_address():
    """An address where connecting takes for ever: the kernel drops what comes to a full backlog."""
    with socket.socket() as listener, contextlib.ExitStack() as queue:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(64):
            waiting = queue.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
            if not select.select([], [waiting], [], 0.5)[1]:
                yield "127.0.0.1:%d" % listener.getsockname()[1]
                return
        raise AssertionError("the backlog never filled")


class ForwardBackendFailures(CertificatesTest):
    def forward(self, address, *options):
        return Server("forward", *self.certificates.ecdsa.options(), "--to", address, *options)

    def connect(self, server, version=None, receive_buffer=None):
        connection = server.connect()
        if receive_buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client = TlsStream(connection, client_context(self.certificates.ca, version))
        self.addCleanup(client.socket.close)
        return client

    def expect_cut(self, server, version=None):
        """A client of this server completes its handshake and then sees the stream end without close_notify."""
        client = self.connect(server, version)
        data, end = client.receive_to_end()
        self.assertNotEqual(end, CLOSE_NOTIFY)
        return data

    def test_refused(self):
        holder, address = refusing_address()
        with holder, self.forward(address) as server:
            for version in VERSIONS:
                with self.subTest(version):
                    seen = len(server.log)
                    self.assertEqual(self.expect_cut(server, version), b"")
                    server.wait_for_log(rf"(?i)backend.*{address}.*refused|refused.*{address}", start=seen)

    def test_unix_backend_that_is_missing(self):
        path = self.certificates.path("nobody.sock")
        with self.forward(f"unix:{path}") as server:
            self.expect_cut(server)
            server.wait_for_log(r"(?i)nobody\.sock.*no such file|no such file.*nobody\.sock")

    def test_connect_timeout(self):
        with unanswering_address() as address, self.forward(address, "--connect-timeout", "500ms") as server:
            start = time.monotonic()
            self.assertEqual(self.expect_cut(server), b"")
            self.assertGreaterEqual(time.monotonic() - start, 0.4)
            server.wait_for_log(rf"{address}.*(timed out|timeout)|(timed out|timeout).*{address}")

    def test_client_leaves_while_the_backend_does_not_answer(self):
        with unanswering_address() as address, self.forward(address, "--connect-timeout", "1h") as server:
            idle = server.descriptors()
            client = self.connect(server)
            client.send(b"request")
            client.reset()
            self.wait_for_descriptors(server, idle)
            self.assertEqual(server.terminate(), 0)

    def test_resets_at_once(self):
        with Backend(reset) as backend, self.forward(backend.address) as server:
            for version in VERSIONS:
                with self.subTest(version):
                    self.expect_cut(server, version)

    def test_resets_in_the_middle_of_the_stream(self):
        def half_an_answer(connection):
            connection.recv(65536)
            connection.sendall(b"half an ans")
            connection.recv(65536)  # until the client has it
            reset(connection)

        with Backend(half_an_answer) as backend, self.forward(backend.address) as server:
            for version in VERSIONS:
                with self.subTest(version):
                    client = self.connect(server, version)
                    client.send(b"request")
                    self.assertEqual(client.receive_exactly(11), b"half an ans")
                    client.send(b"go on")
                    data, end = client.receive_to_end()
                    self.assertEqual(data, b"")
                    self.assertNotEqual(end, CLOSE_NOTIFY)

    def test_failed_backend_costs_no_descriptors(self):
        holder, address = refusing_address()
        with holder, self.forward(address) as server:
            idle = server.descriptors()
            for _ in range(30):
                self.expect_cut(server)
            self.wait_for_descriptors(server, idle)

    def test_backend_that_never_reads(self):
        proceed = threading.Event()
        digests = []

        def late_reader(connection):
            proceed.wait(3 * EVENT_TIMEOUT)
            digests.append(hashlib.sha256(read_to_end(connection)).hexdigest())

        with Backend(late_reader) as backend, self.forward(backend.address) as server:
            client = self.connect(server)
            before = server.rss()
            digest, sent = self.send_until_standstill(client)
            self.assertLess(server.rss() - before, MEMORY_BOUND)
            self.assertLess(sent, 64 * MEBIBYTE)
            self.expect_no_spinning(server)
            proceed.set()
            client.send_close_notify()
            self.assertEqual(client.receive_to_end(), (b"", CLOSE_NOTIFY))
            backend.join()
            self.assertEqual(digests, [digest])

    def test_client_that_never_reads(self):
        sent = []

        def send_without_end(connection):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
            connection.settimeout(STANDSTILL)
            count = 0
            with contextlib.suppress(TimeoutError):
                while count < 512 * MEBIBYTE:
                    count += connection.send(bytes(65536))
            sent.append(count)
            connection.settimeout(EVENT_TIMEOUT)
            standstill.set()
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1)

        standstill = threading.Event()
        with Backend(send_without_end) as backend, self.forward(backend.address) as server:
            client = self.connect(server, receive_buffer=65536)
            before = server.rss()
            self.assertTrue(standstill.wait(3 * EVENT_TIMEOUT))
            self.assertLess(server.rss() - before, MEMORY_BOUND)
            self.assertLess(sent[0], 64 * MEBIBYTE)
            self.expect_no_spinning(server)
            received, end = client.receive_to_end()
            self.assertEqual((len(received), end), (sent[0], CLOSE_NOTIFY))
            client.close()
            backend.join()

    def test_slow_reader(self):
        data = os.urandom(2 * MEBIBYTE)
        received = []

        def read_slowly(connection):
            pieces = []
            while piece := connection.recv(8192):
                pieces.append(piece)
                time.sleep(0.001)  # what makes it slow
            received.append(b"".join(pieces))

        for version in VERSIONS:
            received.clear()
            with self.subTest(version), Backend(read_slowly) as backend, self.forward(backend.address) as server:
                client = self.connect(server, version)
                client.send(data)
                client.send_close_notify()
                self.assertEqual(client.receive_to_end(), (b"", CLOSE_NOTIFY))
                backend.join()
                self.assertTrue(received == [data], "what arrived differs")

    def test_others_are_served_while_one_backend_connection_stands_still(self):
        proceed = threading.Event()

        def by_the_first_byte(connection):
            if connection.recv(1) == b"e":
                connection.sendall(b"echo")
            else:
                proceed.wait(3 * EVENT_TIMEOUT)
            with contextlib.suppress(ConnectionResetError):
                read_to_end(connection)

        with Backend(by_the_first_byte) as backend, self.forward(backend.address) as server:
            stuck = self.connect(server)
            self.send_until_standstill(stuck)
            other = self.connect(server)
            other.send(b"e")
            self.assertEqual(other.receive_exactly(4), b"echo")
            proceed.set()
            stuck.reset()
            other.send_close_notify()
            self.assertEqual(other.receive_to_end(), (b"", CLOSE_NOTIFY))

    def send_until_standstill(self, client):
        """Sends until nothing moves any more; the SHA-256 of what was sent, and its size."""
        digest = hashlib.sha256()
        size = 0
        client.socket.setblocking(False)
        rest = b""
        while size < 512 * MEBIBYTE and select.select([], [client.socket], [], STANDSTILL)[1]:
            if not rest:
                piece = os.urandom(16384)
                digest.update(piece)
                size += len(piece)
                client.tls.write(piece)
                rest = client.pending_output()
            with contextlib.suppress(BlockingIOError):
                rest = rest[client.socket.send(rest) :]
        client.socket.settimeout(EVENT_TIMEOUT)
        client.put_back(rest)
        return digest.hexdigest(), size

    def expect_no_spinning(self, server):
        """Where nothing moves, nothing is to be done."""
        before = server.cpu_seconds()
        start = time.monotonic()
        time.sleep(1.0)  # a measurement over a time, not a wait for something
        self.assertLess(server.cpu_seconds() - before, 0.5 * (time.monotonic() - start))

    def wait_for_descriptors(self, server, count):
        deadline = time.monotonic() + EVENT_TIMEOUT
        while server.descriptors() > count:
            self.assertLess(time.monotonic(), deadline, f"{server.descriptors()} descriptors are open, not {count}")
            time.sleep(0.01)


if __name__ == "__main__":
    unittest.main()
