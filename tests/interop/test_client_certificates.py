# A client whose certificate is refused reads the alert that says why: seen from openssl s_client and from gnutls-cli.
#
# SPDX-License-Identifier: Apache-2.0

import unittest

from certificates import Certificates, CertificatesTest
from programs import RunningProgram
from sallyport import Server

S_CLIENT_VERSIONS = {"TLSv1.2": "-tls1_2", "TLSv1.3": "-tls1_3"}
GNUTLS_VERSIONS = {"TLSv1.2": "NORMAL:-VERS-ALL:+VERS-TLS1.2", "TLSv1.3": "NORMAL:-VERS-ALL:+VERS-TLS1.3"}

# The client's own words for each alert (RFC 8446 section 6.2).
S_CLIENT_WORDS = {
    40: "alert handshake failure",
    43: "alert unsupported certificate",
    45: "alert certificate expired",
    48: "alert unknown ca",
    49: "alert access denied",
    116: "alert certificate required",
}
GNUTLS_WORDS = {alert: rf"Received alert \[{alert}\]:" for alert in S_CLIENT_WORDS}

HANDSHAKE_FAILURE, UNSUPPORTED_CERTIFICATE = 40, 43
CERTIFICATE_EXPIRED, UNKNOWN_CA, ACCESS_DENIED, CERTIFICATE_REQUIRED = 45, 48, 49, 116


class ClientCertificates(CertificatesTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.friend = cls.certificates.issue("friend")
        cls.others = Certificates()
        cls.addClassCleanup(cls.others.remove)

    def server(self, *options):
        return Server("echo", *self.certificates.ecdsa.options(), "--client-ca", self.certificates.ca,
                      "--client-verify", "verify", *options)

    def s_client(self, server, version, identity):
        options = ("-cert", identity.certificate, "-key", identity.key) if identity else ()
        return RunningProgram("openssl", "s_client", "-connect", f"{server.host}:{server.port}",
                              "-CAfile", self.certificates.ca, S_CLIENT_VERSIONS[version], *options)

    def gnutls_cli(self, server, version, identity, priority=""):
        options = ("--x509certfile", identity.certificate, "--x509keyfile", identity.key) if identity else ()
        return RunningProgram("gnutls-cli", "--x509cafile", self.certificates.ca, "--priority",
                              GNUTLS_VERSIONS[version] + priority, "--verify-hostname", "localhost", *options,
                              "--port", server.port, server.host)

    def each_client(self):
        """Each client with each version: its name, how to start it, and its words for the alerts."""
        for version in S_CLIENT_VERSIONS:
            yield version, "s_client", self.s_client, S_CLIENT_WORDS
            yield version, "gnutls-cli", self.gnutls_cli, GNUTLS_WORDS

    def expect_refusal(self, identity, alerts, reason, *options):
        """`alerts` by version. Nothing that the client sends comes back. `options` are the server's."""
        with self.server(*options) as server:
            for version, name, start, words in self.each_client():
                with self.subTest(version=version, client=name):
                    seen = len(server.log)
                    with start(server, version, identity) as client:
                        # In TLS 1.3 it takes itself for connected before the server has looked at its certificate.
                        try:
                            client.send("let me in\n")
                        except BrokenPipeError:
                            pass
                        client.wait_for(words[alerts[version]])
                        client.finish()
                        self.assertNotRegex(client.text, "(?m)^let me in$")
                    server.wait_for_log(rf"handshake failed.*reason={reason}\b", start=seen)
                    self.assertNotIn("connection accepted", "\n".join(server.log[seen:]))
            with self.s_client(server, "TLSv1.3", self.friend) as client:
                client.send("still here\n")
                client.wait_for("^still here$")

    def test_a_good_one_gets_in(self):
        # Shows that the others are refused for their certificates.
        with self.server() as server:
            for version, name, start, _ in self.each_client():
                with self.subTest(version=version, client=name):
                    with start(server, version, self.friend) as client:
                        client.send("good morning\n")
                        client.wait_for("^good morning$")

    def test_none(self):
        # TLS 1.2 has no alert of its own for this (RFC 5246 section 7.4.6).
        self.expect_refusal(None, {"TLSv1.2": HANDSHAKE_FAILURE, "TLSv1.3": CERTIFICATE_REQUIRED},
                            "no_client_certificate")

    def test_unknown_ca(self):
        # gnutls-cli would keep a certificate to itself whose CA the server doesn't name: this one has the CA's name.
        self.expect_refusal(self.others.issue("stranger"), dict.fromkeys(S_CLIENT_VERSIONS, UNKNOWN_CA),
                            "client_certificate_unknown_ca")

    def test_self_signed(self):
        self.expect_refusal(self.certificates.self_signed("loner"), dict.fromkeys(S_CLIENT_VERSIONS, UNKNOWN_CA),
                            "client_certificate_unknown_ca")

    def test_expired(self):
        self.expect_refusal(self.certificates.expired(), dict.fromkeys(S_CLIENT_VERSIONS, CERTIFICATE_EXPIRED),
                            "client_certificate_expired")

    def test_not_yet_valid(self):
        early = self.certificates.issue("early", validity=("20990101000000Z", "20991231000000Z"))
        self.expect_refusal(early, dict.fromkeys(S_CLIENT_VERSIONS, CERTIFICATE_EXPIRED), "client_certificate_expired")

    def test_of_a_server(self):
        server_only = self.certificates.issue("server-only", purposes="serverAuth")
        self.expect_refusal(server_only, dict.fromkeys(S_CLIENT_VERSIONS, UNSUPPORTED_CERTIFICATE),
                            "client_certificate_rejected")

    def test_whom_no_rule_lets_in(self):
        self.expect_refusal(self.certificates.issue("visitor"), dict.fromkeys(S_CLIENT_VERSIONS, ACCESS_DENIED),
                            "denied_by_policy", "--allow", "cn=friend")

    def test_whom_no_rule_lets_in_and_who_takes_no_tickets(self):
        # Without psk_key_exchange_modes OpenSSL sends no ticket by itself (RFC 8446 section 4.2.9); the alert comes by
        # what it does for tickets.
        visitor = self.certificates.issue("visitor")
        with self.server("--allow", "cn=friend") as server:
            with self.gnutls_cli(server, "TLSv1.3", visitor, ":%NO_TICKETS") as client:
                client.wait_for(GNUTLS_WORDS[ACCESS_DENIED])
            server.wait_for_log(r"handshake failed.*reason=denied_by_policy\b.*CN=visitor")

    def test_whom_a_rule_lets_in(self):
        with self.server("--allow", "cn=somebody else", "--allow", "dns=localhost") as server:
            for version, name, start, _ in self.each_client():
                with self.subTest(version=version, client=name):
                    with start(server, version, self.friend) as client:
                        client.send("good morning\n")
                        client.wait_for("^good morning$")


if __name__ == "__main__":
    unittest.main()
