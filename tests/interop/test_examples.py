# The examples do what their comments say, with other people's clients.
#
# SPDX-License-Identifier: Apache-2.0

import os
import pathlib
import signal
import socket
import ssl
import subprocess
import tempfile
import unittest

from certificates import CertificatesTest
from programs import run_program
from sallyport import EVENT_TIMEOUT, SANITIZER_REPORT, START_TIMEOUT, LineCollector, repository


def example(name):
    directory = os.environ.get("SALLYPORT_EXAMPLES") or str(repository() / "build" / "dev" / "examples")
    return pathlib.Path(directory) / name


class RunningExample:
    """An example that serves on a free port until the end of the context."""

    def __init__(self, name, *arguments):
        self._command = [str(example(name)), "0", *map(str, arguments)]

    def __enter__(self):
        self._process = subprocess.Popen(self._command, stderr=subprocess.PIPE)
        self.log = LineCollector(self._process.stderr)
        found = self.log.find(r"listening on port (\d+)", START_TIMEOUT)
        if not found:
            self.__exit__()
            raise AssertionError("\n".join([" ".join(self._command), *self.log.lines()]))
        self.port = int(found.group(1))
        return self

    def signal(self, number):
        self._process.send_signal(number)

    def terminate(self):
        """Asks it to end, which it must do well."""
        self._process.terminate()
        assert self._process.wait(EVENT_TIMEOUT) == 0

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self.log.join(EVENT_TIMEOUT)
        self._process.stderr.close()
        output = "\n".join(self.log.lines())
        if SANITIZER_REPORT.search(output):
            raise AssertionError(output)


def trusting_anybody():
    # The first two examples don't show their certificate to anybody, so that no client could verify it.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def s_client(port, *options):
    """What a client receives until the server says goodbye."""
    done = subprocess.run(["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{port}", *map(str, options)],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=EVENT_TIMEOUT)
    return done.stdout.decode()


class Examples(CertificatesTest):
    def connect(self, running):
        plain = socket.create_connection(("127.0.0.1", running.port), timeout=EVENT_TIMEOUT)
        encrypted = trusting_anybody().wrap_socket(plain)
        self.addCleanup(encrypted.close)
        return encrypted

    def test_01_echo(self):
        with RunningExample("01_echo") as running:
            client = self.connect(running)
            client.sendall(b"hello")
            self.assertEqual(client.recv(100), b"hello")
            client.unwrap()

    def test_02_signals(self):
        with RunningExample("02_signals") as running:
            client = self.connect(running)
            text = b""
            while not text.endswith(b"\n"):
                text += client.recv(100)
            self.assertRegex(text.decode(), r"^Hello 127\.0\.0\.1:\d+, you speak TLS_\w+\n$")
            self.assertEqual(client.recv(1), b"")  # close_notify; without it Python raises
            self.assertTrue(running.log.find(r"handshake started", EVENT_TIMEOUT))
            with socket.create_connection(("127.0.0.1", running.port), timeout=EVENT_TIMEOUT) as plain:
                plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
                self.assertTrue(running.log.find(r"HTTP request", EVENT_TIMEOUT))

    def test_03_https_beast(self):
        with tempfile.TemporaryDirectory() as directory:
            certificate = os.path.join(directory, "server.pem")
            with RunningExample("03_https_beast", certificate) as running:
                for version in ("1.2", "1.3"):
                    options = ["--silent", "--show-error", "--fail", "--cacert", certificate, "--tls-max", version]
                    base = f"https://localhost:{running.port}"
                    # Two paths in one call: the second goes over the same connection.
                    fetched = run_program("curl", *options, base + "/one", base + "/two").decode()
                    self.assertEqual(fetched, f"You asked for /one over TLSv{version}.\n"
                                              f"You asked for /two over TLSv{version}.\n")

    def test_04_client_certificates(self):
        strangers = self.certificates.path("strangers")
        run_program("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-subj", "/CN=stranger", "-keyout", f"{strangers}.key", "-out", f"{strangers}.pem")
        fingerprint = run_program("openssl", "x509", "-in", f"{strangers}.pem", "-noout", "-fingerprint", "-sha256")
        fingerprint = fingerprint.decode().strip().split("=")[1].replace(":", "").lower()
        stranger = ("-cert", f"{strangers}.pem", "-key", f"{strangers}.key")
        good = ("-cert", self.certificates.ecdsa.certificate, "-key", self.certificates.ecdsa.key)
        for version in ("-tls1_2", "-tls1_3"):
            with RunningExample("04_client_certificates", self.certificates.ca) as running:
                self.assertEqual(s_client(running.port, version, *good), "Hello CN=ecdsa\n")
                self.assertEqual(s_client(running.port, version, *stranger), "")
                self.assertTrue(running.log.find(r"CN=stranger", EVENT_TIMEOUT))
                self.assertEqual(s_client(running.port, version), "")
                self.assertTrue(running.log.find(r"sent no certificate", EVENT_TIMEOUT))
            with RunningExample("04_client_certificates", self.certificates.ca, fingerprint) as running:
                self.assertEqual(s_client(running.port, version, *stranger), "Hello CN=stranger\n")
                # A known certificate behind one's own vouches for nobody.
                pretender = self.certificates.self_signed("pretender")
                chain = ("-cert", pretender.certificate, "-key", pretender.key, "-cert_chain", f"{strangers}.pem")
                self.assertEqual(s_client(running.port, version, *chain), "")

    def test_06_all_cores(self):
        with RunningExample("06_all_cores") as running:
            expected = len(os.sched_getaffinity(0))
            self.assertIn(f" with {expected} threads", "\n".join(running.log.lines()))
            clients = []
            for number in range(3 * expected):
                plain = socket.create_connection(("127.0.0.1", running.port), timeout=EVENT_TIMEOUT)
                clients.append(trusting_anybody().wrap_socket(plain))
                clients[-1].sendall(b"%d" % number)
            for number, client in enumerate(clients):
                self.assertEqual(client.recv(100), b"%d" % number)
            # More than fits into the kernel's buffers, before anything is read.
            big = os.urandom(200_000)
            clients[0].sendall(big)
            received = b""
            while len(received) < len(big):
                received += clients[0].recv(len(big))
            self.assertEqual(received, big)
            for client in clients:
                client.close()
            running.terminate()

    def test_07_many_names(self):
        def pair(name):
            made = self.certificates.issue(name, names=(f"DNS:{name}.example",))
            return self.certificates.write(f"{name}-pair.pem",
                                           made.certificate.read_bytes() + made.key.read_bytes())

        def answer(port, client, name, version):
            return s_client(port, version, "-servername", name, "-cert", client.certificate, "-key", client.key)

        secret = self.certificates.write("secret", os.urandom(32))
        pairs = [pair("one"), pair("two")]
        production = self.certificates.issue("db", names=("URI:spiffe://example.org/production/db",))
        staging = self.certificates.issue("test", names=("URI:spiffe://example.org/staging/db",))
        with RunningExample("07_many_names", self.certificates.ca, secret, *pairs) as running:
            rule = "uri=spiffe://example.org/production/**"
            for version in ("-tls1_2", "-tls1_3"):
                for name in ("one.example", "two.example"):
                    self.assertEqual(answer(running.port, production, name, version),
                                     f"You asked for {name} and are here by the rule {rule}.\n")
                self.assertEqual(answer(running.port, staging, "one.example", version), "")
                self.assertTrue(running.log.find("no rule matches the client's certificate", EVENT_TIMEOUT))
                self.assertEqual(answer(running.port, production, "three.example", version), "")
                self.assertTrue(running.log.find('"three.example", which is in no certificate', EVENT_TIMEOUT))
            good = pairs[1].read_bytes()
            for content, line in ((b"nonsense", "not loaded: .*two-pair.pem"), (good, "loaded$")):
                pairs[1].write_bytes(content)
                running.signal(signal.SIGHUP)
                self.assertTrue(running.log.find(line, EVENT_TIMEOUT), running.log.lines())
                self.assertIn("two.example", answer(running.port, production, "two.example", "-tls1_3"))

    def test_05_pre_shared_keys(self):
        key = "00112233445566778899aabbccddeeff"
        with RunningExample("05_pre_shared_keys") as running:
            for version in ("-tls1_2", "-tls1_3"):
                alice = (version, "-psk_identity", "alice", "-psk", key)
                self.assertEqual(s_client(running.port, *alice), "Hello alice\n")
                self.assertEqual(s_client(running.port, version, "-psk_identity", "bob", "-psk", key), "")
                self.assertTrue(running.log.find(r'unknown identity "bob"', EVENT_TIMEOUT))


if __name__ == "__main__":
    unittest.main()
