# test_key_updates: messages that cost the server work and bring no data are cut off after a limit.
#
# SPDX-License-Identifier: Apache-2.0

import contextlib
import time
import unittest

from certificates import Certificates
from hostile import client_hello, ends_within, figure
from libssl import TLS_1_3, LibsslClient, LibsslError
from load_client import visit
from raw_tls12 import ALERT, APPLICATION_DATA, HANDSHAKE, RawTls12
from sallyport import Server

LIMIT = 32
FLOOD = 5000
PROMPTLY = 20.0

WARNING_NO_RENEGOTIATION = bytes([1, 100])


class MessageFlood(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.certificates = Certificates()
        cls.addClassCleanup(cls.certificates.remove)

    def setUp(self):
        self.server = self.enterContext(Server("echo", *self.certificates.ecdsa.options()))

    def tearDown(self):
        visit(self.server)

    def test_key_updates_with_data_between_are_served(self):
        with LibsslClient(self.server, TLS_1_3) as client:
            for _ in range(20):
                for number in range(10):
                    client.update_keys(request=number % 2 == 0)
                client.echo()

    def test_as_many_key_updates_as_the_limit_are_served(self):
        for request in (False, True):
            with self.subTest(request=request), LibsslClient(self.server, TLS_1_3) as client:
                for _ in range(LIMIT):
                    client.update_keys(request)
                client.echo()

    def test_one_key_update_more_is_cut_off(self):
        for request in (False, True):
            with self.subTest(request=request), LibsslClient(self.server, TLS_1_3) as client:
                with self.assertRaises(LibsslError):
                    for _ in range(LIMIT + 1):
                        client.update_keys(request)
                    client.echo()

    def test_flood_of_key_updates_is_cut_off(self):
        for request in (False, True):
            with self.subTest(request=request), LibsslClient(self.server, TLS_1_3) as client:
                client.echo()
                start = time.monotonic()
                sent = 0
                with contextlib.suppress(LibsslError):
                    for _ in range(FLOOD):
                        client.update_keys(request)
                        sent += 1
                self.assertTrue(ends_within(client.socket, PROMPTLY), "the server kept the connection")
                figure(f"cut off after {time.monotonic() - start:.3f} s; {sent} of {FLOOD} KeyUpdates sent by then")

    def test_renegotiation_is_refused_and_the_connection_lives(self):
        # The message without its record header.
        hello = client_hello()[5:]
        with RawTls12(self.server) as client:
            for _ in range(3):
                client.send(HANDSHAKE, hello)
                self.assertEqual(client.receive(), (ALERT, WARNING_NO_RENEGOTIATION))
                client.send(APPLICATION_DATA, b"hello")
                self.assertEqual(client.receive(), (APPLICATION_DATA, b"hello"))

    def test_flood_of_renegotiations_is_cut_off(self):
        hello = client_hello()[5:]
        with RawTls12(self.server) as client:
            client.send(APPLICATION_DATA, b"hello")
            self.assertEqual(client.receive(), (APPLICATION_DATA, b"hello"))
            start = time.monotonic()
            sent = 0
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                for _ in range(FLOOD):
                    client.send(HANDSHAKE, hello)
                    sent += 1
            self.assertTrue(ends_within(client.socket, PROMPTLY), "the server kept the connection")
            figure(f"cut off after {time.monotonic() - start:.3f} s; {sent} of {FLOOD} ClientHellos sent by then")


if __name__ == "__main__":
    unittest.main(verbosity=2)
