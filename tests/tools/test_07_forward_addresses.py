# forward to IPv4, IPv6, names and unix sockets, and from unix sockets.
#
# SPDX-License-Identifier: Apache-2.0

import os
import unittest

from backend import Backend, read_to_end
from certificates import CertificatesTest
from sallyport import Server
from tls_stream import CLOSE_NOTIFY, TLS_1_2, TLS_1_3, TlsStream, client_context

LARGE = os.urandom(1 << 20) * 2


def answer_at_the_end(connection):
    connection.sendall(read_to_end(connection)[::-1])


class ForwardAddresses(CertificatesTest):
    def expect_service(self, server):
        for version in (TLS_1_2, TLS_1_3):
            with self.subTest(version):
                with TlsStream(server.connect(), client_context(self.certificates.ca, version)) as client:
                    client.send(LARGE)
                    client.send_close_notify()
                    answer, end = client.receive_to_end()
                    self.assertEqual(end, CLOSE_NOTIFY)
                    self.assertTrue(answer == LARGE[::-1], "the answer arrived changed")

    def forward(self, backend, **options):
        return self.forward_to(backend.address, **options)

    def forward_to(self, address, **options):
        return Server("forward", *self.certificates.ecdsa.options(), "--to", address, **options)

    def test_ipv4_backend(self):
        with Backend(answer_at_the_end) as backend, self.forward(backend) as server:
            self.expect_service(server)

    def test_ipv6_backend(self):
        with Backend(answer_at_the_end, host="::1") as backend, self.forward(backend) as server:
            self.expect_service(server)

    def test_name_whose_addresses_are_tried_in_turn(self):
        # localhost is 127.0.0.1 and, on most machines, ::1: the backend listens on one of them.
        with Backend(answer_at_the_end) as backend, self.forward_to(f"localhost:{backend.port}") as server:
            self.expect_service(server)

    def test_unix_backend(self):
        with Backend(answer_at_the_end, unix_path=self.certificates.path("backend-1.sock")) as backend:
            with self.forward(backend) as server:
                self.expect_service(server)

    def test_unix_listener(self):
        listen = f"unix:{self.certificates.path('listen-1.sock')}"
        with Backend(answer_at_the_end) as backend, self.forward(backend, listen=listen) as server:
            self.expect_service(server)

    def test_unix_on_both_sides(self):
        listen = f"unix:{self.certificates.path('listen-2.sock')}"
        with Backend(answer_at_the_end, unix_path=self.certificates.path("backend-2.sock")) as backend:
            with self.forward(backend, listen=listen) as server:
                self.expect_service(server)

    def test_failed_handshake_on_a_unix_socket_is_logged(self):
        listen = f"unix:{self.certificates.path('listen-3.sock')}"
        with Server("echo", *self.certificates.ecdsa.options(), listen=listen) as server:
            with server.connect() as client:
                client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                server.wait_for_log(r"handshake failed.*reason=plain_http.* peer=unix\b|peer=unix\b.*reason=plain_http")


if __name__ == "__main__":
    unittest.main()
