# A private key that stays in a token (PKCS#11, here SoftHSM): --key pkcs11:..., its PIN by --passphrase-file.
#
# SPDX-License-Identifier: Apache-2.0

import os
import re
import signal
import unittest
from unittest import mock

from backend import Backend
from certificates import CertificatesTest
from programs import RunningProgram, run_program
from sallyport import Server, run

TOKEN = "web"
PIN = "4711"
VERSIONS = {"TLSv1.2": "-tls1_2", "TLSv1.3": "-tls1_3"}
SIGNATURES = {"ecdsa": "ECDSA", "rsa": "RSA-PSS"}


class KeysInAToken(CertificatesTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        tokens = cls.certificates.path("tokens")
        tokens.mkdir()
        settings = cls.certificates.write("softhsm2.conf", f"directories.tokendir = {tokens}\nlog.level = ERROR\n")
        cls.enterClassContext(mock.patch.dict(os.environ, SOFTHSM2_CONF=str(settings)))
        run_program("softhsm2-util", "--init-token", "--free", "--label", TOKEN, "--pin", PIN, "--so-pin", "5678")
        for number, name in enumerate(SIGNATURES):
            key = getattr(cls.certificates, name).key
            run_program("softhsm2-util", "--import", key, "--token", TOKEN, "--label", name, "--id", f"{10 + number}",
                        "--pin", PIN)
            key.unlink()  # so that nobody signs with that one

    def options(self, name, pin=PIN):
        return ["--cert", getattr(self.certificates, name).certificate, "--key", f"pkcs11:token={TOKEN};object={name}",
                "--passphrase-file", self.certificates.passphrase_file(pin + "\n")]

    def expect_service(self, server, version, signature):
        """s_client verifies the certificate, and the signature of the handshake with it."""
        with RunningProgram("openssl", "s_client", "-connect", f"{server.host}:{server.port}", VERSIONS[version],
                            "-CAfile", self.certificates.ca, "-verify_return_error", "-verify_hostname",
                            "localhost") as client:
            client.wait_for(f"^Peer signature type: {signature}$")
            client.wait_for(rf"^New, {version}, Cipher is ")
            client.send("good morning\n")
            client.wait_for("^good morning$")
            client.send("Q\n")
            self.assertEqual(client.finish(), 0, client.text)

    def test_echo(self):
        for name, signature in SIGNATURES.items():
            for more in ((), ("--key-threads", 2)):
                with self.subTest(key=name, more=more):
                    with Server("echo", *self.options(name), *more) as server:
                        for version in VERSIONS:
                            self.expect_service(server, version, signature)
                        self.assertEqual(server.terminate(), 0)

    def test_forward(self):
        def echo(connection):
            while data := connection.recv(65536):
                connection.sendall(data)

        for version in VERSIONS:
            with Backend(echo) as backend, Server("forward", *self.options("ecdsa"), "--to", backend.address) as server:
                self.expect_service(server, version, "ECDSA")

    def test_reload(self):
        with Server("echo", *self.options("ecdsa")) as server:
            server.send_signal(signal.SIGHUP)
            server.wait_for_log(" info reloaded cause=SIGHUP identities=1 ")
            for version in VERSIONS:
                self.expect_service(server, version, "ECDSA")

    def test_check(self):
        finished = run("check", *self.options("rsa"))
        self.assertEqual(finished.returncode, 0, finished.stderr)

    def expect_refusal(self, options, reason):
        finished = run("echo", "--listen", "127.0.0.1:0", *options)
        self.assertEqual(finished.returncode, 2, finished.stderr)
        uri = re.escape(f"pkcs11:token={TOKEN};object=ecdsa")
        self.assertRegex(finished.stderr, rf"\A[^\n]*{uri}: {reason}[^\n]*\n\Z")

    def test_pin(self):
        self.expect_refusal(self.options("ecdsa", pin="4712"), "wrong PIN")
        self.expect_refusal(self.options("ecdsa")[:-2], "a PIN is needed, and none is given")


if __name__ == "__main__":
    unittest.main()
