# reload: files that a running command reads again, and who notices.
#
# SPDX-License-Identifier: Apache-2.0

import os
import re
import shutil
import signal

from certificates import CertificatesTest, Identity
from sallyport import EVENT_TIMEOUT
from tls_stream import TlsStream, client_context


def replace(path, content, mode=0o600):
    """As an administrator should: whoever reads the file gets the former or the new one."""
    temporary = path.with_name(path.name + ".new")
    temporary.write_bytes(content.encode() if isinstance(content, str) else content)
    temporary.chmod(mode)
    temporary.rename(path)


class ReloadTest(CertificatesTest):
    """A test case with the certificates `old` and `new`; `live` is what the server is told to read, at first the old
    one."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.old = cls.certificates.issue("old")
        cls.new = cls.certificates.issue("new")

    def setUp(self):
        directory = self.certificates.path("live")
        directory.mkdir()
        self.addCleanup(shutil.rmtree, directory)
        self.directory = directory
        self.live = Identity(directory / "live.pem", directory / "live.key")
        self.install(self.old)

    def install(self, identity):
        replace(self.live.certificate, identity.certificate.read_bytes())
        replace(self.live.key, identity.key.read_bytes())

    def context(self, identity=None, version=None):
        context = client_context(self.certificates.ca, version)
        if identity is not None:
            context.load_cert_chain(identity.certificate, identity.key)
        return context

    def connect(self, server, identity=None, name="localhost"):
        connection = server.connect()
        self.addCleanup(connection.close)
        client = TlsStream(connection, self.context(identity), name)
        self.expect_echo(client)
        return client

    def expect_echo(self, client):
        client.send(b"hello")
        self.assertEqual(client.receive_exactly(5), b"hello")

    def shown_to(self, client):
        """The common name of the server's certificate."""
        subject = client.tls.getpeercert()["subject"]
        return dict(entry[0] for entry in subject)["commonName"]

    def shown_by(self, server):
        with self.connect(server) as client:
            shown = self.shown_to(client)
            client.close()
            return shown

    def reload(self, server, outcome="reloaded", timeout=EVENT_TIMEOUT):
        """SIGHUP; the line of the log about it."""
        seen = len(server.log)
        os.kill(server.pid, signal.SIGHUP)
        return server.wait_for_log(rf"\S+ \w+ ({outcome}) cause=SIGHUP.*", timeout, seen).group(0)

    def lines(self, server, pattern):
        return [line for line in server.log if re.search(pattern, line)]
