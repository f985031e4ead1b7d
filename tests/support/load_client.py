# load_client: a TLS client that reads and writes at the same time, or one without the other, as a test wants it.
#
# SPDX-License-Identifier: Apache-2.0

import contextlib
import select
import socket
import ssl
import time

from tls_stream import TlsStream, Truncated

TIMEOUT = 30.0
BOTH_VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)

# How much ciphertext waits for the socket before no more is made, and how much is read at a time.
BUFFER_SIZE = 256 * 1024

# Making a context costs more than a handshake, so each is made once.
_contexts = {}


def trusting_context(version=None):
    """Trusts every server: the load tests are about bytes, not about certificates."""
    if version not in _contexts:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        # Python sets this for compatibility; it would make a truncated stream look like a closed one.
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
        if version is not None:
            context.minimum_version = version
            context.maximum_version = version
        _contexts[version] = context
    return _contexts[version]


def connect(server, receive_buffer=None, timeout=TIMEOUT):
    """A plain TCP connection to anything with `host` and `port`. `receive_buffer` is SO_RCVBUF."""
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if receive_buffer is not None:
            # The kernel derives the window from it, so it counts only when set before the connection is made.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            # The loopback's segments of 64 KB don't fit into a small window, and then TCP waits for seconds at times.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
        connection.settimeout(timeout)
        connection.connect((server.host, server.port))
    except BaseException:
        connection.close()
        raise
    return connection


class LoadClient(TlsStream):
    """TlsStream's operations wait; the ones below don't, but for wait().

    Ciphertext that is made waits in memory until send_ciphertext() has sent it."""

    def __init__(self, server, version=None, receive_buffer=None, timeout=TIMEOUT, handshake=True):
        self.timeout = timeout
        self._waiting = memoryview(b"")
        self._early_plaintext = []
        self._close_notify_received = False
        connection = connect(server, receive_buffer, timeout)
        self._poll = select.poll()
        self._poll.register(connection, 0)
        try:
            super().__init__(connection, trusting_context(version), handshake=handshake)
        except BaseException:
            connection.close()
            raise

    def receive(self, size=BUFFER_SIZE):
        while True:
            plaintext = self.take_plaintext()
            if plaintext is not None:
                return plaintext
            self.receive_ciphertext()

    def receive_exactly(self, size):
        data = bytearray()
        while len(data) < size:
            piece = self.receive()
            if not piece:
                raise AssertionError(f"close_notify after {len(data)} of {size} bytes")
            data += piece
        if len(data) > size:
            self._early_plaintext.insert(0, bytes(data[size:]))
        return bytes(data[:size])

    def send_close_notify(self):
        self.queue_close_notify()
        self.flush()

    def flush(self):
        while self.unsent_size():
            self.wait(select.POLLOUT)
            self.send_ciphertext()

    def echo(self, data=b"0123456789abcdef" * 4):
        self.send(data)
        answer = self.receive_exactly(len(data))
        if answer != data:
            raise AssertionError(f"sent {data!r}, got {answer!r}")

    def expect_fin(self):
        """After close_notify TCP must end by a FIN; a reset is a ConnectionResetError."""
        while self.socket.recv(BUFFER_SIZE):
            pass

    def ready(self, events, timeout=0.0):
        """Those of the events that the socket is ready for, and its errors."""
        found = self._poll_for(events, timeout)
        return found[0][1] if found else 0

    def wait(self, events):
        """The same once there is one."""
        ready = self.ready(events, self.timeout)
        if not ready:
            raise TimeoutError(f"nothing moved for {self.timeout} s")
        return ready

    def queue(self, data):
        """Encrypts."""
        self.tls.write(data)

    def queue_close_notify(self):
        # unwrap() also looks for the peer's close_notify, and fails where it finds data in its place.
        while not self._close_notify_received:
            plaintext = self._decrypt()
            if not plaintext:
                break
            self._early_plaintext.append(plaintext)
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.unwrap()

    def unsent_size(self):
        return len(self._waiting) + self._outgoing.pending

    def send_ciphertext(self):
        """One send, after ready() or wait() for POLLOUT."""
        if not self._waiting:
            self._waiting = memoryview(self._outgoing.read())
        self._waiting = self._waiting[self.socket.send(self._waiting) :]

    def receive_ciphertext(self):
        """One receive, after ready() or wait() for POLLIN."""
        ciphertext = self.socket.recv(BUFFER_SIZE)
        if not ciphertext:
            raise Truncated()
        self._incoming.write(ciphertext)

    def take_plaintext(self):
        """What is decrypted already: None if there is nothing, b"" after close_notify."""
        if self._early_plaintext:
            return self._early_plaintext.pop(0)
        return self._decrypt()

    def _decrypt(self):
        if self._close_notify_received:
            return b""
        try:
            plaintext = self.tls.read(BUFFER_SIZE)
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLZeroReturnError:  # what close_notify is called when our own was sent before
            plaintext = b""
        self._close_notify_received = not plaintext
        return plaintext

    def _poll_for(self, events, timeout):
        self._poll.modify(self.socket, events)
        return self._poll.poll(timeout * 1000)


def exchange(client, chunks, consume, half_close, lazy=False):
    """Sends every chunk and reads at the same time, until the server's close_notify.

    `consume` gets each piece of plaintext. With `half_close` our close_notify follows the last chunk at once; else it
    is sent when as much has come back as was sent. `lazy` reads only when the socket takes no more."""
    chunks = iter(chunks)
    sent = received = 0
    all_queued = closed = False
    while True:
        while not all_queued and client.unsent_size() < BUFFER_SIZE:
            chunk = next(chunks, None)
            if chunk is None:
                all_queued = True
            else:
                client.queue(chunk)
                sent += len(chunk)
        if all_queued and not closed and (half_close or received >= sent):
            client.queue_close_notify()
            closed = True
        unsent = client.unsent_size() > 0
        events = client.ready(select.POLLOUT) if unsent and lazy else 0
        events = events or client.wait(select.POLLIN | select.POLLOUT if unsent else select.POLLIN)
        if events & select.POLLOUT:
            client.send_ciphertext()
        if events & ~select.POLLOUT:
            client.receive_ciphertext()
        while (plaintext := client.take_plaintext()) is not None:
            if not plaintext:
                if not closed:
                    raise AssertionError(f"the server closed after {received} of {sent} bytes")
                return
            received += len(plaintext)
            consume(plaintext)


def send_until_blocked(client, chunks, patience):
    """Sends chunks and reads nothing, until the socket takes nothing for `patience` seconds or there are no more
    chunks; the number of bytes encrypted."""
    queued = 0
    for chunk in chunks:
        client.queue(chunk)
        queued += len(chunk)
        while client.unsent_size() >= BUFFER_SIZE:
            if not client.ready(select.POLLOUT, patience):
                return queued
            client.send_ciphertext()
    return queued


def visit(server, version=None, timeout=TIMEOUT):
    """A good client: handshake, one echo, and a polite end; the seconds until the echo was there."""
    start = time.monotonic()
    with LoadClient(server, version, timeout=timeout) as client:
        client.echo()
        duration = time.monotonic() - start
        client.send_close_notify()
        if client.receive() != b"":
            raise AssertionError("more came back than was sent")
    return duration
