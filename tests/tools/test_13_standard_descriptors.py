# Nobody reads the log, or there is nowhere to write it: clients are served all the same, and no connection ever gets
# a descriptor that log lines are written to.
#
# SPDX-License-Identifier: Apache-2.0

import os
import signal
import subprocess
import time
import unittest

from certificates import CertificatesTest
from sallyport import EVENT_TIMEOUT, START_TIMEOUT, Server, command
from tls_stream import CLOSE_NOTIFY, TlsStream, client_context


class StandardDescriptors(CertificatesTest):
    def start(self, name, **options):
        """A server on a unix socket, whose path needs no log to be known; waits until it accepts."""
        listen = f"unix:{self.certificates.path(name)}"
        # --log-level debug: the more it has to write, the better.
        arguments = [command(), "echo", "--listen", listen, *self.certificates.ecdsa.options(), "--log-level", "debug"]
        process = subprocess.Popen(arguments, start_new_session=True, **options)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        server = Server("echo", wait=False)
        server.process, server.address = process, listen
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                server.connect().close()
                return server
            except (FileNotFoundError, ConnectionRefusedError):
                self.assertIsNone(process.poll(), "the command ended")
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.01)

    def expect_service(self, server):
        for _ in range(3):
            with server.connect() as client:
                client.sendall(b"GET / HTTP/1.0\r\n\r\n")  # which is worth a line
            with TlsStream(server.connect(), client_context(self.certificates.ca)) as client:
                client.send(b"hello")
                self.assertEqual(client.receive_exactly(5), b"hello")
                client.send_close_notify()
                self.assertEqual(client.receive_to_end(), (b"", CLOSE_NOTIFY))
        server.send_signal(signal.SIGTERM)
        self.assertEqual(server.process.wait(EVENT_TIMEOUT), 0)

    def test_reader_of_the_log_is_gone(self):
        ours, theirs = os.pipe()
        server = self.start("reader.sock", stderr=theirs)
        os.close(theirs)
        os.close(ours)
        self.expect_service(server)

    def test_disk_is_full(self):
        with open("/dev/full", "wb") as full:
            self.expect_service(self.start("full.sock", stderr=full))

    def test_no_standard_descriptors(self):
        def close_all():
            for descriptor in (0, 1, 2):
                os.close(descriptor)

        server = self.start("closed.sock", preexec_fn=close_all)
        with TlsStream(server.connect(), client_context(self.certificates.ca)) as client:
            client.send(b"hello")
            self.assertEqual(client.receive_exactly(5), b"hello")
            targets = [os.readlink(f"/proc/{server.pid}/fd/{number}") for number in (0, 1, 2)]
            self.assertEqual(targets, ["/dev/null"] * 3)
        self.expect_service(server)


if __name__ == "__main__":
    unittest.main()
