# What is odd about a certificate or key but no reason to refuse it: one warning that names the file, and it is served.
#
# SPDX-License-Identifier: Apache-2.0

import re
import unittest

from certificates import CertificatesTest
from programs import RunningProgram
from sallyport import Server


class CertificateWarnings(CertificatesTest):
    def warnings(self, *options):
        with Server("echo", *options) as server:
            with RunningProgram("openssl", "s_client", "-connect", f"{server.host}:{server.port}") as client:
                client.send("hello\n")
                client.wait_for("^hello$")
                client.send("Q\n")
                client.finish()
            return [line for line in server.log if re.match(r"\S+ warning ", line)]

    def test_none(self):
        self.assertEqual(self.warnings(*self.certificates.ecdsa.options()), [])
        self.assertEqual(self.warnings("--self-signed"), [])

    def test_expired(self):
        found = self.warnings(*self.certificates.expired().options())
        self.assertEqual(len(found), 1, found)
        self.assertRegex(found[0], r"expired\.pem.*expired")
        self.assertIn("2020-02-01", found[0])

    def test_not_yet_valid(self):
        early = self.certificates.issue("early", validity=("20990101000000Z", "20991231000000Z"))
        found = self.warnings(*early.options())
        self.assertEqual(len(found), 1, found)
        self.assertRegex(found[0], r"early\.pem.*not valid before.*2099-01-01")

    def test_key_that_others_may_read(self):
        loose = self.certificates.issue("loose")
        loose.key.chmod(0o644)
        found = self.warnings(*loose.options())
        self.assertEqual(len(found), 1, found)
        self.assertRegex(found[0], r"loose\.key")


if __name__ == "__main__":
    unittest.main()
