# floods: many clients that want nothing, and then one that does; what comes of them.
#
# SPDX-License-Identifier: Apache-2.0

import socket
import ssl

from connections import FIRST_BYTES
from programs import RunningProgram

# Seconds, for what must happen, and for what isn't expected to: only time can tell that a server has stalled.
TIMEOUT = 20
STALL = 3
# As many clients come at the same time as QSslServer lets wait by default.
WAVE = 30


class Flood:
    """`what` is what the clients do: "closes", or one of FIRST_BYTES, after which they wait for their end."""

    def __init__(self, count, what, title):
        self.count = count
        self.what = what
        self.title = f"{count} clients that {title}"


FLOODS = (*(Flood(count, what, title)
            for count in (30, 90, 900)
            for what, title in (("closes", "connect and close"), ("garbage", "send garbage"),
                                ("plaintext", "send plain text"))),
          *(Flood(count, "silent", "stay silent") for count in (30, 90)))


class Flooded:
    """A server and its flood. After `patience` seconds without a sign of life it counts as stalled, but its first wave
    has TIMEOUT."""

    def __init__(self, program, certificates, handshake_timeout, patience):
        self._command = [program, *certificates.ecdsa.options(), "--ca", certificates.ca,
                         "--timeout", handshake_timeout]
        self._ca = certificates.ca
        self._patience = patience

    def trace(self, flood):
        """How many clients the server has accepted, how many of them have ended, and whether it serves the next one."""
        with RunningProgram(*self._command) as server:
            port = int(server.wait_for(r"^port (\d+)", TIMEOUT).group(1))
            for first in range(0, flood.count, WAVE):
                if not self._wave(server, port, flood.what, first + WAVE):
                    break
            accepted = len([line for line in server.lines if line.startswith("accepted ")])
            ended = len([line for line in server.lines if line.startswith("ended ")])
            lines = [f"accepted {accepted}", f"ended {ended}", f"served {self._is_served(port)}"]
            server.end_input()
            status = server.finish(TIMEOUT)
            if status != 0:
                raise AssertionError(f"the server ended with {status}; its output:\n{server.text}")
            return lines

    def _wave(self, server, port, what, total):
        """False if they aren't accepted: then the next ones wouldn't even be connected."""
        clients = [socket.create_connection(("127.0.0.1", port), TIMEOUT) for _ in range(WAVE)]
        try:
            patience = TIMEOUT if total == WAVE else self._patience
            if server.finds(rf"^accepted {total}$", patience) is None:
                return False
            if what != "closes":
                for client in clients:
                    send(client, FIRST_BYTES[what])
                server.wait_for(rf"^ended {total}$", TIMEOUT)
        finally:
            for client in clients:
                client.close()
        server.wait_for(rf"^ended {total}$", TIMEOUT)
        return True

    def _is_served(self, port):
        context = ssl.create_default_context(cafile=self._ca)
        try:
            with socket.create_connection(("127.0.0.1", port), self._patience) as connection:
                with context.wrap_socket(connection, server_hostname="localhost") as client:
                    client.sendall(b"ping\n")
                    return client.recv(5) == b"ping\n"
        except TimeoutError:
            return False


def send(client, data):
    try:
        client.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        pass  # it was shown the door meanwhile
