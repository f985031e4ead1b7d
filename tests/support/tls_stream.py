# tls_stream: a TLS client that half-closes, truncates and resets as a test wants it, which ssl.SSLSocket doesn't do.
#
# SPDX-License-Identifier: Apache-2.0

import socket
import ssl
import struct

TLS_1_2 = ssl.TLSVersion.TLSv1_2
TLS_1_3 = ssl.TLSVersion.TLSv1_3

# How the peer ended a connection.
CLOSE_NOTIFY = "close_notify"
TRUNCATED = "FIN without close_notify"
RESET = "reset"


class Truncated(Exception):
    """The peer ended TCP without close_notify."""


def client_context(ca, version=None, alpn=()):
    """Verifies the server's certificate and name against one CA. `version` allows that one alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=str(ca))
    # Python sets this for compatibility; it would make a truncated stream look like a closed one.
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    if version is not None:
        context.minimum_version = version
        context.maximum_version = version
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def reset(connection):
    """Closes a socket so that its peer gets a TCP reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class TlsStream:
    """A TLS connection over a connected socket. Every wait is bounded by the socket's timeout."""

    def __init__(self, connection, context, server_name="localhost", handshake=True):
        self.socket = connection
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._unsent = b""
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        if handshake:
            self.handshake()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def handshake(self):
        try:
            self._until_done(self.tls.do_handshake)
        except ssl.SSLError:
            # The alert that says why is still to be sent.
            self.flush()
            raise

    def begin_handshake(self):
        """Sends the ClientHello alone."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            self.flush()

    def send(self, data):
        view = memoryview(data)
        while view:
            written = self.tls.write(view[:16384])
            view = view[written:]
            self.flush()

    def receive(self, size=65536):
        """Some bytes; b"" after close_notify. Raises Truncated after a FIN without it."""
        try:
            return self._until_done(lambda: self.tls.read(size))
        except ssl.SSLZeroReturnError:
            return b""

    def receive_exactly(self, size):
        data = bytearray()
        while len(data) < size:
            piece = self.receive(min(65536, size - len(data)))
            if not piece:
                raise AssertionError(f"close_notify after {len(data)} of {size} bytes")
            data += piece
        return bytes(data)

    def receive_to_end(self):
        """All bytes until the peer ends, and how it ended: CLOSE_NOTIFY, TRUNCATED or RESET."""
        data = bytearray()
        while True:
            try:
                piece = self.receive()
            except Truncated:
                return bytes(data), TRUNCATED
            except (ConnectionResetError, BrokenPipeError):
                return bytes(data), RESET
            if not piece:
                return bytes(data), CLOSE_NOTIFY
            data += piece

    def send_close_notify(self):
        """Ends this side; reading goes on."""
        try:
            self.tls.unwrap()
        except ssl.SSLError:
            # It wants the peer's close_notify, or has found data in its place: that is for receive() to read.
            pass
        self.flush()

    def records_with_close_notify(self, data):
        """These bytes and the end after them, encrypted, for the test to send."""
        self.tls.write(data)
        try:
            self.tls.unwrap()
        except ssl.SSLError:
            pass  # as in send_close_notify()
        return self.pending_output()

    def send_with_close_notify(self, data):
        """Sends these bytes and ends this side, in one piece."""
        self.socket.sendall(self.records_with_close_notify(data))

    def close(self):
        """close_notify and FIN."""
        self.send_close_notify()
        self.socket.close()

    def reset(self):
        reset(self.socket)

    def flush(self):
        data = self.pending_output()
        if data:
            self.socket.sendall(data)

    def pending_output(self):
        """What would be sent next, taken out so that a test can send it as it likes."""
        data = self._unsent + self._outgoing.read()
        self._unsent = b""
        return data

    def put_back(self, data):
        """The rest of pending_output() that the test hasn't sent."""
        self._unsent = data

    def _until_done(self, step):
        while True:
            try:
                result = step()
                self.flush()
                return result
            except ssl.SSLWantReadError:
                self.flush()
                data = self.socket.recv(65536)
                if not data:
                    raise Truncated()
                self._incoming.write(data)
