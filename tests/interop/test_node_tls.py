# Node's tls module as the client, by node_echo.js.
#
# SPDX-License-Identifier: Apache-2.0

import json
import pathlib
import unittest

from certificates import CertificatesTest
from interop import each_version_and_key
from programs import run_program
from sallyport import Server

SCRIPT = pathlib.Path(__file__).with_name("node_echo.js")


class NodeTls(CertificatesTest):
    def report(self, server, version, text):
        return json.loads(run_program("node", SCRIPT, server.host, server.port, self.certificates.ca, version, text))

    @each_version_and_key
    def test_echo(self, version, identity):
        with Server("echo", *identity.options()) as server:
            # Long enough for several records and more than one turn of either side.
            text = "good morning " * 8000
            self.assertEqual(self.report(server, version, text),
                             {"authorized": True, "version": version, "echoed": text, "ended": True})

    def test_certificate_of_an_unknown_ca_is_what_the_client_rejects(self):
        # Shows that the other test does verify.
        with Server("echo", "--self-signed") as server:
            report = self.report(server, "TLSv1.3", "hello")
            self.assertNotIn("authorized", report)
            self.assertRegex(report["error"], "SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET")


if __name__ == "__main__":
    unittest.main()
