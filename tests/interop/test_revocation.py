# Revocation, as others see it: who is on a list of `openssl ca` is refused, and an answer of `openssl ocsp` is stapled.
#
# SPDX-License-Identifier: Apache-2.0

import unittest

from certificates import CertificatesTest
from programs import RunningProgram
from sallyport import Server

S_CLIENT_VERSIONS = {"TLSv1.2": "-tls1_2", "TLSv1.3": "-tls1_3"}
GNUTLS_VERSIONS = {"TLSv1.2": "NORMAL:-VERS-ALL:+VERS-TLS1.2", "TLSv1.3": "NORMAL:-VERS-ALL:+VERS-TLS1.3"}

# RFC 8446 section 6.2, in each client's own words.
REVOKED = ("alert certificate revoked", r"Received alert \[44\]:")
UNKNOWN = ("alert certificate unknown", r"Received alert \[46\]:")


def s_client(certificates, server, version, *options):
    return RunningProgram("openssl", "s_client", "-connect", f"{server.host}:{server.port}", "-CAfile",
                          certificates.ca, S_CLIENT_VERSIONS[version], *options)


def gnutls_cli(certificates, server, version, *options):
    return RunningProgram("gnutls-cli", "--x509cafile", certificates.ca, "--priority", GNUTLS_VERSIONS[version],
                          "--verify-hostname", "localhost", *options, "--port", server.port, server.host)


class RevokedClients(CertificatesTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.friend = cls.certificates.issue("friend")
        cls.former = cls.certificates.issue("former")
        cls.list = cls.certificates.revocation_list("today", cls.former)
        cls.stale = cls.certificates.revocation_list("stale", cls.former,
                                                     validity=("20200101000000Z", "20200201000000Z"))

    def server(self, *options):
        return Server("echo", *self.certificates.ecdsa.options(), "--client-ca", self.certificates.ca, *options)

    def each_client(self, server, identity):
        """Each client with each version: its description, how to start it, and which of the words are its own."""
        for version in S_CLIENT_VERSIONS:
            pair = ("-cert", identity.certificate, "-key", identity.key)
            yield f"s_client {version}", lambda: s_client(self.certificates, server, version, *pair), 0
            pair = ("--x509certfile", identity.certificate, "--x509keyfile", identity.key)
            yield f"gnutls-cli {version}", lambda: gnutls_cli(self.certificates, server, version, *pair), 1

    def expect_welcome(self, server, identity):
        for name, start, _ in self.each_client(server, identity):
            with self.subTest(client=name), start() as client:
                client.send("good morning\n")
                client.wait_for("^good morning$")

    def expect_refusal(self, server, identity, alert, reason):
        for name, start, words in self.each_client(server, identity):
            seen = len(server.log)
            with self.subTest(client=name), start() as client:
                # In TLS 1.3 it takes itself for connected before the server has looked at its certificate.
                try:
                    client.send("let me in\n")
                except BrokenPipeError:
                    pass
                client.wait_for(alert[words])
                client.finish()
                self.assertNotRegex(client.text, "(?m)^let me in$")
                server.wait_for_log(rf"handshake failed.*reason={reason}\b", start=seen)

    def test_who_is_on_the_list_is_refused(self):
        with self.server("--crl", self.list) as server:
            self.expect_refusal(server, self.former, REVOKED, "client_certificate_revoked")
            self.expect_welcome(server, self.friend)

    def test_a_list_that_is_out_of_date_lets_nobody_in(self):
        with self.server("--crl", self.stale) as server:
            server.wait_for_log(r"stale\.crl: list 1 .* has been out of date since 2020-02-01")
            self.expect_refusal(server, self.friend, UNKNOWN, "client_certificate_rejected")
            self.expect_refusal(server, self.former, REVOKED, "client_certificate_revoked")

    def test_or_only_who_is_on_it(self):
        with self.server("--crl", self.stale, "--crl-policy", "soft-fail") as server:
            self.expect_welcome(server, self.friend)
            self.expect_refusal(server, self.former, REVOKED, "client_certificate_revoked")


class Stapling(CertificatesTest):
    def chain_with_issuer(self, identity):
        chain = self.certificates.write("chain.pem", identity.certificate.read_text() + self.certificates.ca.read_text())
        return "--cert", chain, "--key", identity.key

    def test_clients_that_ask_get_the_response(self):
        identity = self.certificates.ecdsa
        response = self.certificates.ocsp_response("good", identity)
        with Server("echo", *self.chain_with_issuer(identity), "--ocsp-response", response) as server:
            for version in S_CLIENT_VERSIONS:
                with self.subTest(version=version, client="s_client"):
                    with s_client(self.certificates, server, version, "-status") as client:
                        client.wait_for("Cert Status: good")
                        client.send("good morning\n")
                        client.wait_for("^good morning$")
                with self.subTest(version=version, client="gnutls-cli"):
                    # It asks, and verifies what it gets.
                    with gnutls_cli(self.certificates, server, version) as client:
                        client.wait_for("OCSP status request")
                        client.send("good morning\n")
                        client.wait_for("^good morning$")

    def test_the_others_get_none(self):
        with Server("echo", *self.chain_with_issuer(self.certificates.ecdsa)) as server:
            with s_client(self.certificates, server, "TLSv1.3", "-status") as client:
                client.wait_for("OCSP response: no response sent")

    def test_a_response_that_says_revoked_is_refused(self):
        identity = self.certificates.rsa
        response = self.certificates.ocsp_response("revoked", identity, revoked=True)
        with Server("echo", *self.chain_with_issuer(identity), "--ocsp-response", response, wait=False) as server:
            self.assertNotEqual(server.wait(), 0)
            self.assertIn(f"{response}: says that the certificate was revoked on ", "\n".join(server.log))


if __name__ == "__main__":
    unittest.main()
