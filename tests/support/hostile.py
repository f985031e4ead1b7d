# hostile: clients that mean no good, and what tests of them share.
#
# SPDX-License-Identifier: Apache-2.0

import errno
import fcntl
import os
import resource
import selectors
import socket
import ssl
import struct
import termios
import time

import sallyport
from load_client import BUFFER_SIZE, TIMEOUT, connect, trusting_context

ENDED = (errno.ECONNRESET, errno.EPIPE)


def promise(normal, sanitized):
    """A bound that is promised for a normal build, and a wider one for the slow builds with a sanitizer."""
    return sanitized if sallyport.sanitizer() else normal


def small_quarantine():
    """For Server's environment: AddressSanitizer keeps freed memory, up to 256 MB, unless it is told not to."""
    return {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"}


def figure(text):
    """Prints a measured figure at once, so that it is there when a later step hangs."""
    print(f"  {text}", flush=True)


def raise_descriptor_limit(needed):
    """For this process and the servers it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise AssertionError(f"this test needs {needed} descriptors; the hard limit (ulimit -Hn) is {hard}")
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def client_hello(version=None):
    """The bytes of a real ClientHello, in its record."""
    outgoing = ssl.MemoryBIO()
    tls = trusting_context(version).wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def ends_within(connection, timeout):
    """Reads and drops until the server has closed or reset the connection; whether it did in time."""
    deadline = time.monotonic() + timeout
    while (left := deadline - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            if not connection.recv(BUFFER_SIZE):
                return True
        except TimeoutError:
            return False
        except OSError as failure:
            if failure.errno in ENDED:
                return True
            raise
    return False


def settled(read, expected, timeout=sallyport.EVENT_TIMEOUT):
    """Waits until read() is at most what is expected; its last value."""
    deadline = time.monotonic() + timeout
    while (value := read()) > expected and time.monotonic() < deadline:
        time.sleep(0.02)
    return value


def echo_backend(connection):
    """For Backend: sends back what comes until the end of it, then ends its own direction."""
    connection.settimeout(TIMEOUT)
    while data := connection.recv(BUFFER_SIZE):
        connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)


def wait_until_delivered(connection):
    """Returns when the other end's kernel has acknowledged all that was sent: a reset drops what is still in ours,
    and nobody but the sender could be blamed for that."""
    deadline = time.monotonic() + TIMEOUT
    while struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))[0] > 0:
        if time.monotonic() > deadline:
            raise TimeoutError("the other end doesn't take what was sent")
        time.sleep(0.0005)


class Swarm:
    """Many clients of one server that never complete a handshake.

    Each sends `first` when it has connected, and then one byte of `drip` a second. For each, `lifetimes` tells how
    many seconds after its connect() it saw the server's FIN or reset."""

    def __init__(self, server, count, first=b"", drip=b""):
        self._server = server
        self._count = count
        self._first = first
        self._drip = drip
        self._selector = selectors.DefaultSelector()
        self._connected = {}
        self.lifetimes = []

    def __enter__(self):
        for _ in range(self._count):
            client = connect(self._server)
            self._connected[client] = time.monotonic()
            client.setblocking(False)
            self._selector.register(client, selectors.EVENT_READ)
            if self._first:
                self._send(client, self._first)
            self._reap(0)
        return self

    def __exit__(self, kind, value, trace):
        for client in self._connected:
            client.close()
        self._selector.close()
        return False

    @property
    def alive(self):
        return len(self._connected)

    def run(self, timeout):
        """Until all are gone, or for as long."""
        deadline = time.monotonic() + timeout
        next_drip = time.monotonic() + 1
        dripped = 0
        while self._connected and (now := time.monotonic()) < deadline:
            if now >= next_drip and dripped < len(self._drip):
                for client in list(self._connected):
                    self._send(client, self._drip[dripped : dripped + 1])
                dripped += 1
                next_drip += 1
            self._reap(min(0.1, deadline - now))

    def _send(self, client, data):
        try:
            client.send(data)
        except OSError as failure:
            if failure.errno not in ENDED:
                raise
            self._gone(client)

    def _reap(self, timeout):
        for key, _ in self._selector.select(timeout):
            try:
                if key.fileobj.recv(4096):  # an alert
                    continue
            except BlockingIOError:
                continue
            except OSError as failure:
                if failure.errno not in ENDED:
                    raise
            self._gone(key.fileobj)

    def _gone(self, client):
        self.lifetimes.append(time.monotonic() - self._connected.pop(client))
        self._selector.unregister(client)
        client.close()
