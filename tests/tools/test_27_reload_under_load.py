# 10,000 handshakes across 50 reloads: none fails, and each client is shown a whole identity.
#
# SPDX-License-Identifier: Apache-2.0

import threading
import unittest

from reload import ReloadTest
from sallyport import Server, sanitizer
from tls_stream import TLS_1_2, TLS_1_3

RELOADS = 50
HANDSHAKES = 10_000 if sanitizer() is None else 1_500
CLIENTS = 8
PATIENCE = 120.0


class Clients:
    """Threads that connect again and again, until there were enough handshakes or one of them has failed."""

    def __init__(self, test, server):
        self._test = test
        self._server = server
        self._changed = threading.Condition()
        self._done = 0
        self.resumed = 0
        self.shown = set()
        self.failures = []
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def wait_for(self, count):
        with self._changed:
            return self._changed.wait_for(lambda: self._done >= count or self.failures, PATIENCE)

    def join(self):
        for thread in self._threads:
            thread.join(PATIENCE)

    def _run(self, number):
        # Half of them each version; and every other handshake of a client resumes the session of the one before.
        context = self._test.context(version=(TLS_1_2, TLS_1_3)[number % 2])
        session = None
        try:
            while self._visit(context, session):
                session = self._last if session is None else None
        except Exception as failure:
            with self._changed:
                self.failures.append(failure)
                self._changed.notify_all()

    def _visit(self, context, session):
        with context.wrap_socket(self._server.connect(), server_hostname="localhost", session=session) as client:
            client.sendall(b"hello")
            if client.recv(5) != b"hello":
                raise AssertionError("no echo")
            self._local.session = client.session
            subject = client.getpeercert()["subject"]
            with self._changed:
                self._done += 1
                self.resumed += client.session_reused
                self.shown.add(dict(entry[0] for entry in subject)["commonName"])
                self._changed.notify_all()
                return self._done < HANDSHAKES and not self.failures

    _local = threading.local()

    @property
    def _last(self):
        return self._local.session


class ReloadUnderLoad(ReloadTest):
    def test_none_fails(self):
        with Server("echo", *self.live.options(), "--threads", 2) as server:
            clients = Clients(self, server)
            try:
                for number in range(RELOADS):
                    # Evenly over the whole time.
                    self.assertTrue(clients.wait_for(number * HANDSHAKES // RELOADS), "the clients stand still")
                    if clients.failures:
                        break
                    self.install((self.new, self.old)[number % 2])
                    self.reload(server)
            finally:
                clients.join()
            self.assertEqual(clients.failures, [])
            self.assertEqual(clients.shown, {"old", "new"})
            self.assertGreater(clients.resumed, HANDSHAKES // 4)
            self.assertEqual(len(self.lines(server, " reloaded ")), RELOADS)
            self.assertEqual(self.lines(server, "failed| error | warning "), [])
            self.assertEqual(server.terminate(), 0)


if __name__ == "__main__":
    unittest.main()
