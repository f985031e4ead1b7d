# Pre-shared keys with openssl s_client and gnutls-cli: the right key gets in, a wrong one and an unknown identity are
# refused with the same alert.
#
# SPDX-License-Identifier: Apache-2.0

import unittest

from certificates import CertificatesTest
from programs import RunningProgram
from sallyport import Server

KEY = "000102030405060708090a0b0c0d0e0f"
WRONG = "ff" * 16

# s_client offers no suite with a pre-shared key in TLS 1.2 by itself.
S_CLIENT_VERSIONS = {"TLSv1.2": ("-tls1_2", "-cipher", "PSK"), "TLSv1.3": ("-tls1_3",)}
KEY_EXCHANGES = "-KX-ALL:+ECDHE-PSK:+DHE-PSK"
GNUTLS_VERSIONS = {"TLSv1.2": f"NORMAL:-VERS-ALL:+VERS-TLS1.2:{KEY_EXCHANGES}",
                   "TLSv1.3": f"NORMAL:-VERS-ALL:+VERS-TLS1.3:{KEY_EXCHANGES}"}

# What the clients say of bad_record_mac (TLS 1.2: Finished doesn't decrypt) and illegal_parameter (TLS 1.3: the binder
# is wrong).
S_CLIENT_ALERTS = {"TLSv1.2": "alert bad record mac", "TLSv1.3": "alert illegal parameter"}
GNUTLS_ALERTS = {"TLSv1.2": r"Received alert \[20\]: Bad record MAC",
                 "TLSv1.3": r"Received alert \[47\]: Illegal parameter"}


class PreSharedKeys(CertificatesTest):
    def setUp(self):
        self.file = self.certificates.write("keys.psk", f"alice:{KEY}\n")
        self.file.chmod(0o600)

    def s_client(self, server, version, identity, key):
        return RunningProgram("openssl", "s_client", "-connect", f"{server.host}:{server.port}",
                              *S_CLIENT_VERSIONS[version], "-psk_identity", identity, "-psk", key)

    def gnutls_cli(self, server, version, identity, key):
        return RunningProgram("gnutls-cli", "--priority", GNUTLS_VERSIONS[version], "--pskusername", identity,
                              "--pskkey", key, "--port", server.port, server.host)

    def each_client(self):
        for version in S_CLIENT_VERSIONS:
            yield version, "s_client", self.s_client, S_CLIENT_ALERTS[version]
            yield version, "gnutls-cli", self.gnutls_cli, GNUTLS_ALERTS[version]

    def servers(self):
        """With keys alone, and beside a certificate."""
        yield "keys alone", ()
        yield "beside a certificate", self.certificates.ecdsa.options()

    def test_the_right_key_gets_in(self):
        for kind, options in self.servers():
            with Server("echo", "--psk-file", self.file, *options) as server:
                for version, name, start, _ in self.each_client():
                    with self.subTest(server=kind, version=version, client=name):
                        seen = len(server.log)
                        with start(server, version, "alice", KEY) as client:
                            if (version, name) == ("TLSv1.2", "gnutls-cli"):
                                # Debian 12's crashes when it tells of the connection, which stands by then.
                                client.wait_for("^- PSK authentication")
                            else:
                                client.send("good morning\n")
                                client.wait_for("^good morning$")
                        line = server.wait_for_log("connection accepted .*", start=seen).group(0)
                        self.assertRegex(line, r"\bpsk_identity=alice\b")
                        self.assertRegex(line, rf"={version}\b")

    def test_a_wrong_key_and_an_unknown_identity_read_the_same_alert(self):
        for kind, options in self.servers():
            with Server("echo", "--psk-file", self.file, *options) as server:
                for version, name, start, alert in self.each_client():
                    for identity, key in (("alice", WRONG), ("eve", KEY)):
                        with self.subTest(server=kind, version=version, client=name, identity=identity):
                            seen = len(server.log)
                            with start(server, version, identity, key) as client:
                                client.wait_for(alert)
                                self.assertNotEqual(client.finish(), 0, client.text)
                            server.wait_for_log(r"handshake failed.*reason=bad_pre_shared_key\b", start=seen)
                            self.assertNotIn("connection accepted", "\n".join(server.log[seen:]))


if __name__ == "__main__":
    unittest.main()
