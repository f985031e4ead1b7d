# Sessions are resumed by whoever has the same --ticket-secret: another process, and this one after a restart.
#
# SPDX-License-Identifier: Apache-2.0

import os
import signal
import unittest

from certificates import CertificatesTest
from programs import RunningProgram
from reload import replace
from sallyport import Server, run

VERSIONS = ("-tls1_2", "-tls1_3")


class Tickets(CertificatesTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.alice = cls.certificates.issue("alice")

    def setUp(self):
        self.secret = self.certificates.path("ticket.secret")
        replace(self.secret, b"0123456789abcdef" * 3)
        self.session = self.certificates.path("session.pem")

    def server(self, *options, secret=True):
        more = ("--ticket-secret", self.secret) if secret else ()
        return Server("echo", *self.certificates.ecdsa.options(), *more, "--log-level", "debug", *options)

    def visit(self, server, version, *options):
        """"New" or "Reused", as s_client has it and the server's log confirms."""
        seen = len(server.log)
        with RunningProgram("openssl", "s_client", "-connect", f"{server.host}:{server.port}", "-servername",
                            "localhost", version, *options) as client:
            kind = client.wait_for("^(New|Reused), ").group(1)
            client.send("hello\n")
            client.wait_for("^hello$")  # in TLS 1.3 the ticket has come before it
            client.send("Q\n")
            client.finish()
        resumed = "true" if kind == "Reused" else "false"
        server.wait_for_log(rf"connection accepted .*\bresumed={resumed}\b", start=seen)
        return kind

    def get(self, server, version, *options):
        self.assertEqual(self.visit(server, version, "-sess_out", self.session, *options), "New")

    def use(self, server, version, *options):
        return self.visit(server, version, "-sess_in", self.session, *options)

    def test_another_process(self):
        with self.server() as one, self.server() as other:
            for version in VERSIONS:
                with self.subTest(version=version):
                    self.get(one, version)
                    self.assertEqual(self.use(one, version), "Reused")
                    self.assertEqual(self.use(other, version), "Reused")

    def test_after_a_restart(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                with self.server() as server:
                    self.get(server, version)
                    self.assertEqual(server.terminate(), 0)
                with self.server() as server:
                    self.assertEqual(self.use(server, version), "Reused")

    def test_clients_with_certificates(self):
        pair = ("-cert", self.alice.certificate, "-key", self.alice.key)
        options = ("--client-ca", self.certificates.ca, "--allow", "cn=alice")
        with self.server(*options) as one, self.server(*options) as other, self.server() as lax:
            for version in VERSIONS:
                with self.subTest(version=version):
                    self.get(one, version, *pair)
                    self.assertEqual(self.use(other, version, *pair), "Reused")
                    # Who asks less takes no ticket from who asks more, nor the other way round.
                    self.assertEqual(self.use(lax, version, *pair), "New")
                    self.get(lax, version)
                    self.assertEqual(self.use(other, version, *pair), "New")

    def test_not_without_the_secret(self):
        for version in VERSIONS:
            with self.subTest(version=version), self.server() as one, self.server(secret=False) as without:
                self.get(one, version)
                self.assertEqual(self.use(without, version), "New")
                self.get(without, version)
                self.assertEqual(self.use(one, version), "New")

    def test_a_new_secret(self):
        with self.server() as server:
            for version in VERSIONS:
                with self.subTest(version=version):
                    self.get(server, version)
                    replace(self.secret, os.urandom(32))
                    self.reload(server)
                    self.assertEqual(self.use(server, version), "New")
                    self.get(server, version)
                    self.reload(server)
                    self.assertEqual(self.use(server, version), "Reused")

    def reload(self, server):
        seen = len(server.log)
        os.kill(server.pid, signal.SIGHUP)
        server.wait_for_log("reloaded ", start=seen)

    def test_a_short_secret(self):
        replace(self.secret, b"0123456789abcdef" * 2)
        self.assertEqual(run("check", *self.certificates.ecdsa.options(), "--ticket-secret", self.secret).returncode, 0)
        replace(self.secret, b"x" * 31)
        finished = run("check", *self.certificates.ecdsa.options(), "--ticket-secret", self.secret)
        self.assertEqual(finished.returncode, 2)
        self.assertRegex(finished.stderr, r"^sallyport: --ticket-secret: .*ticket\.secret.*32")

    def test_a_secret_that_others_may_read(self):
        self.secret.chmod(0o644)
        with self.server() as server:
            server.wait_for_log(r" warning configuration detail=.*ticket\.secret.*(mode 0644|others|everybody)")

    def test_no_resumption(self):
        with self.server("--resumption-lifetime", "0s", secret=False) as server:
            for version in VERSIONS:
                with self.subTest(version=version), RunningProgram(
                        "openssl", "s_client", "-connect", f"{server.host}:{server.port}", version) as client:
                    client.send("hello\n")
                    client.wait_for("^hello$")
                    self.assertNotIn("TLS session ticket:", client.text)


if __name__ == "__main__":
    unittest.main()
