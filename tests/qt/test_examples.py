# The examples of the Qt module do what their comments say.
#
# SPDX-License-Identifier: Apache-2.0

import os
import pathlib
import socket
import unittest

from certificates import CertificatesTest
from programs import RunningProgram
from sallyport import EVENT_TIMEOUT, SANITIZER_REPORT, START_TIMEOUT, repository

os.environ["QT_QPA_PLATFORM"] = "offscreen"  # the windows need no screen


def example(name):
    directory = os.environ.get("SALLYPORT_EXAMPLES") or repository() / "build" / "dev" / "examples"
    return str(pathlib.Path(directory) / name)


class QtExamples(CertificatesTest):
    def start(self, name, *arguments):
        running = RunningProgram(name if name == "openssl" else example(name), *arguments)
        self.addCleanup(lambda: self.assertIsNone(SANITIZER_REPORT.search(running.text), running.text))
        self.enterContext(running)
        return running

    def serve(self, name, *arguments):
        running = self.start(name, "0", *arguments)
        return running, int(running.wait_for(r"listening on port (\d+)", START_TIMEOUT).group(1))

    def test_echo(self):
        server, port = self.serve("qt_echo")
        for version in ("-tls1_2", "-tls1_3"):
            client = self.start("openssl", "s_client", "-quiet", version, "-connect", f"127.0.0.1:{port}")
            client.send("hello\n")
            client.wait_for("^hello$")
            client.send("again\n")
            client.wait_for("^again$")
        with socket.create_connection(("127.0.0.1", port), timeout=EVENT_TIMEOUT) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            server.wait_for("127.0.0.1: .*HTTP")

    def chat(self, port, name, *options):
        return self.start("qt_chat_client", "--port", port, "--name", name, "--print", *options)

    def test_chat(self):
        identity = self.certificates.ecdsa
        server, port = self.serve("qt_chat_server", identity.certificate, identity.key)
        known = ("--ca", self.certificates.ca)
        ann = self.chat(port, "Ann", *known)
        ann.wait_for(r"^\* You are in, by TLSv1\.3$", START_TIMEOUT)
        bob = self.chat(port, "Bob", *known, "--say", "is <anybody> here?")
        for window in (ann, bob):
            window.wait_for("^Bob: is <anybody> here[?]$", START_TIMEOUT)
        # A window that doesn't know the CA asks, and isn't in before somebody has answered.
        eve = self.chat(port, "Eve", "--say", "let me in")
        eve.wait_for(r"^\* localhost's certificate: ", START_TIMEOUT)
        self.chat(port, "Cleo", *known, "--say", "good evening")
        ann.wait_for("^Cleo: good evening$", START_TIMEOUT)
        eve.kill()
        server.wait_for("127.0.0.1: .*closed")
        self.assertNotIn("let me in", ann.text)
        self.assertNotIn("You are in", eve.text)

    def test_chat_without_a_certificate_of_its_own(self):
        _, port = self.serve("qt_chat_server")
        guest = self.chat(port, "Ann")
        guest.wait_for(r"^\* localhost's certificate: .*self-signed", START_TIMEOUT)

    def test_a_file_that_is_missing_is_named(self):
        server = self.start("qt_chat_server", "0", "missing.pem", "missing.key")
        server.wait_for(r"missing\.pem: no such file", START_TIMEOUT)
        self.assertNotEqual(server.finish(), 0)


if __name__ == "__main__":
    unittest.main()
