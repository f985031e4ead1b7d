# connections: the scenarios of test_differential.py, each with the client that makes it happen.
#
# SPDX-License-Identifier: Apache-2.0

import socket
import struct

from programs import RunningProgram

KEY = "000102030405060708090a0b0c0d0e0f"
S_CLIENT_VERSION = {"1.2": ("-tls1_2",), "1.3": ("-tls1_3",), "any": ()}
TIMEOUT = 20
ALPN = {"alpn": ["-alpn", "two"], "other-alpn": ["-alpn", "three"]}
FIRST_BYTES = {
    "plaintext": b"hello\n",
    "http": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "silent": b"",
    "silent-after-first-byte": b"\x16",
    "garbage": b"\x16" + b"\xff" * 100,
}


class Scenario:
    """`name` is what the server is told; `client` what the client does, by words that Connections knows. A stranger's
    certificate is by a CA that the server doesn't know. `handshake_timeout` is the server's, in milliseconds."""

    def __init__(self, name, *client, title=None, is_stranger=False, handshake_timeout=None):
        self.name = name
        self.client = client
        self.title = title or name
        self.is_stranger = is_stranger
        self.handshake_timeout = handshake_timeout

    def is_for(self, client):
        """Only the kernel ends TCP without close_notify, when a client is killed: one is enough to see it."""
        return client == "openssl" or "truncates" not in self.client


def stranger(name, title):
    return Scenario(name, "certificate", title=title, is_stranger=True)


# contract.md section 7, and what else clients meet. The title is what docs/qt.md and the test's output call it.
WITH_TLS = (
    Scenario("none", title="1 success"),
    Scenario("verify", "certificate", title="1 success with a client certificate"),
    Scenario("query", "unknown-certificate", title="1 query lets an unknown certificate in"),
    Scenario("auto", "unknown-certificate", title="1 the default mode lets an unknown certificate in"),
    Scenario("auto", title="1 the default mode lets in who has no certificate"),
    Scenario("query", title="1 query lets in who has no certificate"),
    Scenario("verify-ignore", "unknown-certificate", title="1 errors ignored"),
    Scenario("verify-ignore-early", "unknown-certificate", title="1 errors ignored in peerVerifyError"),
    Scenario("verify-ignore-list", "unknown-certificate", title="1 errors ignored by a list"),
    Scenario("verify-ignore-each", "unknown-certificate", title="1 the only error ignored in peerVerifyError"),
    Scenario("query-ignore-list", "unknown-certificate", title="1 query with errors ignored by a list"),
    Scenario("query-ignore-other-list", "unknown-certificate", title="1 query with a list of other errors"),
    stranger("query", title="1 query lets a stranger in"),
    stranger("query-ignore", title="1 query with a stranger's errors ignored"),
    stranger("auto", title="1 the default mode lets a stranger in"),
    stranger("verify-ignore", title="1 a stranger's errors ignored"),
    stranger("verify-ignore-early", title="1 a stranger's errors ignored in peerVerifyError"),
    stranger("verify-ignore-list", title="1 a stranger's errors ignored by a list"),
    Scenario("verify-ignore", title="1 a missing certificate ignored"),
    Scenario("verify-ignore-early", title="1 a missing certificate ignored in peerVerifyError"),
    Scenario("verify-ignore-list", title="1 a missing certificate ignored by a list"),
    Scenario("verify", "unknown-certificate", title="2 client certificate rejected"),
    Scenario("verify-ignore-other-list", "unknown-certificate", title="2 a list of other errors ignores nothing"),
    stranger("verify", title="2 a stranger rejected"),
    stranger("verify-ignore-first", title="2 only the first of a stranger's errors ignored"),
    stranger("verify-ignore-each", title="2 the last list ignores only the last of a stranger's errors"),
    stranger("verify-ignore-other-list", title="2 a list of other errors ignores none of a stranger's"),
    Scenario("verify", title="2 no client certificate"),
    Scenario("verify-ignore-other-list", title="2 a list of other errors ignores no missing certificate"),
    Scenario("verify-fatal", title="2b a missing certificate is fatal"),
    Scenario("verify-fatal-ignore-early", title="2b a missing certificate is fatal and not to be ignored"),
    Scenario("verify-abort", "unknown-certificate", title="2c abort in sslErrors"),
    Scenario("query-abort", "unknown-certificate", title="2c abort in sslErrors of query",
             handshake_timeout=2000),
    stranger("verify-abort", title="2c abort in a stranger's sslErrors"),
    Scenario("verify-abort", title="2c abort in sslErrors of a missing certificate"),
    Scenario("none", "rejects", title="3 client rejects the server"),
    Scenario("psk-right", "psk", title="4 psk right"),
    Scenario("psk-ignored", "psk", title="4 psk ignored"),
    Scenario("psk-wrong", "psk", title="4 psk wrong"),
    Scenario("interrupt", "unknown-certificate", title="5 interrupted"),
    Scenario("interrupt-continue", "unknown-certificate", title="5 continued, not ignored"),
    Scenario("interrupt-continue-ignore", "unknown-certificate", title="5 continued and ignored"),
    Scenario("none", "truncates", title="9 peer ends TCP without close_notify"),
    Scenario("server-closes", title="10 server closes"),
    Scenario("no-certificate", title="no certificate"),
    Scenario("none", "other-version", title="no common version"),
    Scenario("alpn", "alpn", title="alpn"),
    Scenario("alpn", "other-alpn", title="alpn without overlap"),
)
WITHOUT_TLS = (
    Scenario("none", "plaintext", title="6 plaintext"),
    Scenario("none", "http", title="6 plain http"),
    Scenario("none", "silent", title="7 silent"),
    Scenario("none", "silent-after-first-byte", title="7 silent after 0x16"),
    Scenario("none", "closes", title="8 closes before its first byte"),
    Scenario("none", "resets", title="8 resets before its first byte"),
    Scenario("none", "garbage", title="garbage after the first byte"),
)


def version_of_client(version, words):
    return {"1.2": "1.3", "1.3": "1.2"}[version] if "other-version" in words else version


class Connections:
    """Makes the client's side of a scenario happen, to its end."""

    def __init__(self, certificates, unknown, qt_client):
        self._certificates = certificates
        self._unknown = unknown
        self._qt_client = qt_client

    def openssl(self, port, version, words):
        """openssl s_client sends a line, waits for it to come back, and closes."""
        options = ["-connect", f"127.0.0.1:{port}", "-servername", "localhost"]
        version = version_of_client(version, words)
        options += S_CLIENT_VERSION[version]
        for word in words:
            if word == "rejects":
                options += ["-verify_return_error", "-CAfile", self._unknown.certificate]
            elif word == "psk":
                options += ["-psk_identity", "alice", "-psk", KEY, *(["-cipher", "PSK"] if version == "1.2" else [])]
            else:
                options += self._certificate(word) + ALPN.get(word, [])
        with RunningProgram("openssl", "s_client", *options) as client:
            try:
                client.send("ping\n")
                if not client.finds(r"^ping", TIMEOUT):
                    client.finish(TIMEOUT)
                elif "truncates" in words:
                    client.kill()  # the kernel ends TCP, and nobody has said close_notify
                else:
                    client.end_input()
                    client.finish(TIMEOUT)
            except BrokenPipeError:
                client.finish(TIMEOUT)

    def qt(self, port, version, words):
        """The same by Qt's own QSslSocket."""
        version = version_of_client(version, words)
        options = ["--port", port, "--version", version]
        for word in words:
            if word == "rejects":
                options += ["--ca", self._unknown.certificate]
            elif word == "psk":
                options += ["--psk", "alice"]
            elif word in ALPN:
                options += ["--alpn", ALPN[word][1]]
            else:
                options += [option.replace("-", "--", 1) if isinstance(option, str) else option
                            for option in self._certificate(word)]
        with RunningProgram(self._qt_client, *options) as client:
            client.finish(TIMEOUT)

    def raw(self, port, words, accepted):
        """A client that speaks no TLS. Returns when the server has closed."""
        with socket.create_connection(("127.0.0.1", port), TIMEOUT) as connection:
            if "resets" in words:
                accepted()  # or it would be gone before the server asks who it is
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            if "closes" in words:
                return
            for word in words:
                connection.sendall(FIRST_BYTES[word])
            try:
                while connection.recv(4096):
                    pass
            except ConnectionResetError:
                pass

    def _certificate(self, word):
        identity = {"certificate": self._certificates.ecdsa, "unknown-certificate": self._unknown}.get(word)
        return [] if identity is None else ["-cert", identity.certificate, "-key", identity.key]
