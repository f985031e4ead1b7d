# echo sends back everything that came before the client's end of data, and then ends too; it tells a cut from an end.
#
# SPDX-License-Identifier: Apache-2.0

import os
import socket
import unittest

from certificates import CertificatesTest
from sallyport import Server
from tls_stream import CLOSE_NOTIFY, TLS_1_2, TLS_1_3, TlsStream, client_context

# Fits into the buffers on the way, so that a client may send it all before it reads.
LARGE = os.urandom(100_000)


class EchoHalfClose(CertificatesTest):
    def for_each_version(self, test):
        with Server("echo", *self.certificates.ecdsa.options()) as server:
            for version in (TLS_1_2, TLS_1_3):
                with self.subTest(version):
                    with TlsStream(server.connect(), client_context(self.certificates.ca, version)) as client:
                        test(client)
            self.assertTrue(server.is_running())

    def test_end_after_the_data(self):
        def client_ends(client):
            client.send(LARGE)
            client.send_close_notify()
            self.assertTrue(client.receive_to_end() == (LARGE, CLOSE_NOTIFY))

        self.for_each_version(client_ends)

    def test_data_and_end_in_one_segment(self):
        def client_ends(client):
            client.send(b"first")
            self.assertEqual(client.receive_exactly(5), b"first")
            client.send_with_close_notify(b"second")
            self.assertEqual(client.receive_to_end(), (b"second", CLOSE_NOTIFY))

        self.for_each_version(client_ends)

    def test_data_end_and_fin_at_once(self):
        def client_ends(client):
            client.send_with_close_notify(LARGE[:10_000])
            client.socket.shutdown(socket.SHUT_WR)
            self.assertTrue(client.receive_to_end() == (LARGE[:10_000], CLOSE_NOTIFY))

        self.for_each_version(client_ends)

    def test_end_in_single_bytes(self):
        def client_ends(client):
            client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in client.records_with_close_notify(b"slowly"):
                client.socket.sendall(bytes([byte]))
            self.assertEqual(client.receive_to_end(), (b"slowly", CLOSE_NOTIFY))

        self.for_each_version(client_ends)

    def test_truncation_is_told_from_an_end(self):
        def client_ends(client):
            client.send_close_notify()
            client.receive_to_end()

        def client_truncates(client):
            client.socket.shutdown(socket.SHUT_WR)
            client.receive_to_end()

        for end, logged in ((client_ends, "ended=close_notify"), (client_truncates, 'ended=".*without .*close_notify')):
            with self.subTest(end=logged):
                with Server("echo", *self.certificates.ecdsa.options(), "--log-level", "debug") as server:
                    with TlsStream(server.connect(), client_context(self.certificates.ca)) as client:
                        client.send(b"hello")
                        self.assertEqual(client.receive_exactly(5), b"hello")
                        end(client)
                    line = server.wait_for_log("connection closed .*").group(0)
                    self.assertRegex(line, logged)


if __name__ == "__main__":
    unittest.main()
