# The log: one line for each event, whatever a client sends; as JSON every line is an object.
#
# SPDX-License-Identifier: Apache-2.0

import contextlib
import datetime
import json
import re
import time
import unittest

from backend import Backend, read_to_end, refusing_address
from certificates import CertificatesTest
from failing_clients import GARBAGE_RECORD, client_hello_for
from sallyport import START_TIMEOUT, Server
from tls_stream import TlsStream, client_context

LEVELS = ("trace", "debug", "info", "warning", "error")
TEXT_LINE = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (trace|debug|info|warning|error) [ -~]+$")
ODD_NAMES = (
    b'quote"back\\slash{}[]:,\'"x',
    b"new\nline\r\ncarriage\x1b[31m!",
    b"2026-01-01T00:00:00.000Z",
    b" info listening on 1.2.3",
    b"a=b reason=none peer=\"me\"",
    b"\xff\xfe\xc3\x28\xe2\x82\xed\xa0\x80 bad utf-8",
    b"na\xc3\xafve \xe2\x80\xaeright-to-left",
    b"ends with a zero here >\x00",
)


def read_until_it_ends(connection):
    with contextlib.suppress(ConnectionResetError):
        read_to_end(connection)


class Log(CertificatesTest):
    def make_trouble(self, server):
        """A good connection and many bad ones; how many of them failed their handshake."""
        with TlsStream(server.connect(), client_context(self.certificates.ca)) as client:
            client.send(b"hello")
            client.send_close_notify()
            client.receive_to_end()
        with TlsStream(server.connect(), client_context(self.certificates.ca)) as client:
            client.reset()
        bad = [b"", b"GET /\"\\\n HTTP/1.1\r\n\r\n", b"SSH-2.0-x\r\n", GARBAGE_RECORD, bytes(range(256))]
        bad += [client_hello_for(self.certificates.ca, name) for name in ODD_NAMES]
        for data in bad:
            with server.connect() as client:
                client.sendall(data)
                self.wait_for_failure(server, client)
        return len(bad)

    def wait_for_failure(self, server, client):
        port = client.getsockname()[1]
        client.shutdown(1)
        server.wait_for_log(rf"handshake failed.*127\.0\.0\.1:{port}\b")

    def serve_and_collect(self, *options):
        with Backend(read_until_it_ends) as backend:
            with Server("forward", *self.certificates.ecdsa.options(), "--to", backend.address, *options) as server:
                failures = self.make_trouble(server)
                self.assertEqual(server.terminate(), 0)
        self.assertEqual(server.output, [], "the log belongs on standard error")
        return server.log, failures

    def test_json(self):
        for level in ("trace", "info"):
            with self.subTest(level=level):
                lines, failures = self.serve_and_collect("--log-format", "json", "--log-level", level)
                events = [json.loads(line) for line in lines]
                for event in events:
                    datetime.datetime.strptime(event["ts"], "%Y-%m-%dT%H:%M:%S.%fZ")
                    self.assertIn(event["level"], LEVELS)
                    self.assertTrue(event["msg"])
                    self.assertTrue(all(isinstance(value, (str, int, float, bool)) for value in event.values()), event)
                failed = [event for event in events if event["msg"] == "handshake failed"]
                self.assertEqual(len(failed), failures)
                for event in failed:
                    self.assertRegex(event["reason"], "^[a-z_]+$")
                    self.assertRegex(event["peer"], r"^127\.0\.0\.1:\d+$")
                    self.assertIn(event["phase"], ("before_client_hello", "in_handshake"))
                self.assertTrue(any('quote"back\\slash' in str(value) for event in failed for value in event.values()),
                                "no line tells the server name that the client asked for")

    def test_keys_are_unique(self):
        def no_duplicates(pairs):
            self.assertEqual(len(pairs), len(dict(pairs)), pairs)
            return dict(pairs)

        for line in self.serve_and_collect("--log-format", "json", "--log-level", "trace")[0]:
            json.loads(line, object_pairs_hook=no_duplicates)

    def test_text(self):
        lines, failures = self.serve_and_collect("--log-level", "trace")
        for line in lines:
            # Names that are valid UTF-8 may stand as they are; nothing else than printable characters otherwise.
            self.assertRegex(line.replace("ï", "i"), TEXT_LINE)
        self.assertEqual(sum(" handshake failed " in line for line in lines), failures)
        self.assertEqual(sum(bool(re.match(r"\S+ info listening on ", line)) for line in lines), 1)

    def test_failed_backend_is_one_line(self):
        holder, address = refusing_address()
        options = ("--to", address, "--log-format", "json")
        with holder, Server("forward", *self.certificates.ecdsa.options(), *options) as server:
            with TlsStream(server.connect(), client_context(self.certificates.ca)) as client:
                client.receive_to_end()
            server.wait_for_log("refused")
            self.assertEqual(server.terminate(), 0)
        events = [json.loads(line) for line in server.log]
        self.assertEqual(len([event for event in events if "refused" in json.dumps(event)]), 1)

    def test_quiet_levels(self):
        for level in ("warning", "error", "off"):
            with self.subTest(level=level):
                listen = f"unix:{self.certificates.path(level + '.sock')}"
                options = ("--log-level", level)
                # It won't say that it listens, so this waits for the socket.
                with Server("echo", *self.certificates.ecdsa.options(), *options, listen=listen, wait=False) as server:
                    server.address = listen
                    with TlsStream(self.connect_patiently(server), client_context(self.certificates.ca)) as client:
                        client.send(b"hello")
                        self.assertEqual(client.receive_exactly(5), b"hello")
                        client.send_close_notify()
                        client.receive_to_end()
                    self.assertEqual(server.terminate(), 0)
                self.assertEqual(server.log, [])

    def connect_patiently(self, server):
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                return server.connect()
            except (FileNotFoundError, ConnectionRefusedError):
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.01)


if __name__ == "__main__":
    unittest.main()
