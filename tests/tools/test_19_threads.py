# --threads: how many serve, that all of them do, and that they end as one.
#
# SPDX-License-Identifier: Apache-2.0

import os
import pathlib
import socket
import unittest

from backend import Backend
from certificates import CertificatesTest
from sallyport import Server, run
from tls_stream import CLOSE_NOTIFY, RESET, TLS_1_2, TLS_1_3, TlsStream, client_context


def serving_threads(server):
    """The threads that serve clients, as the kernel has them."""
    names = [(task / "comm").read_text().strip() for task in pathlib.Path(f"/proc/{server.pid}/task").iterdir()]
    return sorted(name for name in names if name.startswith("shard "))


class Threads(CertificatesTest):
    def server(self, *options, **more):
        return Server("echo", *self.certificates.ecdsa.options(), *options, **more)

    def connect(self, server):
        client = TlsStream(server.connect(), client_context(self.certificates.ca))
        self.addCleanup(client.socket.close)
        return client

    def expect_echo(self, client, data=b"hello"):
        client.send(data)
        self.assertEqual(client.receive_exactly(len(data)), data)

    def connect_some(self, server, count=20):
        """Clients who have been served: enough that each of four threads has at least one."""
        clients = [self.connect(server) for _ in range(count)]
        for client in clients:
            self.expect_echo(client)
        return clients

    # --- how many ---

    def test_default_is_the_number_of_usable_cores(self):
        usable = os.sched_getaffinity(0)
        for cores in ({min(usable)}, set(sorted(usable)[:2]), usable):
            os.sched_setaffinity(0, cores)  # the command inherits it
            try:
                with self.server() as server:
                    os.sched_setaffinity(0, usable)
                    server.wait_for_log(rf"listening on \S+ threads={len(cores)}$")
                    self.assertEqual(serving_threads(server), [f"shard {i}" for i in range(len(cores))])
            finally:
                os.sched_setaffinity(0, usable)

    def test_number_is_what_was_asked_for(self):
        for count in (1, 3, 8):
            with self.subTest(count), self.server("--threads", count) as server:
                server.wait_for_log(rf"listening on \S+ threads={count}$")
                self.assertEqual(serving_threads(server), [f"shard {i}" for i in range(count)])
                self.expect_echo(self.connect(server))

    # --- all of them serve ---

    def test_echo(self):
        with self.server("--threads", 4) as server:
            clients = self.connect_some(server, 40)
            for number, client in enumerate(clients):
                self.expect_echo(client, b"client %d " % number * 1000)
            for client in clients:
                client.send_close_notify()
                self.assertEqual(client.receive_to_end(), (b"", CLOSE_NOTIFY))
                client.socket.close()
            self.assertEqual(server.terminate(), 0)

    def test_forward(self):
        def echo(connection):
            while data := connection.recv(65536):
                connection.sendall(data)

        with Backend(echo) as backend:
            options = ("--to", backend.address, "--threads", 4)
            with Server("forward", *self.certificates.ecdsa.options(), *options) as server:
                for number, client in enumerate(self.connect_some(server)):
                    self.expect_echo(client, b"client %d " % number * 1000)
                    client.send_close_notify()
                    self.assertEqual(client.receive_to_end(), (b"", CLOSE_NOTIFY))
                    client.socket.close()
                self.assertEqual(server.terminate(), 0)

    def test_unix_socket(self):
        path = self.certificates.path("threads.socket")
        with self.server("--threads", 4, listen=f"unix:{path}") as server:
            self.connect_some(server)
            self.assertEqual(serving_threads(server), [f"shard {i}" for i in range(4)])
            self.assertTrue(path.is_socket())
            server.send_signal()
            server.wait_for_log("stopping")
            server.send_signal()
            self.assertEqual(server.wait(), 1)
            self.assertFalse(path.exists())

    def test_a_ticket_is_good_on_all_threads(self):
        for version in (TLS_1_2, TLS_1_3):
            with self.subTest(version), self.server("--threads", 4, "--log-level", "debug") as server:
                context = client_context(self.certificates.ca, version)

                def connect(session=None):
                    with context.wrap_socket(server.connect(), server_hostname="localhost", session=session) as client:
                        client.sendall(b"hello")
                        self.assertEqual(client.recv(5), b"hello")  # in TLS 1.3 the ticket has come before it
                        return client.session, client.session_reused

                session, resumed = connect()
                self.assertFalse(resumed)
                # A hash that chooses the same thread each time has a chance of 1 in 4^39.
                for _ in range(40):
                    session, resumed = connect(session)
                    self.assertTrue(resumed)

    # --- limits ---

    def test_limits_are_for_all_threads_together(self):
        with self.server("--threads", 4, "--max-handshakes", 4, "--handshake-timeout", "1h") as server:
            silent = [server.connect() for _ in range(5)]
            for client in silent:
                self.addCleanup(client.close)
            server.wait_for_log(r"handshake failed .*reason=evicted")

    def test_noise_is_summed_up_for_all_threads_together(self):
        with self.server("--threads", 4) as server:
            for _ in range(40):
                with server.connect() as client:
                    client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    while client.recv(4096):
                        pass
            self.assertEqual(server.terminate(), 0)
            lines = [line for line in server.log if "handshake failed" in line and "reason=plain_http" in line]
            self.assertEqual(len(lines), 10)
            self.assertRegex("\n".join(server.log), r"handshakes failed .*reason=plain_http suppressed=30 addresses=1 ")

    # --- the end ---

    def test_drain(self):
        with self.server("--threads", 4, "--shutdown-timeout", "1h") as server:
            clients = self.connect_some(server)
            server.send_signal()
            server.wait_for_log(rf"stopping .*open_connections={len(clients)} ")
            for client in clients:
                self.expect_echo(client)
                self.assertTrue(server.is_running())
                client.send_close_notify()
                self.assertEqual(client.receive_to_end(), (b"", CLOSE_NOTIFY))
                client.socket.close()
            self.assertEqual(server.wait(), 0)

    def test_drain_that_takes_too_long(self):
        with self.server("--threads", 4, "--shutdown-timeout", "100ms", "--log-level", "debug") as server:
            clients = self.connect_some(server)
            self.assertEqual(server.terminate(), 1)
            for client in clients:
                self.assertEqual(client.receive_to_end(), (b"", RESET))
            closed = [line for line in server.log if "connection closed" in line]
            self.assertEqual(len(closed), len(clients), "each has its last line")
            self.assertRegex(server.log[-1], "warning stopped ")

    def test_second_signal_ends_at_once(self):
        with self.server("--threads", 4, "--shutdown-timeout", "1h") as server:
            clients = self.connect_some(server)
            server.send_signal()
            server.wait_for_log("stopping")
            server.send_signal()
            self.assertEqual(server.wait(), 1)
            server.wait_for_log(rf"stopped at once open_connections={len(clients)}")

    # --- the port ---

    def test_a_port_that_is_taken(self):
        for shared in (False, True):  # with SO_REUSEPORT the kernel would let the command join in
            with self.subTest(shared), socket.socket() as other:
                if shared:
                    other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                other.bind(("127.0.0.1", 0))
                other.listen()
                address = "127.0.0.1:%d" % other.getsockname()[1]
                options = ("--listen", address, "--threads", 4, *self.certificates.ecdsa.options())
                finished = run("echo", *options)
                self.assertEqual(finished.returncode, 1)
                expected = f"sallyport: can't listen on {address}: Address already in use\n"
                self.assertEqual(finished.stderr, expected)

    def test_two_of_them_do_not_share_a_port(self):
        with self.server("--threads", 4) as first:
            options = ("--listen", first.address, "--threads", 4, *self.certificates.ecdsa.options())
            finished = run("echo", *options)
            self.assertEqual(finished.returncode, 1)
            self.assertRegex(finished.stderr, "Address already in use")
            self.connect_some(first)


if __name__ == "__main__":
    unittest.main()
