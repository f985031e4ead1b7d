# openssl s_client as the client: echo, versions, SNI, ALPN, resumption, key update, and no renegotiation.
#
# SPDX-License-Identifier: Apache-2.0

import unittest

from backend import Backend
from certificates import CertificatesTest
from interop import each_version_and_key
from programs import RunningProgram
from sallyport import Server

VERSION_OPTIONS = {"TLSv1.2": "-tls1_2", "TLSv1.3": "-tls1_3"}


class OpensslSClient(CertificatesTest):
    def s_client(self, server, *options, name="localhost", verify=True):
        """Connects. The server's certificate must be good, and for `name`, or s_client ends."""
        arguments = ["-connect", f"{server.host}:{server.port}", "-CAfile", self.certificates.ca]
        arguments += ["-servername", name] if name else ["-noservername"]
        if verify:
            arguments += ["-verify_return_error", "-verify_hostname", name]
        return RunningProgram("openssl", "s_client", *arguments, *options)

    def expect_echo(self, client, word):
        client.send(f"{word}\n")
        client.wait_for(f"^{word}$")

    def expect_service(self, server):
        """The server still serves somebody else."""
        with self.s_client(server) as client:
            self.expect_echo(client, "still here")
            client.send("Q\n")
            self.assertEqual(client.finish(), 0)

    @each_version_and_key
    def test_echo(self, version, identity):
        with Server("echo", *identity.options()) as server:
            with self.s_client(server, VERSION_OPTIONS[version]) as client:
                client.wait_for(rf"^New, {version}, Cipher is ")
                client.wait_for(r"^Verify return code: 0 \(ok\)|^Verification: OK")
                self.expect_echo(client, "good morning")
                client.send("Q\n")
                self.assertEqual(client.finish(), 0, client.text)

    @each_version_and_key
    def test_server_closes_with_close_notify(self, version, identity):
        with Backend(lambda connection: connection.sendall(b"good night\n")) as backend:
            with Server("forward", *identity.options(), "--to", backend.address) as server:
                with self.s_client(server, VERSION_OPTIONS[version], "-msg") as client:
                    client.wait_for("^good night$")
                    client.wait_for(r"^<<< .*Alert.*warning close_notify")
                    client.wait_for("^closed$")
                    self.assertEqual(client.finish(), 0, client.text)

    def test_certificate_of_an_unknown_ca_is_what_the_client_rejects(self):
        # Shows that the other tests do verify.
        stranger = self.certificates.issue("stranger", names=("DNS:elsewhere.test",))
        with Server("echo", *stranger.options()) as server:
            with self.s_client(server) as client:
                client.wait_for("[Hh]ostname mismatch")
                self.assertNotEqual(client.finish(), 0)
            server.wait_for_log(r"handshake failed.*reason=alert_from_client")

    def test_tls_1_1_is_refused(self):
        with Server("echo", *self.certificates.rsa.options()) as server:
            # Security level 0 lets this s_client offer TLS 1.1 at all.
            with self.s_client(server, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0") as client:
                client.wait_for("alert protocol version")
                self.assertNotEqual(client.finish(), 0)
            server.wait_for_log(r"handshake failed.*reason=no_common_version")
            self.expect_service(server)

    def test_tls_1_2_renegotiation_is_refused(self):
        with Server("echo", *self.certificates.ecdsa.options()) as server:
            with self.s_client(server, "-tls1_2", "-msg") as client:
                self.expect_echo(client, "before")
                client.send("R\n")
                client.wait_for("^RENEGOTIATING$")
                client.wait_for(r"^<<< .*Alert.*no_renegotiation|no renegotiation")
                client.finish()
                hellos = [line for line in client.lines if line.startswith("<<<") and line.endswith(", ServerHello")]
                self.assertEqual(len(hellos), 1, client.text)
            self.expect_service(server)

    def test_tls_1_3_key_update(self):
        with Server("echo", *self.certificates.ecdsa.options()) as server:
            with self.s_client(server, "-tls1_3", "-msg") as client:
                self.expect_echo(client, "old keys")
                client.send("K\n")  # asks the server to renew its keys too
                client.wait_for("^KEYUPDATE$")
                self.expect_echo(client, "new keys")
                client.wait_for(r"^<<< .*, KeyUpdate")
                client.send("Q\n")
                self.assertEqual(client.finish(), 0, client.text)

    def test_tls_1_2_session_ticket_resumes(self):
        session = self.certificates.path("session-1.2")
        with Server("echo", *self.certificates.ecdsa.options()) as server:
            with self.s_client(server, "-tls1_2", "-sess_out", session) as client:
                client.wait_for("^New, TLSv1.2")
                client.wait_for("TLS session ticket:")
                client.send("Q\n")
                self.assertEqual(client.finish(), 0, client.text)
            self.expect_resumption(server, session, "-tls1_2", "TLSv1.2")

    def test_tls_1_3_session_resumes(self):
        session = self.certificates.path("session-1.3")
        with Server("echo", *self.certificates.ecdsa.options()) as server:
            with self.s_client(server, "-tls1_3", "-sess_out", session) as client:
                client.wait_for("^New, TLSv1.3")
                client.wait_for("Post-Handshake New Session Ticket arrived")
                client.send("Q\n")
                self.assertEqual(client.finish(), 0, client.text)
            self.expect_resumption(server, session, "-tls1_3", "TLSv1.3")

    def expect_resumption(self, server, session, option, version):
        with self.s_client(server, option, "-sess_in", session) as client:
            client.wait_for(f"^Reused, {version}")
            self.expect_echo(client, "welcome back")
            client.send("Q\n")
            self.assertEqual(client.finish(), 0, client.text)

    def test_server_name_picks_the_certificate(self):
        first = self.certificates.issue("first", names=("DNS:first.test",))
        second = self.certificates.issue("second", names=("DNS:second.test", "DNS:*.wild.test"))
        with Server("echo", *first.options(), *second.options()) as server:
            for name, subject in (("first.test", "first"), ("second.test", "second"), ("a.wild.test", "second")):
                for version in VERSION_OPTIONS.values():
                    with self.subTest(name=name, version=version):
                        with self.s_client(server, version, name=name) as client:
                            client.wait_for(f"^subject=CN = {subject}$")
                            self.expect_echo(client, "hello")
            with self.subTest("a name that isn't served gets the first"):
                with self.s_client(server, name="other.test", verify=False) as client:
                    client.wait_for("^subject=CN = first$")
            with self.subTest("no name gets the first"):
                with self.s_client(server, name=None, verify=False) as client:
                    client.wait_for("^subject=CN = first$")

    def test_alpn(self):
        with Server("echo", *self.certificates.ecdsa.options(), "--alpn", "h2,http/1.1") as server:
            for offer, choice in (("http/1.1", "http/1.1"), ("http/1.1,h2", "h2"), ("spdy/1,http/1.1", "http/1.1")):
                with self.subTest(offer=offer):
                    with self.s_client(server, "-alpn", offer) as client:
                        client.wait_for(f"^ALPN protocol: {choice}$")
                        self.expect_echo(client, "hello")
            with self.subTest("no offer"):
                with self.s_client(server) as client:
                    client.wait_for("^No ALPN negotiated$")
                    self.expect_echo(client, "hello")
            with self.subTest("no overlap"):
                with self.s_client(server, "-alpn", "imap,pop3") as client:
                    client.wait_for("alert no application protocol")
                    self.assertNotEqual(client.finish(), 0)
                server.wait_for_log(r"handshake failed.*reason=no_common_application_protocol")


if __name__ == "__main__":
    unittest.main()
