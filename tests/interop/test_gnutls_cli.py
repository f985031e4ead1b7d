# gnutls-cli as the client: echo, versions, orderly close.
#
# SPDX-License-Identifier: Apache-2.0

import unittest

from backend import Backend
from certificates import CertificatesTest
from interop import each_version_and_key
from programs import RunningProgram
from sallyport import Server

PRIORITIES = {"TLSv1.2": "NORMAL:-VERS-ALL:+VERS-TLS1.2", "TLSv1.3": "NORMAL:-VERS-ALL:+VERS-TLS1.3"}
DESCRIPTIONS = {"TLSv1.2": r"\(TLS1\.2", "TLSv1.3": r"\(TLS1\.3"}


class GnutlsCli(CertificatesTest):
    def gnutls_cli(self, server, version, *options):
        return RunningProgram("gnutls-cli", "--x509cafile", self.certificates.ca, "--priority", PRIORITIES[version],
                              "--sni-hostname", "localhost", "--verify-hostname", "localhost", *options,
                              "--port", server.port, server.host)

    @each_version_and_key
    def test_echo(self, version, identity):
        with Server("echo", *identity.options()) as server:
            with self.gnutls_cli(server, version) as client:
                client.wait_for("^- Status: The certificate is trusted")
                client.wait_for(f"^- Description: {DESCRIPTIONS[version]}")
                client.wait_for("^- Handshake was completed")
                client.send("good morning\n")
                client.wait_for("^good morning$")
                client.end_input()
                self.assertEqual(client.finish(), 0, client.text)
            self.assertNotRegex("\n".join(server.log), "handshake failed|truncated")

    @each_version_and_key
    def test_server_closes_with_close_notify(self, version, identity):
        with Backend(lambda connection: connection.sendall(b"good night\n")) as backend:
            with Server("forward", *identity.options(), "--to", backend.address) as server:
                with self.gnutls_cli(server, version) as client:
                    client.wait_for("^good night$")
                    # Without close_notify it says "The TLS connection was non-properly terminated".
                    client.wait_for("^- Peer has closed the GnuTLS connection$")
                    self.assertEqual(client.finish(), 0, client.text)

    def test_certificate_for_another_name_is_what_the_client_rejects(self):
        # Shows that the other tests do verify.
        stranger = self.certificates.issue("stranger", names=("DNS:elsewhere.test",))
        with Server("echo", *stranger.options()) as server:
            with self.gnutls_cli(server, "TLSv1.2") as client:
                client.wait_for("The name in the certificate does not match the expected")
                self.assertNotEqual(client.finish(), 0)
            server.wait_for_log(r"handshake failed")

    def test_tls_1_1_is_refused(self):
        with Server("echo", *self.certificates.rsa.options()) as server:
            client = RunningProgram("gnutls-cli", "--x509cafile", self.certificates.ca,
                                    "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.1", "--port", server.port, server.host)
            with client:
                client.wait_for("Error in protocol version|Received alert .*[Pp]rotocol version")
                self.assertNotEqual(client.finish(), 0)
            server.wait_for_log(r"handshake failed.*reason=no_common_version")


if __name__ == "__main__":
    unittest.main()
