# SIGHUP: everything is read again, for the connections from then on; if anything is wrong, all stays as it was and the
# log says why.
#
# SPDX-License-Identifier: Apache-2.0

import os
import re
import signal
import ssl
import unittest

from backend import Backend
from programs import RunningProgram
from reload import ReloadTest, replace
from sallyport import Server
from tls_stream import CLOSE_NOTIFY, TLS_1_2, TLS_1_3

ALICE = "000102030405060708090a0b0c0d0e0f"
OTHER = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"


class Reload(ReloadTest):
    def server(self, *options, mode="echo"):
        return Server(mode, *self.live.options(), *options)

    def test_new_connections_have_the_new_certificate(self):
        with self.server() as server:
            before = self.connect(server)
            self.assertEqual(self.shown_to(before), "old")
            self.install(self.new)
            line = self.reload(server)
            self.assertRegex(line, r" info reloaded cause=SIGHUP identities=1 names=1 "
                                   rf"first_to_end={re.escape(str(self.live.certificate))} days_left=29 warnings=0$")
            self.assertEqual(self.shown_by(server), "new")
            # Who was there before goes on undisturbed.
            self.expect_echo(before)
            before.send_close_notify()
            self.assertEqual(before.receive_to_end(), (b"", CLOSE_NOTIFY))
            self.assertEqual(server.terminate(), 0)
            self.assertEqual(self.lines(server, " (error|warning) "), [])

    def test_without_a_signal_nothing_is_read(self):
        with self.server() as server:
            self.install(self.new)
            for _ in range(3):
                self.assertEqual(self.shown_by(server), "old")
            self.assertEqual(self.lines(server, "reload"), [])

    def test_forward(self):
        def echo(connection):
            while data := connection.recv(65536):
                connection.sendall(data)

        with Backend(echo) as backend, self.server("--to", backend.address, mode="forward") as server:
            before = self.connect(server)
            self.install(self.new)
            self.reload(server)
            self.assertEqual(self.shown_by(server), "new")
            self.expect_echo(before)
            before.close()

    def test_a_second_identity(self):
        other = self.certificates.issue("other", names=("DNS:other.example", "DNS:*.other.example"))
        with self.server(*other.options()) as server:
            self.assertRegex(self.reload(server), r"\bidentities=2 names=3 ")

    def test_a_bad_file_changes_nothing(self):
        ca = self.directory / "ca.pem"
        replace(ca, self.certificates.ca.read_bytes())
        keys = self.directory / "keys.psk"
        replace(keys, f"alice:{ALICE}\n")
        bad = (
            (self.live.key, self.new.key.read_bytes(), r"live\.key.*live\.pem"),
            (self.live.certificate, "nonsense", r"live\.pem.*PEM"),
            (self.live.certificate, None, r"live\.pem.*(?i:no such file)"),
            (ca, "", r"--client-ca: .*ca\.pem.*empty"),
            (keys, "alice\n", r"--psk-file: .*keys\.psk: line 1: "),
        )
        with self.server("--client-ca", ca, "--psk-file", keys) as server:
            for path, content, reason in bad:
                with self.subTest(reason=reason):
                    good = path.read_bytes()
                    path.unlink() if content is None else replace(path, content)
                    line = self.reload(server, "reload failed")
                    self.assertRegex(line, " error reload failed ")
                    self.assertRegex(line, reason)
                    self.assertEqual(line.count("\n"), 0)
                    with self.connect(server, self.old) as client:
                        self.assertEqual(self.shown_to(client), "old")
                    # And it isn't for ever.
                    replace(path, good)
                    self.reload(server)
            self.assertEqual(server.terminate(), 0)

    def test_all_or_nothing(self):
        # Keys that are good don't come into use beside a certificate that isn't.
        keys = self.directory / "keys.psk"
        replace(keys, f"alice:{ALICE}\n")
        with self.server("--psk-file", keys) as server:
            self.expect_key(server, ALICE)
            replace(keys, f"alice:{OTHER}\n")
            replace(self.live.certificate, "nonsense")
            self.reload(server, "reload failed")
            self.expect_key(server, ALICE)
            self.install(self.new)
            self.assertRegex(self.reload(server), r"\bpre_shared_keys=1 ")
            self.expect_key(server, OTHER)
            self.assertEqual(self.shown_by(server), "new")

    def expect_key(self, server, key):
        options = ("-tls1_3", "-psk_identity", "alice", "-psk", key)
        seen = len(server.log)
        with RunningProgram("openssl", "s_client", "-connect", f"{server.host}:{server.port}", *options) as client:
            client.send("hello\n")
            client.wait_for("^hello$")
        server.wait_for_log(r"connection accepted .*psk_identity=alice\b", start=seen)

    def test_client_ca(self):
        ca = self.directory / "ca.pem"
        replace(ca, self.certificates.self_signed("other-ca").certificate.read_bytes())
        with self.server("--client-ca", ca) as server:
            with self.assertRaises(ssl.SSLError):
                self.connect(server, self.new)
            replace(ca, self.certificates.ca.read_bytes())
            self.assertRegex(self.reload(server), r"\bclient_cas=1 ")
            self.connect(server, self.new)

    def test_tickets_stay_good(self):
        for version in (TLS_1_2, TLS_1_3):
            with self.subTest(version=version.name), self.server() as server:
                context = self.context(version=version)

                def connect(session=None):
                    with context.wrap_socket(server.connect(), server_hostname="localhost", session=session) as client:
                        client.sendall(b"hello")
                        self.assertEqual(client.recv(5), b"hello")  # in TLS 1.3 the ticket has come before it
                        return client.session, client.session_reused

                session, _ = connect()
                self.reload(server)
                _, resumed = connect(session)
                self.assertTrue(resumed)

    def test_a_self_signed_certificate_stays(self):
        with Server("echo", "--self-signed") as server:
            shown = ssl.get_server_certificate((server.host, server.port))
            self.reload(server)
            self.assertEqual(ssl.get_server_certificate((server.host, server.port)), shown)

    def test_warnings_come_again(self):
        expired = self.certificates.expired()
        with self.server() as server:
            self.install(expired)
            self.assertRegex(self.reload(server), r" days_left=-\d+ warnings=1$")
            server.wait_for_log(r" warning configuration detail=.*live\.pem.*expired")

    def test_signals_in_a_row(self):
        with self.server() as server:
            self.install(self.new)
            for _ in range(20):
                os.kill(server.pid, signal.SIGHUP)
            server.wait_for_log("reloaded")
            self.assertEqual(self.shown_by(server), "new")
            self.assertEqual(server.terminate(), 0)

    def test_nothing_happens_while_it_stops(self):
        with self.server("--shutdown-timeout", "1h") as server:
            client = self.connect(server)
            server.send_signal()
            server.wait_for_log("stopping")
            os.kill(server.pid, signal.SIGHUP)
            self.expect_echo(client)
            client.send_close_notify()
            self.assertEqual(client.receive_to_end(), (b"", CLOSE_NOTIFY))
            client.socket.close()
            self.assertEqual(server.wait(), 0)
            self.assertEqual(self.lines(server, "reload"), [])


if __name__ == "__main__":
    unittest.main()
