# Several names on one server: which certificate a client is shown, what is different for some names, and who gets in
# by --allow and --crl.
#
# SPDX-License-Identifier: Apache-2.0

import os
import re
import shutil
import signal
import ssl
import unittest

from certificates import CertificatesTest
from programs import RunningProgram, run_program
from reload import replace
from sallyport import Server, run
from tls_stream import TLS_1_2, TLS_1_3, TlsStream, client_context

VERSIONS = (TLS_1_2, TLS_1_3)


class NamesTest(CertificatesTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.one = cls.certificates.issue("one", names=("DNS:one.example", "DNS:localhost"))
        cls.two = cls.certificates.issue("two", names=("DNS:two.example", "DNS:*.two.example"))
        cls.alice = cls.certificates.issue("alice")
        cls.bob = cls.certificates.issue("bob")

    def connect(self, server, name, identity=None, version=None, alpn=()):
        """After an echo, so that the server has let it in: in TLS 1.3 it looks at the client's certificate last."""
        context = client_context(self.certificates.ca, version, alpn)
        if identity is not None:
            context.load_cert_chain(identity.certificate, identity.key)
        connection = server.connect()
        self.addCleanup(connection.close)
        client = TlsStream(connection, context, name)
        client.send(b"hello")
        self.assertEqual(client.receive_exactly(5), b"hello")
        return client

    def shown(self, server, name):
        subject = self.connect(server, name).tls.getpeercert()["subject"]
        return dict(entry[0] for entry in subject)["commonName"]

    def s_client(self, server, *options):
        return RunningProgram("openssl", "s_client", "-connect", f"{server.host}:{server.port}", *options)

    def expect_refusal(self, server, name, alert, reason, identity=None):
        """`alert` in the client's own words."""
        for version in VERSIONS:
            with self.subTest(name=name, version=version.name):
                seen = len(server.log)
                with self.assertRaises(ssl.SSLError) as raised:
                    self.connect(server, name, identity, version)
                self.assertRegex(str(raised.exception), f"(?i){alert}")
                server.wait_for_log(rf"handshake failed reason={reason} ", start=seen)


class Names(NamesTest):
    def server(self, *options):
        return Server("echo", *self.one.options(), *self.two.options(), *options)

    def test_each_name_has_its_certificate(self):
        with self.server() as server:
            for name, expected in (("one.example", "one"), ("two.example", "two"), ("TWO.Example", "two"),
                                   ("deep.two.example", "two"), ("localhost", "one")):
                self.assertEqual(self.shown(server, name), expected, name)

    def test_unknown_names(self):
        for options in ((), ("--unknown-name", "default")):
            with self.subTest(options=options), self.server(*options) as server:
                with self.s_client(server, "-servername", "three.example") as client:
                    client.wait_for("subject=CN = one")
        with self.server("--unknown-name", "refuse") as server:
            for version in ("-tls1_2", "-tls1_3"):
                with self.subTest(version=version):
                    seen = len(server.log)
                    with self.s_client(server, version, "-servername", "three.example") as client:
                        client.wait_for("SSL alert number 112")  # unrecognized_name
                    server.wait_for_log("handshake failed reason=unknown_server_name .*sni=three.example", start=seen)
            # Who asks for no name asks for no unknown one.
            with self.s_client(server, "-noservername") as client:
                client.wait_for("subject=CN = one")

    def test_a_directory_and_pkcs12(self):
        directory = self.certificates.path("pairs")
        (directory / "two").mkdir(parents=True)
        self.addCleanup(shutil.rmtree, directory)
        shutil.copy(self.two.certificate, directory / "two" / "tls.crt")
        shutil.copy(self.two.key, directory / "two" / "tls.key")
        three = self.certificates.issue("three", names=("DNS:three.example",))
        run_program("openssl", "pkcs12", "-export", "-in", three.certificate, "-inkey", three.key, "-passout",
                    "pass:open sesame", "-out", directory / "three.p12")
        (directory / "three.p12").chmod(0o600)
        options = ("--cert", directory, *self.one.options(), "--passphrase-file", self.certificates.passphrase_file())
        with Server("echo", *options, "--watch", "50ms") as server:
            for name, expected in (("one.example", "one"), ("two.example", "two"), ("three.example", "three")):
                self.assertEqual(self.shown(server, name), expected)
            self.assertEqual([line for line in server.log if " warning " in line], [])
            # A file in a subdirectory is watched, too.
            four = self.certificates.issue("four", names=("DNS:two.example",))
            (directory / "four").mkdir()
            replace(directory / "four" / "tls.key", four.key.read_bytes())
            replace(directory / "four" / "tls.crt", four.certificate.read_bytes())
            shutil.rmtree(directory / "two")
            server.wait_for_log(r"reloaded .*identities=3 names=4 ")
            self.assertEqual(self.shown(server, "two.example"), "four")
        finished = run("check", *options)
        self.assertEqual(re.findall(r"(?m)^certificate .*/(\S+)$", finished.stdout), ["tls.crt", "three.p12", "one.pem"])

    def test_a_file_with_both(self):
        both = self.certificates.write("both.pem", self.one.certificate.read_bytes() + self.one.key.read_bytes())
        both.chmod(0o600)
        with Server("echo", "--cert", both, *self.two.options()) as server:
            self.assertEqual(self.shown(server, "one.example"), "one")
            self.assertEqual(self.shown(server, "two.example"), "two")

    def test_uris(self):
        with Server("echo", "--cert", f"file:{self.one.certificate}", "--key", f"file:{self.one.key}") as server:
            self.assertEqual(self.shown(server, "one.example"), "one")

    def test_what_a_directory_lacks(self):
        directory = self.certificates.path("odd pairs")
        directory.mkdir()
        self.addCleanup(shutil.rmtree, directory)
        for options in ([], ["--key", self.one.key], ["--ocsp-response", self.one.key]):
            finished = run("check", "--cert", directory, *options)
            self.assertEqual(finished.returncode, 2)
            self.assertIn(str(directory), finished.stderr)
        shutil.copy(self.one.certificate, directory / "one.pem")
        finished = run("check", "--cert", directory)
        self.assertEqual(finished.returncode, 2)
        self.assertRegex(finished.stderr, r"--cert: .*one\.pem: no PRIVATE KEY.*beside it")

    def test_key_threads(self):
        with self.server("--key-threads", 2) as server:
            for version in VERSIONS:
                self.connect(server, "two.example", version=version)


class Clients(NamesTest):
    def server(self, *options):
        return Server("echo", *self.one.options(), *self.two.options(), *options)

    def test_rules(self):
        with self.server("--client-ca", self.certificates.ca, "--allow", "cn=carol", "--allow", "cn=alice") as server:
            for version in VERSIONS:
                self.connect(server, "one.example", self.alice, version)
                server.wait_for_log("connection accepted .*CN=alice.* matched_rule=\"?cn=alice")
            self.expect_refusal(server, "one.example", "access.denied", "denied_by_policy", self.bob)

    def test_for_one_name(self):
        with self.server("--alpn", "h2", "--for", "two.example,*.two.example", "--client-ca", self.certificates.ca,
                         "--allow", "cn=alice", "--alpn", "http/1.1") as server:
            # The client chooses the name.
            server.wait_for_log(" warning .*--for two.example: other clients are let in by this name than by the rest")
            open_to_all = self.connect(server, "one.example", alpn=("http/1.1", "h2"))
            self.assertEqual(open_to_all.tls.selected_alpn_protocol(), "h2")
            for name in ("two.example", "deep.two.example"):
                client = self.connect(server, name, self.alice, alpn=("h2", "http/1.1"))
                self.assertEqual(client.tls.selected_alpn_protocol(), "http/1.1")
                self.expect_refusal(server, name, "certificate.required|handshake.failure", "no_client_certificate")
                self.expect_refusal(server, name, "access.denied", "denied_by_policy", self.bob)

    def test_one_name_is_open(self):
        with self.server("--client-ca", self.certificates.ca, "--allow", "cn=alice", "--for", "two.example",
                         "--client-verify", "none") as server:
            self.connect(server, "two.example")
            self.connect(server, "one.example", self.alice)
            self.expect_refusal(server, "one.example", "access.denied", "denied_by_policy", self.bob)

    def test_a_name_that_wants_a_key_or_a_certificate(self):
        good, wrong = "000102030405060708090a0b0c0d0e0f", "ff" * 16
        keys = self.certificates.write("names.psk", f"alice:{good}\n")
        keys.chmod(0o600)
        with self.server("--psk-file", keys, "--for", "two.example", "--client-ca", self.certificates.ca) as server:
            for version in (("-tls1_2", "-cipher", "PSK"), ("-tls1_3",)):
                for identity, key, gets_in in (("alice", good, True), ("alice", wrong, False), ("eve", wrong, False)):
                    with self.subTest(version=version[0], identity=identity, gets_in=gets_in):
                        seen = len(server.log)
                        with self.s_client(server, *version, "-servername", "two.example", "-psk_identity", identity,
                                           "-psk", key) as client:
                            client.send("hello\n")
                            client.wait_for("^hello$" if gets_in else "alert")
                        server.wait_for_log("connection accepted" if gets_in else "handshake failed", start=seen)
            self.expect_refusal(server, "two.example", "certificate.required|handshake.failure",
                                "no_client_certificate")
            self.connect(server, "two.example", self.alice)
            self.connect(server, "one.example")
            self.assertNotIn("connection refused", "\n".join(server.log))

    def test_a_list_that_is_replaced(self):
        crl = self.certificates.path("live.crl")
        replace(crl, self.certificates.revocation_list("none").read_bytes())
        with self.server("--client-ca", self.certificates.ca, "--crl", crl) as server:
            self.connect(server, "one.example", self.alice)
            replace(crl, self.certificates.revocation_list("bob-only", self.bob).read_bytes())
            self.connect(server, "one.example", self.bob)
            os.kill(server.pid, signal.SIGHUP)
            server.wait_for_log(r"reloaded .*\bcrls=1 ")
            self.connect(server, "one.example", self.alice)
            self.expect_refusal(server, "one.example", "revoked", "client_certificate_revoked", self.bob)

    def test_a_list_that_is_out_of_date(self):
        stale = self.certificates.revocation_list("stale", validity=("20200101000000Z", "20200201000000Z"))
        options = ("--client-ca", self.certificates.ca, "--crl", stale)
        with self.server(*options) as server:
            with self.assertRaises(ssl.SSLError):
                self.connect(server, "one.example", self.alice)
        with self.server(*options, "--crl-policy", "soft-fail") as server:
            server.wait_for_log(r" warning .*stale\.crl")
            self.connect(server, "one.example", self.alice)


if __name__ == "__main__":
    unittest.main()
