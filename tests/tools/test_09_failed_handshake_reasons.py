# Each way a handshake can fail has its reason in the log: one line for each client, and the next client is served.
#
# SPDX-License-Identifier: Apache-2.0

import socket
import unittest

from certificates import Certificates, CertificatesTest
from failing_clients import GARBAGE_RECORD, client_hello, fail_verification, s_client
from sallyport import Server
from tls_stream import TLS_1_2, TLS_1_3, TlsStream, client_context, reset


class FailedHandshakeReasons(CertificatesTest):
    def server(self, *options, identity=None):
        return Server("echo", *(identity or self.certificates.ecdsa).options(), *options)

    def expect(self, server, reason, fail, phase=None):
        """`fail(server)` fails one handshake; a socket that it returns stays open until that is logged."""
        with self.subTest(reason=reason, client=getattr(fail, "__name__", "")):
            seen = len(server.log)
            connection = fail(server)
            match = server.wait_for_log(r"handshake failed .*", start=seen)
            line = match.group(0)
            self.assertRegex(line, rf"\breason={reason}\b")
            if isinstance(connection, socket.socket) and connection.fileno() >= 0:
                port = connection.getsockname()[1]
                self.assertRegex(line, rf"\bpeer=127\.0\.0\.1:{port}\b")
                connection.close()
            else:
                self.assertRegex(line, r"\bpeer=127\.0\.0\.1:\d+\b")
            if phase is not None:
                self.assertRegex(line, rf"\bphase={phase}\b")
            self.expect_service(server)
            failures = [line for line in server.log[seen:] if "handshake failed" in line]
            self.assertEqual(len(failures), 1, failures)

    def expect_service(self, server):
        with TlsStream(server.connect(), client_context(self.certificates.ca)) as client:
            client.send(b"hello")
            self.assertEqual(client.receive_exactly(5), b"hello")
            client.send_close_notify()
            client.receive_to_end()

    def send(self, data, then=None):
        """A client that sends this and does no more, or does this then."""

        def client(server):
            connection = server.connect()
            self.addCleanup(connection.close)
            connection.sendall(data)
            if then is not None:
                then(connection)
            return connection

        return client

    def whole_hello(self, version=None):
        return client_hello(client_context(self.certificates.ca, version))

    def after_hello(self, then):
        """A client that does this when the server has answered its ClientHello."""

        def client(server):
            connection = server.connect()
            self.addCleanup(connection.close)
            connection.sendall(self.whole_hello())
            connection.recv(1, socket.MSG_PEEK)
            then(connection)
            return connection

        return client

    def test_timeouts(self):
        hello = self.whole_hello()
        with self.server("--handshake-timeout", "300ms") as server:
            for size in (0, 1, 5, len(hello) - 1):
                self.expect(server, "timeout_before_client_hello", self.send(hello[:size]), "before_client_hello")
            for version in (TLS_1_2, TLS_1_3):
                self.expect(server, "timeout_in_handshake", self.send(self.whole_hello(version)), "in_handshake")

    def test_not_tls(self):
        with self.server() as server:
            for request in (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"POST /x HTTP/1.0\r\n\r\n",
                            b"OPTIONS * HTTP/1.1\r\n\r\n", b"HEAD / HTTP/1.1\r\n\r\n"):
                self.expect(server, "plain_http", self.send(request), "before_client_hello")
            for data in (b"SSH-2.0-OpenSSH_9.2\r\n", b"EHLO localhost\r\n", b"\x00" * 64, b"\xff" * 64, b"\x16" * 40):
                self.expect(server, "not_tls", self.send(data), "before_client_hello")

    def test_protocol_violation(self):
        with self.server() as server:
            self.expect(server, "protocol_violation", self.send(GARBAGE_RECORD))
            self.expect(server, "protocol_violation", self.after_hello(lambda c: c.sendall(GARBAGE_RECORD)),
                        "in_handshake")

    def test_closed(self):
        close = socket.socket.close
        with self.server() as server:
            self.expect(server, "closed_by_client", self.send(b"", close), "before_client_hello")
            self.expect(server, "closed_by_client", self.send(self.whole_hello()[:100], close), "before_client_hello")
            end = lambda connection: connection.shutdown(socket.SHUT_WR)  # noqa: E731
            self.expect(server, "closed_by_client", self.send(b"", end), "before_client_hello")
            self.expect(server, "closed_by_client", self.after_hello(end), "in_handshake")

    def test_reset(self):
        with self.server() as server:
            self.expect(server, "reset_by_client", self.send(b"", reset), "before_client_hello")
            self.expect(server, "reset_by_client", self.send(self.whole_hello()[:100], reset), "before_client_hello")
            self.expect(server, "reset_by_client", self.after_hello(reset), "in_handshake")

    def test_no_common_version(self):
        old = ("-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
        with self.server() as server:
            self.expect(server, "no_common_version", lambda server: s_client(server, *old))
        with self.server("--profile", "modern") as server:
            self.expect(server, "no_common_version", lambda server: s_client(server, "-tls1_2"))

    def test_no_common_cipher(self):
        with self.server(identity=self.certificates.rsa) as server:
            for cipher in ("AES128-SHA", "AES256-GCM-SHA384", "ECDHE-RSA-AES128-SHA"):
                options = ("-tls1_2", "-cipher", cipher)
                self.expect(server, "no_common_cipher", lambda server: s_client(server, *options))
        with self.server() as server:
            options = ("-tls1_3", "-ciphersuites", "TLS_AES_128_CCM_8_SHA256")
            self.expect(server, "no_common_cipher", lambda server: s_client(server, *options))

    def test_no_common_group(self):
        with self.server() as server:
            options = ("-tls1_3", "-groups", "ffdhe8192")
            self.expect(server, "no_common_group", lambda server: s_client(server, *options))

    def test_no_common_signature_algorithm(self):
        with self.server() as server:
            options = ("-tls1_3", "-sigalgs", "RSA-PSS+SHA256")
            self.expect(server, "no_common_signature_algorithm", lambda server: s_client(server, *options))

    def test_no_common_application_protocol(self):
        with self.server("--alpn", "h2,http/1.1") as server:
            for version in ("-tls1_2", "-tls1_3"):
                options = (version, "-alpn", "imap")
                self.expect(server, "no_common_application_protocol", lambda server: s_client(server, *options))

    def test_alert_from_client(self):
        other = Certificates()
        self.addCleanup(other.remove)
        with self.server() as server:
            self.expect(server, "alert_from_client", lambda server: fail_verification(server, other.ca), "in_handshake")
            self.assertRegex("\n".join(server.log), r"alert_from_client.*unknown.ca")

    def test_evicted(self):
        for option in ("--max-handshakes", "--max-handshakes-per-address"):
            with self.subTest(option), self.server(option, "1", "--threads", "1") as server:
                silent = self.send(b"")(server)
                # The one place goes to the client that comes later.
                self.expect_service(server)
                line = server.wait_for_log(r"handshake failed .*reason=evicted.*").group(0)
                self.assertIn("peer=127.0.0.1:%d" % silent.getsockname()[1], line)

    def test_aborted_by_a_forced_end(self):
        with self.server("--shutdown-timeout", "0s", "--handshake-timeout", "1h", "--threads", "1") as server:
            self.send(b"")(server)
            self.expect_service(server)  # so the silent one has been accepted
            self.assertEqual(server.terminate(), 1)
            server.wait_for_log(r"handshake failed .*reason=aborted")


if __name__ == "__main__":
    unittest.main()
