# forward when many clients want something in the same turn of its loop, and before its backend is there.
#
# SPDX-License-Identifier: Apache-2.0

import contextlib
import os
import signal
import socket
import unittest

from backend import Backend, read_to_end
from certificates import CertificatesTest
from hostile import wait_until_delivered
from sallyport import EVENT_TIMEOUT, Server
from tls_stream import CLOSE_NOTIFY, TlsStream, client_context

CLIENTS = 24
SIZES = [64, 1, 5000, 20000, 64]


def echo(connection):
    while piece := connection.recv(65536):
        connection.sendall(piece)


@contextlib.contextmanager
def standing_still(server):
    """What clients send meanwhile is all there when the server looks again."""
    server.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.send_signal(signal.SIGCONT)


class ForwardTogether(CertificatesTest):
    def forward(self, address):
        return Server("forward", *self.certificates.ecdsa.options(), "--to", address, "--threads", "1")

    def connect(self, server, count=1):
        clients = [TlsStream(server.connect(), client_context(self.certificates.ca)) for _ in range(count)]
        for client in clients:
            self.addCleanup(client.socket.close)
        return clients

    def play_rounds(self, server, clients):
        for size in SIZES:
            sent = [os.urandom(size) for _ in clients]
            with standing_still(server):
                for client, data in zip(clients, sent):
                    client.send(data)
                for client in clients:
                    wait_until_delivered(client.socket)
            for client, data in zip(clients, sent):
                self.assertEqual(client.receive_exactly(size), data)

    def test_messages(self):
        with Backend(echo) as backend, self.forward(backend.address) as server:
            clients = self.connect(server, CLIENTS)
            self.play_rounds(server, clients)
            for client in clients:
                client.send_close_notify()
                self.assertEqual(client.receive_to_end(), (b"", CLOSE_NOTIFY))

    def test_last_messages(self):
        with Backend(echo) as backend, self.forward(backend.address) as server:
            clients = self.connect(server, CLIENTS)
            self.play_rounds(server, clients)
            with standing_still(server):
                for client in clients:
                    client.send_with_close_notify(b"the end")
                    client.socket.shutdown(socket.SHUT_WR)
            for client in clients:
                self.assertEqual(client.receive_to_end(), (b"the end", CLOSE_NOTIFY))

    def test_cut_among_others(self):
        ends = []

        def echo_and_tell(connection):
            try:
                echo(connection)
                ends.append("FIN")
            except ConnectionResetError:
                ends.append("reset")

        with Backend(echo_and_tell) as backend, self.forward(backend.address) as server:
            clients = self.connect(server, CLIENTS)
            self.play_rounds(server, clients)
            with standing_still(server):
                for number, client in enumerate(clients):
                    client.send(b"the end")
                    if number % 3 == 0:
                        client.socket.shutdown(socket.SHUT_WR)  # truncated
                    elif number % 3 == 1:
                        client.send_close_notify()
            for number, client in enumerate(clients):
                if number % 3 == 1:
                    self.assertEqual(client.receive_to_end(), (b"the end", CLOSE_NOTIFY))
                elif number % 3 == 2:
                    self.assertEqual(client.receive_exactly(7), b"the end")
                    client.send_close_notify()
                    self.assertEqual(client.receive_to_end(), (b"", CLOSE_NOTIFY))
            backend.join()
            self.assertEqual(sorted(ends), ["FIN"] * (CLIENTS - CLIENTS // 3) + ["reset"] * (CLIENTS // 3))

    def before_the_backend_is_there(self, size):
        """A unix socket whose queue is full isn't connected to before somebody is taken out of the queue."""
        data = os.urandom(size)
        path = self.certificates.path(f"full-{size}.sock")
        with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as queue:
            listener.bind(str(path))
            listener.listen(0)
            with contextlib.suppress(BlockingIOError):
                while True:
                    waiting = queue.enter_context(socket.socket(socket.AF_UNIX))
                    waiting.setblocking(False)
                    waiting.connect(str(path))
            with self.forward(f"unix:{path}") as server:
                (client,) = self.connect(server)
                client.send(data)
                client.send_close_notify()
                wait_until_delivered(client.socket)
                listener.settimeout(EVENT_TIMEOUT)
                queue.close()  # those who filled it have sent nothing
                received = b""
                while not received:
                    connection, _ = listener.accept()
                    with connection:
                        connection.settimeout(EVENT_TIMEOUT)
                        received = read_to_end(connection)
                self.assertTrue(received == data, "what the client sent early arrived changed")
                self.assertEqual(client.receive_to_end(), (b"", CLOSE_NOTIFY))

    def test_little_before_the_backend_is_there(self):
        self.before_the_backend_is_there(100)

    def test_much_before_the_backend_is_there(self):
        self.before_the_backend_is_there(100_000)


if __name__ == "__main__":
    unittest.main()
