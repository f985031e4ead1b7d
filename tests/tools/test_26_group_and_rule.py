# What the line of an accepted connection says of the key exchange, and of the rule that let the client in.
#
# SPDX-License-Identifier: Apache-2.0

import re
import ssl
import unittest

from certificates import CertificatesTest
from sallyport import Server, run
from tls_stream import TLS_1_2, TLS_1_3, TlsStream, client_context

VERSIONS = (TLS_1_2, TLS_1_3)
HAS_HYBRID = ssl.OPENSSL_VERSION_INFO >= (3, 5)


class GroupAndRule(CertificatesTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        names = ("DNS:web.example.org", "URI:spiffe://example.org/ns/shop/sa/web", "email:web@example.org")
        cls.web = cls.certificates.issue("web", names=names)
        cls.other = cls.certificates.issue("other", names=("DNS:example.org", "URI:spiffe://example.org/ns/shop"))

    def context(self, version, identity=None):
        context = client_context(self.certificates.ca, version)
        if identity is not None:
            context.load_cert_chain(identity.certificate, identity.key)
        return context

    def line_of(self, server, context):
        seen = len(server.log)
        with TlsStream(server.connect(), context) as client:
            client.send(b"hello")
            self.assertEqual(client.receive_exactly(5), b"hello")
        return server.wait_for_log(r"connection accepted .*", start=seen).group(0)

    def test_group(self):
        with Server("echo", *self.certificates.ecdsa.options(), "--log-level", "debug") as server:
            for version in VERSIONS:
                with self.subTest(version=version.name):
                    own = "X25519MLKEM768" if HAS_HYBRID and version == TLS_1_3 else "x25519"
                    line = self.line_of(server, self.context(version))
                    self.assertRegex(line, rf" cipher=\S+ group={own} alpn=")
                    context = self.context(version)
                    context.set_ecdh_curve("prime256v1")
                    self.assertRegex(self.line_of(server, context), r" group=secp256r1 ")

    def test_group_of_a_resumed_session(self):
        with Server("echo", *self.certificates.ecdsa.options(), "--log-level", "debug") as server:
            for version, group in ((TLS_1_2, '""'), (TLS_1_3, r"x25519|X25519MLKEM768")):
                context = self.context(version)
                session = None
                for resumed, expected in (("false", r"x25519|X25519MLKEM768"), ("true", group)):
                    with self.subTest(version=version.name, resumed=resumed):
                        seen = len(server.log)
                        with context.wrap_socket(server.connect(), server_hostname="localhost",
                                                 session=session) as client:
                            client.sendall(b"hello")
                            self.assertEqual(client.recv(5), b"hello")  # and the ticket
                            session = client.session
                        line = server.wait_for_log(r"connection accepted .*", start=seen).group(0)
                        self.assertRegex(line, rf" group=({expected}) .* resumed={resumed} ")

    def test_rule(self):
        for rule in ("dns=*.example.org", "uri=spiffe://example.org/ns/*/sa/web",
                     "uri=spiffe://example.org/ns/shop/sa/**", "email=web@EXAMPLE.org", "cn=web"):
            with self.subTest(rule=rule):
                options = ("--client-ca", self.certificates.ca, "--allow", "cn=nobody", "--allow", rule)
                with Server("echo", *self.certificates.ecdsa.options(), *options) as server:
                    for version in VERSIONS:
                        line = self.line_of(server, self.context(version, self.web))
                        self.assertRegex(line, rf' matched_rule="?{re.escape(rule)}"?$')
                        self.expect_denial(server, version)

    def expect_denial(self, server, version):
        seen = len(server.log)
        with TlsStream(server.connect(), self.context(version, self.other), handshake=False) as client:
            with self.assertRaises(ssl.SSLError) as raised:
                client.handshake()
                # In TLS 1.3 the client has done its part before the server looks at the certificate.
                client.send(b"hello")
                client.receive()
        self.assertRegex(str(raised.exception), "(?i)access.denied")
        line = server.wait_for_log(r"handshake failed .*", start=seen).group(0)
        self.assertRegex(line, r"\breason=denied_by_policy\b")
        self.assertNotIn("matched_rule", line)

    def test_no_rule(self):
        with Server("echo", *self.certificates.ecdsa.options(), "--client-ca", self.certificates.ca) as server:
            self.assertNotIn("matched_rule", self.line_of(server, self.context(TLS_1_3, self.web)))

    def test_bad_rule(self):
        command = ("echo", "--listen", "127.0.0.1:0", *self.certificates.ecdsa.options(), "--client-ca",
                   self.certificates.ca, "--allow")
        for rule, told in (("dns=*", "needs two labels or more behind the wildcard"),
                           ("uri=spiffe://example.org/**/web", r"has a \*\* that isn't at its end"),
                           ("ip=192.0.2.1", "begins with none of dns=")):
            with self.subTest(rule=rule):
                ended = run(*command, rule)
                self.assertNotEqual(ended.returncode, 0)
                self.assertRegex(ended.stderr, rf'access rule "{re.escape(rule)}": {told}')


if __name__ == "__main__":
    unittest.main()
