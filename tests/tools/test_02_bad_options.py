# A wrong option, value or file: one line on standard error that names it, exit status 2, and nothing was served.
#
# SPDX-License-Identifier: Apache-2.0

import unittest

from certificates import CertificatesTest
from programs import run_program
from sallyport import run


class BadOptions(CertificatesTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.good = ["--listen", "127.0.0.1:0", *cls.certificates.ecdsa.options()]

    def refuse(self, arguments, *patterns):
        with self.subTest(arguments=arguments):
            finished = run(*arguments)
            self.assertEqual(finished.returncode, 2, finished.stderr)
            self.assertEqual(finished.stdout, "")
            self.assertEqual(len(finished.stderr.splitlines()), 1, finished.stderr)
            for pattern in patterns:
                self.assertRegex(finished.stderr, pattern)

    def test_command(self):
        self.refuse([], "echo, forward, check or explain")
        self.refuse(["serve"], "serve")
        self.refuse(["echo", "forward", "--self-signed", "--listen", "127.0.0.1:0"], "forward")
        self.refuse(["--listen", "127.0.0.1:0"], "--listen|echo, forward, check or explain")

    def test_explain(self):
        self.refuse(["explain", "not_tls", "evicted"], "one reason", "evicted")
        self.refuse(["explain", "not_tls", "--markdown"], "--markdown", "not_tls")
        self.refuse(["explain", "--markdown=yes"], "--markdown")
        self.refuse(["explain", "--self-signed"], "--self-signed")
        self.refuse(["explain", "not\nls"], "is no reason")

    def test_unknown_or_repeated_option(self):
        self.refuse(["echo", *self.good, "--tls-everywhere"], "--tls-everywhere")
        self.refuse(["echo", *self.good, "-x"], "-x")
        self.refuse(["echo", *self.good, "stray"], "stray")
        self.refuse(["echo", *self.good, "--listen", "127.0.0.1:1"], "--listen")
        self.refuse(["echo", *self.good, "--handshake-timeout", "1s", "--handshake-timeout", "2s"],
                    "--handshake-timeout")
        self.refuse(["echo", *self.good, "--to", "127.0.0.1:80"], "--to")
        self.refuse(["echo", *self.good, "--alpn"], "--alpn")
        self.refuse(["echo", *self.good, "--hand\nshake"], "hand")

    def test_durations(self):
        for option in ("--handshake-timeout", "--shutdown-timeout", "--connect-timeout"):
            mode = ["forward", "--to", "127.0.0.1:80"] if option == "--connect-timeout" else ["echo"]
            for value in ("5", "s", "5 s", "-5s", "1.5s", "5sec", "5S", "", "99999999999999999999s", "1000000000h"):
                self.refuse([*mode, *self.good, option, value], option)
        self.refuse(["echo", *self.good, "--handshake-timeout", "0s"], "--handshake-timeout")

    def test_addresses(self):
        certificate = self.certificates.ecdsa.options()
        for value in ("", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:http",
                      "127.0.0.1:+80", "1.2.3:80", "::1:80", "[::1]", "[::1]80", "[::1:80", "[127.0.0.1]:80",
                      "two words:80", "bad..name:80", "unix:", "unix:/" + "x" * 200):
            self.refuse(["echo", "--listen", value, *certificate], "--listen")
            self.refuse(["forward", "--to", value, *self.good], "--to")
        for value in ("*:80", ":80", "127.0.0.1:0"):
            self.refuse(["forward", "--to", value, *self.good], "--to")
        self.refuse(["echo", *certificate], "--listen")
        self.refuse(["forward", *self.good], "--to")

    def test_counts(self):
        for option in ("--max-handshakes", "--max-handshakes-per-address", "--max-pending-connections", "--threads"):
            for value in ("0", "-1", "many", "", "1.5", "0x10", "99999999999999999999"):
                self.refuse(["echo", *self.good, option, value], option)
        self.refuse(["echo", *self.good, "--threads", "1025"], "--threads", "from 1 to 1024")

    def test_choices(self):
        self.refuse(["echo", *self.good, "--profile", "old"], "--profile", "old", "modern", "intermediate")
        self.refuse(["echo", *self.good, "--log-level", "loud"], "--log-level", "loud", "warning")
        self.refuse(["echo", *self.good, "--log-format", "xml"], "--log-format", "xml", "json")
        self.refuse(["echo", *self.good, "--alpn", "h2,,http/1.1"], "--alpn", "empty")
        self.refuse(["echo", *self.good, "--alpn", "x" * 256], "--alpn", "255")

    def test_clients(self):
        self.refuse(["echo", *self.good, "--client-verify", "verify"], "--client-verify", "--client-ca")
        self.refuse(["echo", *self.good, "--client-verify", "maybe"], "--client-verify", "none, query, verify")
        self.refuse(["echo", *self.good, "--client-ca", ""], "--client-ca", "empty")
        self.refuse(["echo", *self.good, "--client-ca", "/nonexistent/ca.pem"], "--client-ca", "/nonexistent/ca.pem")
        self.refuse(["echo", *self.good, "--psk-file", ""], "--psk-file", "empty")
        self.refuse(["echo", *self.good, "--psk-file", "/nonexistent/keys"], "--psk-file", "/nonexistent/keys")
        keys = ["--psk-file", "/nonexistent/keys"]
        self.refuse(["echo", "--listen", "127.0.0.1:0", *keys, "--client-ca", self.certificates.ca], "--client-ca",
                    "--cert")

    def test_certificate_or_self_signed(self):
        listen = ["--listen", "127.0.0.1:0"]
        ecdsa = self.certificates.ecdsa
        self.refuse(["echo", *listen], "--cert", "--self-signed")
        self.refuse(["echo", *listen, "--self-signed", *ecdsa.options()], "--self-signed", "--cert")
        self.refuse(["echo", *listen, "--cert", ecdsa.certificate], "--key")
        self.refuse(["echo", *listen, "--key", ecdsa.key], "--cert")
        self.refuse(["echo", *listen, *ecdsa.options(), "--cert", self.certificates.rsa.certificate], "--cert", "--key")

    def test_files(self):
        certificates, ecdsa = self.certificates, self.certificates.ecdsa
        der = certificates.path("ecdsa.der")
        run_program("openssl", "x509", "-in", ecdsa.certificate, "-outform", "DER", "-out", der)
        huge = certificates.path("huge.pem")
        with open(huge, "wb") as file:
            file.truncate(100_000_000)
        torn = ecdsa.certificate.read_text().replace("A", "!", 3)
        bad = {
            "missing.pem": (certificates.path("missing.pem"), "no such file"),
            "a directory": (certificates.directory, "directory"),
            "empty.pem": (certificates.write("empty.pem", ""), "empty"),
            "garbage.pem": (certificates.write("garbage.pem", bytes(range(256)) * 8), "PEM"),
            "ecdsa.der": (der, "DER"),
            "huge.pem": (huge, "larger than"),
            "torn.pem": (certificates.write("torn.pem", torn), "damaged|parse"),
            "line\nbreak.pem": (certificates.path("line\nbreak.pem"), "no such file"),
        }
        for name, (path, reason) in bad.items():
            named = "break" if "break" in name else str(path)
            self.refuse(self.with_files(path, ecdsa.key), named, reason)
            # As a key, the torn certificate is first of all no key.
            as_key = "PRIVATE KEY|damaged" if name == "torn.pem" else reason
            self.refuse(self.with_files(ecdsa.certificate, path), named, as_key)

    def test_key_and_certificate_exchanged(self):
        ecdsa = self.certificates.ecdsa
        self.refuse(self.with_files(ecdsa.key, ecdsa.key), "ecdsa.key", "CERTIFICATE")
        self.refuse(self.with_files(ecdsa.certificate, ecdsa.certificate), "ecdsa.pem", "PRIVATE KEY")

    def test_key_of_another_certificate(self):
        other = self.certificates.issue("other")
        for key in (other.key, self.certificates.rsa.key):
            self.refuse(self.with_files(self.certificates.ecdsa.certificate, key), key.name, "ecdsa.pem")

    def test_second_identity_is_checked_too(self):
        self.refuse(["echo", *self.good, "--cert", self.certificates.rsa.certificate, "--key", "/nonexistent/rsa.key"],
                    "/nonexistent/rsa.key")

    def test_weak_key(self):
        weak = self.certificates.issue("weak", algorithm="rsa-1024")
        self.refuse(["echo", "--listen", "127.0.0.1:0", *weak.options()], "weak.pem|weak.key")

    def test_passphrase(self):
        encrypted = ["echo", "--listen", "127.0.0.1:0", *self.certificates.encrypted().options()]
        self.refuse(encrypted, "encrypted.key", "encrypted")
        wrong = self.certificates.write("wrong-passphrase", "close sesame\n")
        self.refuse([*encrypted, "--passphrase-file", wrong], "encrypted.key", "wrong passphrase")
        self.refuse([*encrypted, "--passphrase-file", "/nonexistent/passphrase"], "/nonexistent/passphrase")
        self.refuse([*encrypted, "--passphrase-file", self.certificates.directory], "directory")
        self.refuse(["echo", "--listen", "127.0.0.1:0", "--self-signed", "--passphrase-file", wrong],
                    "--passphrase-file")

    def with_files(self, certificate, key):
        return ["echo", "--listen", "127.0.0.1:0", "--cert", str(certificate), "--key", str(key)]


if __name__ == "__main__":
    unittest.main()
