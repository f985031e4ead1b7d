# Floods of failed handshakes fill no disk: the first of each reason have a line, the others are summed up, and lines
# and sums together are exactly the clients that failed.
#
# SPDX-License-Identifier: Apache-2.0

import json
import signal
import socket
import unittest

from certificates import CertificatesTest
from failing_clients import GARBAGE_RECORD
from sallyport import EVENT_TIMEOUT, Server
from tls_stream import TlsStream, client_context

HTTP = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
EXPECTED = 10  # lines in an interval of 10 s, of what scanners do every day
UNEXPECTED = 100  # and of the rest


class Noise(CertificatesTest):
    def server(self, *options):
        return Server("echo", *self.certificates.ecdsa.options(), "--log-format", "json", *options)

    def fail(self, server, data, count, addresses=1):
        """So many clients, from so many addresses, that send this and are gone when the server has ended them."""
        for i in range(count):
            source = (f"127.0.0.{2 + i % addresses}", 0)
            with socket.create_connection((server.host, server.port), EVENT_TIMEOUT, source_address=source) as client:
                client.sendall(data)
                try:
                    while client.recv(4096):
                        pass
                except ConnectionResetError:
                    pass

    def expect_service(self, server):
        with TlsStream(server.connect(), client_context(self.certificates.ca)) as client:
            client.send(b"hello")
            self.assertEqual(client.receive_exactly(5), b"hello")
            client.close()

    def told(self, server, reason):
        """How many clients have a line, and the summaries."""
        events = [event for event in map(json.loads, server.log) if event.get("reason") == reason]
        lines = [event for event in events if event["msg"] == "handshake failed"]
        summaries = [event for event in events if event["msg"] == "handshakes failed"]
        self.assertEqual(len(lines) + len(summaries), len(events))
        return len(lines), summaries

    def expect_all_told(self, server, reason, count, at_once):
        """The summaries. A slow machine may have needed several intervals."""
        lines, summaries = self.told(server, reason)
        self.assertEqual(lines + sum(summary["suppressed"] for summary in summaries), count)
        self.assertGreaterEqual(lines, at_once)
        self.assertGreaterEqual(len(summaries), 1)
        for summary in summaries:
            self.assertEqual(summary["level"], "info")
            self.assertGreater(summary["suppressed"], 0)
            self.assertGreater(summary["interval_ms"], 0)
            self.assertLessEqual(summary["interval_ms"], 10_000)
        return summaries

    def test_what_is_expected(self):
        with self.server() as server:
            self.fail(server, HTTP, 60, addresses=7)
            self.fail(server, b"SSH-2.0-x\r\n", EXPECTED)
            self.expect_service(server)
            self.assertEqual(server.terminate(), 0)
            summaries = self.expect_all_told(server, "plain_http", 60, EXPECTED)
            self.assertEqual(max(summary["addresses"] for summary in summaries), 7)
            self.assertEqual(self.told(server, "not_tls"), (EXPECTED, []))
            self.assertRegex(server.log[-1], '"stopped"')

    def test_what_is_not(self):
        with self.server() as server:
            self.fail(server, GARBAGE_RECORD, UNEXPECTED + 30)
            self.expect_service(server)
            self.assertEqual(server.terminate(), 0)
            self.expect_all_told(server, "protocol_violation", UNEXPECTED + 30, UNEXPECTED)

    def test_the_summary_comes_when_the_interval_ends(self):
        with self.server() as server:
            self.fail(server, HTTP, EXPECTED + 5)
            server.wait_for_log('"handshakes failed"', timeout=10 + EVENT_TIMEOUT)
            self.expect_all_told(server, "plain_http", EXPECTED + 5, EXPECTED)
            seen = len(server.log)
            self.fail(server, HTTP, 1)
            server.wait_for_log('"handshake failed"', start=seen)

    def test_nothing_is_lost_when_it_is_stopped_at_once(self):
        with self.server() as server:
            self.fail(server, HTTP, EXPECTED + 5)
            with TlsStream(server.connect(), client_context(self.certificates.ca)):
                server.send_signal(signal.SIGTERM)
                server.wait_for_log('"stopping"')
                server.send_signal(signal.SIGTERM)
                self.assertEqual(server.wait(), 1)
            self.expect_all_told(server, "plain_http", EXPECTED + 5, EXPECTED)

    def test_debug_tells_each(self):
        with self.server("--log-level", "debug") as server:
            self.fail(server, HTTP, 30)
            self.assertEqual(server.terminate(), 0)
            self.assertEqual(self.told(server, "plain_http"), (30, []))


if __name__ == "__main__":
    unittest.main()
