# backend: plain TCP servers for `sallyport forward` to connect to; what they do with a connection is a function.
#
# SPDX-License-Identifier: Apache-2.0

import os
import socket
import threading

from sallyport import EVENT_TIMEOUT


class Backend:
    """Accepts connections and calls `serve(connection)` for each in a thread of its own.

        with Backend(lambda connection: connection.sendall(b"hello")) as backend:
            with Server("forward", ..., "--to", backend.address) as server: ...

    The connection is closed when `serve` returns. What it raises fails the test when the context is left.
    """

    def __init__(self, serve, host="127.0.0.1", unix_path=None):
        self._serve = serve
        self._failures = []
        self._threads = []
        self._arrival = threading.Condition()
        self._connections = []
        if unix_path is None:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._listener = socket.create_server((host, 0), family=family, backlog=128)
            self.port = self._listener.getsockname()[1]
            self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        else:
            self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._listener.bind(os.fspath(unix_path))
            self._listener.listen(128)
            self.address = f"unix:{unix_path}"

    def __enter__(self):
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()
        return self

    def __exit__(self, kind, value, trace):
        # shutdown() wakes the thread that waits in accept(); close() alone doesn't.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(EVENT_TIMEOUT)
        self._listener.close()
        if kind is not None:
            # The test has failed already; let no thread wait for what won't come.
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            for thread in self._threads:
                thread.join(EVENT_TIMEOUT)
        else:
            self.join(0)

    def join(self, count=1):
        """Waits until `count` connections have come, and all that have come are done."""
        with self._arrival:
            if not self._arrival.wait_for(lambda: len(self._threads) >= count, EVENT_TIMEOUT):
                raise AssertionError(f"{len(self._threads)} of {count} connections came to the backend")
        for thread in self._threads:
            thread.join(EVENT_TIMEOUT)
            if thread.is_alive():
                raise AssertionError("a connection to the backend never ended")
        if self._failures:
            raise self._failures.pop(0)

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(EVENT_TIMEOUT)
            self._connections.append(connection)
            thread = threading.Thread(target=self._run, args=(connection,), daemon=True)
            thread.start()
            with self._arrival:
                self._threads.append(thread)
                self._arrival.notify_all()

    def _run(self, connection):
        try:
            self._serve(connection)
        except Exception as failure:  # it is raised again where the test can see it
            self._failures.append(failure)
        finally:
            connection.close()


def read_to_end(connection):
    """All bytes until the peer's FIN."""
    data = bytearray()
    while piece := connection.recv(65536):
        data += piece
    return bytes(data)


def refusing_address():
    """An address where connections are refused: bound, so that nobody else can listen there, but not listening."""
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    return holder, f"127.0.0.1:{holder.getsockname()[1]}"
