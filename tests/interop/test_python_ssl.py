# Python's ssl module as the client: echo, versions, orderly close, resumption, ALPN.
#
# SPDX-License-Identifier: Apache-2.0

import os
import ssl
import unittest

from backend import Backend
from certificates import CertificatesTest
from interop import each_version_and_key
from sallyport import Server
from tls_stream import client_context

VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


class PythonSsl(CertificatesTest):
    def connect(self, server, context, session=None):
        client = context.wrap_socket(server.connect(), server_hostname="localhost", suppress_ragged_eofs=False,
                                     session=session)
        self.addCleanup(client.close)
        return client

    def receive_exactly(self, client, size):
        data = bytearray()
        while len(data) < size:
            piece = client.recv(size - len(data))
            self.assertTrue(piece, f"the stream ended after {len(data)} of {size} bytes")
            data += piece
        return bytes(data)

    @each_version_and_key
    def test_echo(self, version, identity):
        with Server("echo", *identity.options()) as server:
            client = self.connect(server, client_context(self.certificates.ca, VERSIONS[version]))
            self.assertEqual(client.version(), version)
            client.sendall(b"good morning")
            self.assertEqual(self.receive_exactly(client, 12), b"good morning")
            client.unwrap().close()  # raises unless the server's close_notify comes

    @each_version_and_key
    def test_megabytes(self, version, identity):
        data = os.urandom(1 << 20) * 5
        with Server("echo", *identity.options()) as server:
            client = self.connect(server, client_context(self.certificates.ca, VERSIONS[version]))
            # In rounds, because this Python's SSLSocket can't be read and written at the same time.
            for at in range(0, len(data), 65536):
                client.sendall(data[at : at + 65536])
                self.assertTrue(self.receive_exactly(client, 65536) == data[at : at + 65536], "the echo differs")
            client.unwrap().close()

    @each_version_and_key
    def test_server_closes_with_close_notify(self, version, identity):
        with Backend(lambda connection: connection.sendall(b"good night")) as backend:
            with Server("forward", *identity.options(), "--to", backend.address) as server:
                client = self.connect(server, client_context(self.certificates.ca, VERSIONS[version]))
                self.assertEqual(self.receive_exactly(client, 10), b"good night")
                self.assertEqual(client.recv(1), b"")  # an exception if it weren't close_notify

    def test_resumption(self):
        for name, version in VERSIONS.items():
            with self.subTest(version=name), Server("echo", *self.certificates.ecdsa.options()) as server:
                context = client_context(self.certificates.ca, version)
                first = self.connect(server, context)
                first.sendall(b"a")
                self.receive_exactly(first, 1)  # and with it TLS 1.3's ticket
                session = first.session
                first.unwrap().close()
                second = self.connect(server, context, session)
                second.sendall(b"b")
                self.receive_exactly(second, 1)
                self.assertTrue(second.session_reused)
                second.unwrap().close()

    def test_alpn(self):
        with Server("echo", *self.certificates.ecdsa.options(), "--alpn", "h2,http/1.1") as server:
            client = self.connect(server, client_context(self.certificates.ca, alpn=("http/1.1",)))
            self.assertEqual(client.selected_alpn_protocol(), "http/1.1")
            client.unwrap().close()
            with self.assertRaisesRegex(ssl.SSLError, "(?i)no.application.protocol"):
                self.connect(server, client_context(self.certificates.ca, alpn=("imap",)))

    def test_certificate_of_an_unknown_ca_is_what_the_client_rejects(self):
        # Shows that the other tests do verify.
        with Server("echo", "--self-signed") as server:
            with self.assertRaises(ssl.SSLCertVerificationError):
                self.connect(server, client_context(self.certificates.ca))


if __name__ == "__main__":
    unittest.main()
