# SIGTERM and SIGINT: no new clients, connections in progress may finish, and the exit status tells whether all did.
#
# SPDX-License-Identifier: Apache-2.0

import signal
import socket
import time
import unittest

from backend import Backend, read_to_end
from certificates import CertificatesTest
from sallyport import EVENT_TIMEOUT, Server
from tls_stream import CLOSE_NOTIFY, TLS_1_2, TLS_1_3, TlsStream, client_context


class Drain(CertificatesTest):
    def server(self, *options):
        return Server("echo", *self.certificates.ecdsa.options(), *options)

    def connect(self, server, version=None, **options):
        client = TlsStream(server.connect(), client_context(self.certificates.ca, version), **options)
        self.addCleanup(client.socket.close)
        return client

    def expect_echo(self, client):
        client.send(b"hello")
        self.assertEqual(client.receive_exactly(5), b"hello")

    def begin_drain(self, server, number=signal.SIGTERM):
        """Sends the signal and waits until connections are refused."""
        server.send_signal(number)
        deadline = time.monotonic() + EVENT_TIMEOUT
        while time.monotonic() < deadline:
            try:
                socket.create_connection((server.host, server.port), EVENT_TIMEOUT).close()
            except ConnectionRefusedError:
                return
            except ConnectionResetError:
                pass  # in the backlog of a listener that was being closed
            time.sleep(0.01)
        self.fail("connections are still accepted after the signal")

    def test_idle_server_exits_at_once(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number), self.server("--shutdown-timeout", "1h") as server:
                server.send_signal(number)
                self.assertEqual(server.wait(), 0)

    def test_after_connections_have_come_and_gone(self):
        with self.server("--shutdown-timeout", "1h") as server:
            for _ in range(5):
                client = self.connect(server)
                self.expect_echo(client)
                client.send_close_notify()
                self.assertEqual(client.receive_to_end(), (b"", CLOSE_NOTIFY))
                client.socket.close()
            self.assertEqual(server.terminate(), 0)

    def test_connection_in_progress_finishes(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number), self.server("--shutdown-timeout", "1h") as server:
                client = self.connect(server)
                self.expect_echo(client)
                self.begin_drain(server, number)
                self.expect_echo(client)
                self.assertTrue(server.is_running())
                client.send_close_notify()
                self.assertEqual(client.receive_to_end(), (b"", CLOSE_NOTIFY))
                client.socket.close()
                self.assertEqual(server.wait(), 0)

    def test_forwarded_connection_in_progress_finishes(self):
        def answer(connection):
            connection.sendall(b"answer to " + read_to_end(connection))

        with Backend(answer) as backend:
            options = ("--to", backend.address, "--shutdown-timeout", "1h")
            with Server("forward", *self.certificates.ecdsa.options(), *options) as server:
                client = self.connect(server)
                client.send(b"first half, ")
                self.begin_drain(server)
                client.send(b"second half")
                client.send_close_notify()
                self.assertEqual(client.receive_to_end(), (b"answer to first half, second half", CLOSE_NOTIFY))
                client.socket.close()
                self.assertEqual(server.wait(), 0)

    def test_connection_that_does_not_end_is_cut(self):
        with self.server("--shutdown-timeout", "1s") as server:
            client = self.connect(server)
            self.expect_echo(client)
            start = time.monotonic()
            self.assertEqual(server.terminate(), 1)
            self.assertGreaterEqual(time.monotonic() - start, 0.9)
            # It was cut, and the client can tell.
            data, end = client.receive_to_end()
            self.assertEqual(data, b"")
            self.assertNotEqual(end, CLOSE_NOTIFY)

    def test_no_patience(self):
        with self.server("--shutdown-timeout", "0s") as server:
            client = self.connect(server)
            self.expect_echo(client)
            self.assertEqual(server.terminate(), 1)

    def test_second_signal_ends_at_once(self):
        for first, second in ((signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM)):
            with self.subTest(first=first, second=second), self.server("--shutdown-timeout", "1h") as server:
                client = self.connect(server)
                self.expect_echo(client)
                self.begin_drain(server, first)
                server.send_signal(second)
                self.assertEqual(server.wait(), 1)

    def test_handshake_in_progress_completes(self):
        for version in (TLS_1_2, TLS_1_3):
            with self.subTest(version), self.server("--shutdown-timeout", "1h", "--handshake-timeout", "1h") as server:
                client = self.connect(server, version, handshake=False)
                client.begin_handshake()
                # The server's answer is here: it is in the middle of the handshake.
                self.assertTrue(client.socket.recv(1, socket.MSG_PEEK))
                self.begin_drain(server)
                client.handshake()
                self.expect_echo(client)
                client.send_close_notify()
                self.assertEqual(client.receive_to_end(), (b"", CLOSE_NOTIFY))
                client.socket.close()
                self.assertEqual(server.wait(), 0)

    def test_silent_client_delays_by_the_handshake_timeout_at_most(self):
        with self.server("--shutdown-timeout", "1h", "--handshake-timeout", "1s") as server:
            silent = server.connect()
            self.addCleanup(silent.close)
            # A whole connection after it shows that the silent one has been accepted too.
            client = self.connect(server)
            client.send_close_notify()
            client.receive_to_end()
            client.socket.close()
            self.assertEqual(server.terminate(), 0)
            server.wait_for_log("handshake failed.*reason=timeout_before_client_hello")


if __name__ == "__main__":
    unittest.main()
