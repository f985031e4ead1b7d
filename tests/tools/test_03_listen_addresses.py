# --listen: IPv4, IPv6, dual stack, unix sockets, port 0, and what happens when the address is taken.
#
# SPDX-License-Identifier: Apache-2.0

import os
import socket
import stat
import unittest

from certificates import CertificatesTest
from sallyport import EVENT_TIMEOUT, Server, run
from tls_stream import TlsStream, client_context


class ListenAddresses(CertificatesTest):
    def server(self, listen):
        return Server("echo", *self.certificates.ecdsa.options(), listen=listen)

    def expect_echo(self, connection):
        with TlsStream(connection, client_context(self.certificates.ca)) as client:
            client.send(b"hello")
            self.assertEqual(client.receive_exactly(5), b"hello")

    def connect(self, host, port):
        return socket.create_connection((host, port), EVENT_TIMEOUT)

    def expect_refused(self, host, port):
        with self.assertRaises(ConnectionRefusedError):
            self.connect(host, port)

    def expect_failure(self, listen, *patterns):
        finished = run("echo", "--listen", listen, *self.certificates.ecdsa.options())
        self.assertEqual(finished.returncode, 1, finished.stderr)
        self.assertEqual(len(finished.stderr.splitlines()), 1, finished.stderr)
        for pattern in patterns:
            self.assertRegex(finished.stderr, pattern)

    def test_ipv4(self):
        with self.server("127.0.0.1:0") as server:
            self.assertRegex(server.address, r"^127\.0\.0\.1:[1-9]\d*$")
            self.expect_echo(self.connect("127.0.0.1", server.port))
            self.expect_refused("::1", server.port)

    def test_ipv6(self):
        with self.server("[::1]:0") as server:
            self.assertRegex(server.address, r"^\[::1\]:[1-9]\d*$")
            self.expect_echo(self.connect("::1", server.port))
            self.expect_refused("127.0.0.1", server.port)

    def test_name(self):
        with self.server("localhost:0") as server:
            self.expect_echo(self.connect("localhost", server.port))

    def test_dual_stack(self):
        for listen in ("[::]:0", "*:0", ":0"):
            with self.subTest(listen=listen), self.server(listen) as server:
                self.assertGreater(server.port, 0)
                self.expect_echo(self.connect("127.0.0.1", server.port))
                self.expect_echo(self.connect("::1", server.port))

    def test_ipv4_client_of_a_dual_stack_is_logged_as_ipv4(self):
        with self.server("*:0") as server:
            with self.connect("127.0.0.1", server.port) as client:
                client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                port = client.getsockname()[1]
                server.wait_for_log(rf"handshake failed.* peer=127\.0\.0\.1:{port}\b")

    def test_the_same_port_can_be_taken_again_at_once(self):
        with self.server("127.0.0.1:0") as first:
            # The server closes first, so its side is the one that TIME_WAIT remembers.
            client = TlsStream(first.connect(), client_context(self.certificates.ca))
            with client:
                first.send_signal()
                client.send_close_notify()
                client.receive_to_end()
                self.assertEqual(first.wait(), 0)
        with self.server(first.address) as second:
            self.assertEqual(second.port, first.port)
            self.expect_echo(second.connect())

    def test_address_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as holder:
            address = "127.0.0.1:%d" % holder.getsockname()[1]
            self.expect_failure(address, address, "in use")

    def test_address_in_use_by_another_one(self):
        with self.server("127.0.0.1:0") as server:
            self.expect_failure(server.address, server.address, "in use")
            self.expect_echo(server.connect())

    def test_address_of_another_machine(self):
        self.expect_failure("192.0.2.1:0", r"192\.0\.2\.1")

    def test_unix_socket(self):
        path = self.certificates.path("listen.sock")
        with self.server(f"unix:{path}") as server:
            self.assertEqual(server.address, f"unix:{path}")
            self.expect_echo(server.connect())

    def test_stale_unix_socket_is_replaced(self):
        path = self.certificates.path("stale.sock")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
            dead.bind(os.fspath(path))
            dead.listen()
        self.assertTrue(stat.S_ISSOCK(path.stat().st_mode))
        with self.server(f"unix:{path}") as server:
            self.expect_echo(server.connect())

    def test_living_unix_socket_is_not_replaced(self):
        path = self.certificates.path("living.sock")
        with self.server(f"unix:{path}") as server:
            self.expect_failure(f"unix:{path}", "living.sock", "in use")
            self.expect_echo(server.connect())

    def test_other_files_are_not_replaced(self):
        path = self.certificates.write("precious", "data")
        self.expect_failure(f"unix:{path}", "precious")
        self.assertEqual(path.read_text(), "data")

    def test_unix_socket_in_a_missing_directory(self):
        self.expect_failure("unix:/nonexistent/listen.sock", "/nonexistent/listen.sock", "(?i)no such file")


if __name__ == "__main__":
    unittest.main()
