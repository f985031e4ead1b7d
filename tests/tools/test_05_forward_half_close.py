# forward keeps half-closes: each side's end of data reaches the other as what it is, and so does a cut.
#
# SPDX-License-Identifier: Apache-2.0

import hashlib
import os
import socket
import unittest

from backend import Backend, read_to_end
from certificates import CertificatesTest
from sallyport import Server
from tls_stream import CLOSE_NOTIFY, TLS_1_2, TLS_1_3, TlsStream, client_context

VERSIONS = (TLS_1_2, TLS_1_3)
LARGE = os.urandom(1 << 20) * 3


class ForwardHalfClose(CertificatesTest):
    def forward(self, backend):
        return Server("forward", *self.certificates.ecdsa.options(), "--to", backend.address)

    def connect(self, server, version=None):
        client = TlsStream(server.connect(), client_context(self.certificates.ca, version))
        self.addCleanup(client.socket.close)
        return client

    def test_client_ends_first(self):
        def answer_at_the_end(connection):
            request = read_to_end(connection)  # returns only if the client's close_notify came as a FIN
            connection.sendall(hashlib.sha256(request).digest() + LARGE)

        for version in VERSIONS:
            with self.subTest(version), Backend(answer_at_the_end) as backend, self.forward(backend) as server:
                client = self.connect(server, version)
                client.send(LARGE)
                client.send_close_notify()
                answer, end = client.receive_to_end()
                self.assertEqual(end, CLOSE_NOTIFY)
                self.assertEqual(answer[:32], hashlib.sha256(LARGE).digest())
                self.assertTrue(answer[32:] == LARGE, "the answer arrived changed")

    def test_client_ends_tls_and_tcp_at_once(self):
        def answer_at_the_end(connection):
            connection.sendall(read_to_end(connection) + LARGE)

        for version in VERSIONS:
            with self.subTest(version), Backend(answer_at_the_end) as backend, self.forward(backend) as server:
                client = self.connect(server, version)
                client.send(b"request")
                client.send_close_notify()
                client.socket.shutdown(socket.SHUT_WR)
                answer, end = client.receive_to_end()
                self.assertEqual(end, CLOSE_NOTIFY)
                self.assertTrue(answer == b"request" + LARGE, "the answer arrived changed")

    def test_backend_ends_first(self):
        received = []

        def greet_and_listen(connection):
            connection.sendall(LARGE)
            connection.shutdown(socket.SHUT_WR)
            received.append(read_to_end(connection))

        for version in VERSIONS:
            received.clear()
            with self.subTest(version), Backend(greet_and_listen) as backend, self.forward(backend) as server:
                client = self.connect(server, version)
                greeting, end = client.receive_to_end()
                self.assertEqual(end, CLOSE_NOTIFY)
                self.assertTrue(greeting == LARGE, "the greeting arrived changed")
                client.send(LARGE)
                client.send_close_notify()
                client.socket.close()
                backend.join()
                self.assertTrue(received == [LARGE], "what the client sent last didn't arrive")

    def test_client_ends_without_a_word(self):
        received = []

        def listen(connection):
            received.append(read_to_end(connection))

        for version in VERSIONS:
            received.clear()
            with self.subTest(version), Backend(listen) as backend, self.forward(backend) as server:
                client = self.connect(server, version)
                client.send_close_notify()
                self.assertEqual(client.receive_to_end(), (b"", CLOSE_NOTIFY))
                backend.join()
                self.assertEqual(received, [b""])

    def test_both_directions_at_once(self):
        def echo(connection):
            while piece := connection.recv(65536):
                connection.sendall(piece)

        for version in VERSIONS:
            with self.subTest(version), Backend(echo) as backend, self.forward(backend) as server:
                client = self.connect(server, version)
                for at in range(0, len(LARGE), 65536):
                    client.send(LARGE[at : at + 65536])
                    self.assertTrue(client.receive_exactly(65536) == LARGE[at : at + 65536], "the echo differs")
                client.send_close_notify()
                self.assertEqual(client.receive_to_end(), (b"", CLOSE_NOTIFY))

    def expect_cut(self, end_connection):
        """The client ends improperly after some bytes: the backend must not take them for the whole."""
        ends = []

        def listen(connection):
            connection.sendall(b"ready")
            try:
                while connection.recv(65536):
                    pass
                ends.append("FIN")
            except ConnectionResetError:
                ends.append("reset")

        for version in VERSIONS:
            ends.clear()
            with self.subTest(version), Backend(listen) as backend, self.forward(backend) as server:
                client = self.connect(server, version)
                client.receive_exactly(5)
                client.send(b"half a mess")
                end_connection(client)
                backend.join()
                self.assertEqual(ends, ["reset"])

    def test_truncation_reaches_the_backend_as_a_reset(self):
        self.expect_cut(lambda client: client.socket.shutdown(socket.SHUT_WR))

    def test_client_reset_reaches_the_backend_as_a_reset(self):
        self.expect_cut(lambda client: client.reset())


if __name__ == "__main__":
    unittest.main()
