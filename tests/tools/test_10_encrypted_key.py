# An encrypted key is opened with --passphrase-file, and never by a question on the terminal.
#
# SPDX-License-Identifier: Apache-2.0

import fcntl
import os
import subprocess
import termios
import unittest

from certificates import Certificates, CertificatesTest, Identity
from programs import run_program
from sallyport import EVENT_TIMEOUT, Server, command
from tls_stream import TlsStream, client_context


class EncryptedKey(CertificatesTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pkcs8 = cls.certificates.encrypted()
        key = cls.certificates.path("traditional.key")
        run_program("openssl", "rsa", "-in", cls.certificates.rsa.key, "-traditional", "-aes256", "-out", key,
                    "-passout", "pass:" + Certificates.PASSPHRASE)
        cls.traditional = Identity(cls.certificates.rsa.certificate, key)

    def expect_service(self, identity, passphrase):
        file = self.certificates.passphrase_file(passphrase)
        with Server("echo", *identity.options(), "--passphrase-file", file) as server:
            with TlsStream(server.connect(), client_context(self.certificates.ca)) as client:
                client.send(b"hello")
                self.assertEqual(client.receive_exactly(5), b"hello")

    def test_the_files_are_as_supposed(self):
        self.assertIn("BEGIN ENCRYPTED PRIVATE KEY", self.pkcs8.key.read_text())
        self.assertIn("Proc-Type: 4,ENCRYPTED", self.traditional.key.read_text())

    def test_passphrase_file(self):
        for identity in (self.pkcs8, self.traditional):
            for end in ("\n", "", "\r\n", "\nsecond line\n"):
                with self.subTest(key=identity.key.name, end=end):
                    self.expect_service(identity, Certificates.PASSPHRASE + end)

    def test_one_passphrase_for_several_keys(self):
        file = self.certificates.passphrase_file()
        identities = self.pkcs8.options() + self.traditional.options()
        with Server("echo", *identities, "--passphrase-file", file):
            pass

    def test_passphrase_that_no_key_needs(self):
        self.expect_service(self.certificates.ecdsa, "whatever\n")

    def test_no_question_on_the_terminal(self):
        wrong = self.certificates.write("wrong", "close sesame\n")
        empty = self.certificates.write("nothing", "")
        for identity in (self.pkcs8, self.traditional):
            for options in ((), ("--passphrase-file", wrong), ("--passphrase-file", empty)):
                with self.subTest(key=identity.key.name, options=options):
                    arguments = ["echo", "--listen", "127.0.0.1:0", *identity.options(), *options]
                    status, said = self.run_on_a_terminal(*arguments)
                    self.assertEqual(status, 2, said)
                    self.assertEqual(len(said.splitlines()), 1, said)
                    self.assertNotRegex(said, "(?i)enter")

    def test_no_question_without_a_terminal(self):
        for identity in (self.pkcs8, self.traditional):
            arguments = [command(), "echo", "--listen", "127.0.0.1:0", *identity.options()]
            # Not even a standard input: its descriptor is closed.
            finished = subprocess.run(arguments, preexec_fn=lambda: os.close(0), start_new_session=True,
                                      capture_output=True, text=True, timeout=EVENT_TIMEOUT)
            self.assertEqual(finished.returncode, 2, finished.stderr)
            self.assertEqual(len(finished.stderr.splitlines()), 1, finished.stderr)

    def run_on_a_terminal(self, *arguments):
        """Runs the command with a controlling terminal on which nobody types: its exit status, and what it wrote."""
        ours, theirs = os.openpty()
        process = subprocess.Popen(
            [command(), *map(str, arguments)], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(theirs)
        said = b""
        try:
            status = process.wait(EVENT_TIMEOUT)
            while True:
                try:
                    piece = os.read(ours, 65536)
                except OSError:
                    break  # the other end is closed
                if not piece:
                    break
                said += piece
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            self.fail("it waits for somebody at the terminal")
        finally:
            os.close(ours)
        return status, said.decode("utf-8", "replace")


if __name__ == "__main__":
    unittest.main()
