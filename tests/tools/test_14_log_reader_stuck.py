# A reader of the log that is stuck loses lines, never clients: what clients do is logged, so they could stop the server.
#
# SPDX-License-Identifier: Apache-2.0

import os
import re
import signal
import socket
import subprocess
import time
import unittest

from certificates import CertificatesTest
from sallyport import EVENT_TIMEOUT, SANITIZER_REPORT, START_TIMEOUT, command
from tls_stream import TlsStream, client_context

# Each provokes a line of more than 150 bytes, and a pipe takes 64 KiB.
FAILURES = 1000


def read_until(pipe, pattern, timeout):
    """Reads a non-blocking pipe until the text matches."""
    text = b""
    deadline = time.monotonic() + timeout
    while not re.search(pattern, text):
        if time.monotonic() > deadline:
            raise AssertionError(f"no {pattern} in: {text.decode('utf-8', 'replace')}")
        try:
            text += os.read(pipe, 65536)
        except BlockingIOError:
            time.sleep(0.01)
    return text


class LogReaderStuck(CertificatesTest):
    def test_clients_are_served_and_lost_lines_are_counted(self):
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        os.set_blocking(reader, False)
        # At debug each client has a line of its own.
        options = ["--listen", "127.0.0.1:0", "--log-level", "debug", *map(str, self.certificates.ecdsa.options())]
        process = subprocess.Popen([command(), "echo", *options], stdin=subprocess.DEVNULL, stderr=writer)
        os.close(writer)
        try:
            address = re.search(rb"listening on 127\.0\.0\.1:(\d+) ",
                                read_until(reader, rb"listening on .*\n", START_TIMEOUT))
            port = int(address.group(1))
            # Nobody reads from here on.
            for _ in range(FAILURES):
                with socket.create_connection(("127.0.0.1", port), timeout=EVENT_TIMEOUT) as client:
                    client.sendall(b"GET / HTTP/1.1\r\n\r\n")
                    try:
                        self.assertEqual(client.recv(1), b"")
                    except ConnectionResetError:
                        pass  # our request was still unread when the server closed
            plain = socket.create_connection(("127.0.0.1", port), timeout=EVENT_TIMEOUT)
            with TlsStream(plain, client_context(self.certificates.ca)) as client:
                client.send(b"hello")
                self.assertEqual(client.receive_exactly(5), b"hello")
                client.send_close_notify()
                client.receive_to_end()
            # The reader is back: the next line tells what was lost.
            read_until(reader, rb"plain_http", EVENT_TIMEOUT)
            process.send_signal(signal.SIGTERM)
            log = read_until(reader, rb"stopped\n", EVENT_TIMEOUT)
            self.assertRegex(log, rb"error log lines lost lines=[1-9]\d+\n")
            self.assertIsNone(SANITIZER_REPORT.search(log.decode("utf-8", "replace")))
            self.assertEqual(process.wait(EVENT_TIMEOUT), 0)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


if __name__ == "__main__":
    unittest.main()
