# Client certificates: who has a good one gets in and is named in the log; who hasn't is refused with the alert that
# says so, in TLS 1.2 and 1.3.
#
# SPDX-License-Identifier: Apache-2.0

import hashlib
import re
import shutil
import ssl
import unittest

from certificates import Certificates, CertificatesTest
from programs import RunningProgram
from sallyport import Server, run
from tls_stream import TLS_1_2, TLS_1_3, TlsStream, client_context

VERSIONS = (TLS_1_2, TLS_1_3)


def fingerprint(identity):
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(identity.certificate.read_text())).hexdigest()


class ClientCertificates(CertificatesTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.alice = cls.certificates.issue("alice")
        cls.expired = cls.certificates.expired()
        cls.early = cls.certificates.issue("early", validity=("20990101000000Z", "20991231000000Z"))
        cls.strangers = Certificates()
        cls.addClassCleanup(cls.strangers.remove)
        cls.stranger = cls.strangers.issue("stranger")

    def server(self, *options, mode="echo"):
        return Server(mode, *self.certificates.ecdsa.options(), *options)

    def requiring(self, *options):
        return self.server("--client-ca", self.certificates.ca, *options)

    def context(self, identity=None, version=None):
        context = client_context(self.certificates.ca, version)
        if identity is not None:
            context.load_cert_chain(identity.certificate, identity.key)
        return context

    def expect_service(self, server, identity=None, version=None):
        """An echo; the log's line about the client."""
        seen = len(server.log)
        with TlsStream(server.connect(), self.context(identity, version)) as client:
            client.send(b"hello")
            self.assertEqual(client.receive_exactly(5), b"hello")
            client.close()
        return server.wait_for_log(r"\S+ \w+ connection accepted .*", start=seen).group(0)

    def expect_refusal(self, server, identity, version, alert, reason):
        """The log's line about it. `alert` is the client's own word for what it was told, by version."""
        seen = len(server.log)
        with TlsStream(server.connect(), self.context(identity, version), handshake=False) as client:
            with self.assertRaises(ssl.SSLError) as raised:
                client.handshake()
                # In TLS 1.3 the client has done its part before the server looks at the certificate.
                client.send(b"hello")
                client.receive()
        self.assertRegex(str(raised.exception), f"(?i){alert}")
        line = server.wait_for_log(r"handshake failed .*", start=seen).group(0)
        self.assertRegex(line, rf"\breason={reason}\b")
        self.assertRegex(line, r"\balert_from=server\b")
        self.assertRegex(line, r"\bdetected_by=server\b")
        self.assertNotIn("connection accepted", "\n".join(server.log[seen:]))
        return line

    def test_a_good_one_is_let_in_and_named(self):
        with self.requiring() as server:
            for version in VERSIONS:
                with self.subTest(version=version.name):
                    line = self.expect_service(server, self.alice, version)
                    self.assertRegex(line, r" info connection accepted ")
                    self.assertRegex(line, r'\bclient_subject="?CN=alice\b')
                    self.assertRegex(line, rf"\bclient_fingerprint={fingerprint(self.alice)}\b")
                    self.assertRegex(line, r"\bclient_verified=true\b")
                    self.assertNotIn("client_error", line)
                    self.assertNotIn("psk_identity", line)

    def test_forward_too(self):
        # The backend is never asked: nobody listens there.
        with self.server("--client-ca", self.certificates.ca, "--to", "127.0.0.1:1", mode="forward") as server:
            self.expect_refusal(server, None, TLS_1_3, "certificate.required", "no_client_certificate")
            self.assertNotIn("backend", "\n".join(server.log))

    def test_without_one(self):
        with self.requiring() as server:
            # TLS 1.2 has no alert of its own for it (RFC 5246 section 7.4.6).
            for version, alert in ((TLS_1_2, "handshake.failure"), (TLS_1_3, "certificate.required")):
                with self.subTest(version=version.name):
                    line = self.expect_refusal(server, None, version, alert, "no_client_certificate")
                    self.assertNotIn("client_subject", line)
            self.expect_service(server, self.alice)

    def test_bad_ones(self):
        bad = ((self.stranger, "unknown.ca", "client_certificate_unknown_ca", "stranger"),
               (self.expired, "certificate.expired", "client_certificate_expired", "2020-02-01"))
        with self.requiring() as server:
            for version in VERSIONS:
                for identity, alert, reason, told in bad:
                    with self.subTest(version=version.name, reason=reason):
                        line = self.expect_refusal(server, identity, version, alert, reason)
                        self.assertIn("CN=" + identity.certificate.stem, line)
                        self.assertIn(fingerprint(identity), line)
                        self.assertRegex(line, rf"detail=.*{told}")
                with self.subTest(version=version.name, certificate="early"):
                    line = self.expect_refusal(server, self.early, version, "(bad.certificate|certificate.expired)",
                                               "client_certificate_expired")
                    self.assertIn("2099-01-01", line)
            self.expect_service(server, self.alice)

    def test_s_client_sees_the_alert(self):
        options = ("-cert", self.stranger.certificate, "-key", self.stranger.key)
        with self.requiring() as server:
            for version in ("-tls1_2", "-tls1_3"):
                with self.subTest(version=version):
                    address = f"{server.host}:{server.port}"
                    with RunningProgram("openssl", "s_client", "-connect", address, version, *options) as client:
                        client.wait_for("alert unknown ca")

    def test_query_lets_everybody_in_and_tells_whom(self):
        for options in (("--client-ca", self.certificates.ca, "--client-verify", "query"),
                        ("--client-verify", "query")):
            has_ca = len(options) > 2
            with self.server(*options) as server:
                for version in VERSIONS:
                    with self.subTest(options=options, version=version.name):
                        line = self.expect_service(server, self.alice, version)
                        self.assertRegex(line, r" info connection accepted .*CN=alice")
                        self.assertRegex(line, rf"\bclient_verified={'true' if has_ca else 'false'}\b")
                        line = self.expect_service(server, self.stranger, version)
                        self.assertRegex(line, r'\bclient_subject="?CN=stranger\b')
                        self.assertRegex(line, r"\bclient_verified=false\b")
                        self.assertRegex(line, r"\bclient_error=")
                        line = self.expect_service(server, self.expired, version)
                        self.assertRegex(line, r"\bclient_verified=false\b")
                        line = self.expect_service(server, None, version)
                        self.assertNotRegex(line, "client_subject|client_verified|client_fingerprint")

    def test_no_client_is_asked_otherwise(self):
        for options in ((), ("--client-verify", "none")):
            with self.subTest(options=options), self.server(*options, "--log-level", "debug") as server:
                line = self.expect_service(server, self.stranger)
                self.assertRegex(line, " debug connection accepted ")
                self.assertNotIn("client_", line)

    def test_a_directory_of_cas(self):
        directory = self.certificates.path("cas")
        directory.mkdir()
        self.addCleanup(shutil.rmtree, directory)
        shutil.copy(self.certificates.ca, directory / "one.pem")
        shutil.copy(self.strangers.ca, directory / "two.crt")
        with self.server("--client-ca", directory) as server:
            self.assertIn("CN=alice", self.expect_service(server, self.alice))
            self.assertIn("CN=stranger", self.expect_service(server, self.stranger))
            self.expect_refusal(server, None, TLS_1_3, "certificate.required", "no_client_certificate")

    def test_a_ticket_stands_for_it(self):
        with self.requiring() as server:
            context = self.context(self.alice, TLS_1_2)
            session = None
            for visit in ("first", "second"):
                seen = len(server.log)
                with context.wrap_socket(server.connect(), server_hostname="localhost", session=session) as client:
                    session = client.session
                line = server.wait_for_log(r"connection accepted .*", start=seen).group(0)
                self.assertRegex(line, r"\bresumed=%s\b" % ("true" if visit == "second" else "false"))
                self.assertRegex(line, r"\bclient_verified=true\b")
                self.assertIn("CN=alice", line)
                self.assertTrue(session.has_ticket)

    def test_bad_ca(self):
        good = ["echo", "--listen", "127.0.0.1:0", *self.certificates.ecdsa.options()]
        empty_directory = self.certificates.path("empty directory")
        empty_directory.mkdir()
        self.addCleanup(empty_directory.rmdir)
        bad = ((self.certificates.path("missing.pem"), "(?i)no such file"),
               (self.certificates.write("empty.pem", ""), "empty"),
               (self.certificates.write("text.pem", "nonsense"), "PEM"),
               (self.certificates.ecdsa.key, "CERTIFICATE"),
               (empty_directory, "(?i)no certificate|holds no|CERTIFICATE"))
        for path, reason in bad:
            with self.subTest(path=path.name):
                finished = run(*good, "--client-ca", path)
                self.assertEqual(finished.returncode, 2, finished.stderr)
                self.assertEqual(len(finished.stderr.splitlines()), 1, finished.stderr)
                self.assertIn("--client-ca: ", finished.stderr)
                self.assertIn(str(path), finished.stderr)
                self.assertRegex(finished.stderr, reason)

    def test_a_ca_that_is_none_is_warned_about(self):
        with self.server("--client-ca", self.stranger.certificate) as server:
            warnings = [line for line in server.log if re.match(r"\S+ warning ", line)]
            self.assertEqual(len(warnings), 1, warnings)
            self.assertIn("stranger.pem", warnings[0])


if __name__ == "__main__":
    unittest.main()
