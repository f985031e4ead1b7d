# libssl: a TLS client on OpenSSL's own C interface, for what Python's ssl module doesn't offer: KeyUpdates.
#
# SPDX-License-Identifier: Apache-2.0

import ctypes
import socket
import struct

from load_client import TIMEOUT, connect

TLS_1_2 = 0x0303
TLS_1_3 = 0x0304

_SSL_CTRL_SET_MIN_PROTO_VERSION = 123
_SSL_CTRL_SET_MAX_PROTO_VERSION = 124

_library = ctypes.CDLL("libssl.so.3")


def _function(name, result, *arguments):
    function = getattr(_library, name)
    function.restype = result
    function.argtypes = arguments
    return function


_pointer, _int, _long, _size = ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_size_t
_TLS_client_method = _function("TLS_client_method", _pointer)
_SSL_CTX_new = _function("SSL_CTX_new", _pointer, _pointer)
_SSL_CTX_free = _function("SSL_CTX_free", None, _pointer)
_SSL_CTX_ctrl = _function("SSL_CTX_ctrl", _long, _pointer, _int, _long, _pointer)
_SSL_CTX_set_cipher_list = _function("SSL_CTX_set_cipher_list", _int, _pointer, ctypes.c_char_p)
_SSL_new = _function("SSL_new", _pointer, _pointer)
_SSL_free = _function("SSL_free", None, _pointer)
_SSL_set_fd = _function("SSL_set_fd", _int, _pointer, _int)
_SSL_connect = _function("SSL_connect", _int, _pointer)
_SSL_do_handshake = _function("SSL_do_handshake", _int, _pointer)
_SSL_key_update = _function("SSL_key_update", _int, _pointer, _int)
_SSL_read = _function("SSL_read", _int, _pointer, _pointer, _int)
_SSL_write = _function("SSL_write", _int, _pointer, _pointer, _int)
_SSL_get_error = _function("SSL_get_error", _int, _pointer, _int)
_SSL_get_session = _function("SSL_get_session", _pointer, _pointer)
_SSL_SESSION_get_master_key = _function("SSL_SESSION_get_master_key", _size, _pointer, _pointer, _size)
_SSL_get_client_random = _function("SSL_get_client_random", _size, _pointer, _pointer, _size)
_SSL_get_server_random = _function("SSL_get_server_random", _size, _pointer, _pointer, _size)


class LibsslError(Exception):
    """An operation failed: the server has ended the connection, or nothing moved in time."""


class LibsslClient:
    """A connection of one TLS version with its handshake complete. Every operation waits, at most for `timeout`."""

    def __init__(self, server, version, ciphers=None, timeout=TIMEOUT):
        self.socket = connect(server, timeout=timeout)
        # libssl needs a descriptor that waits: the kernel's timeouts take the place of Python's.
        self.socket.setblocking(True)
        limit = struct.pack("ll", int(timeout), 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        self._context = _SSL_CTX_new(_TLS_client_method())
        _SSL_CTX_ctrl(self._context, _SSL_CTRL_SET_MIN_PROTO_VERSION, version, None)
        _SSL_CTX_ctrl(self._context, _SSL_CTRL_SET_MAX_PROTO_VERSION, version, None)
        if ciphers is not None and _SSL_CTX_set_cipher_list(self._context, ciphers.encode()) != 1:
            raise ValueError(f"OpenSSL doesn't know {ciphers}")
        self._ssl = _SSL_new(self._context)
        _SSL_set_fd(self._ssl, self.socket.fileno())
        try:
            self._check("SSL_connect", _SSL_connect(self._ssl))
        except LibsslError:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self._ssl:
            _SSL_free(self._ssl)
            _SSL_CTX_free(self._context)
            self._ssl = self._context = None
        self.socket.close()

    def update_keys(self, request=False):
        """Sends a KeyUpdate; with `request` it asks the server for one too."""
        self._check("SSL_key_update", _SSL_key_update(self._ssl, 1 if request else 0))
        self._check("SSL_do_handshake", _SSL_do_handshake(self._ssl))

    def send(self, data):
        self._check("SSL_write", _SSL_write(self._ssl, data, len(data)))

    def receive_exactly(self, size):
        data = bytearray()
        buffer = ctypes.create_string_buffer(16384)
        while len(data) < size:
            count = _SSL_read(self._ssl, buffer, min(size - len(data), len(buffer)))
            self._check("SSL_read", count)
            data += buffer.raw[:count]
        return bytes(data)

    def echo(self, data=b"0123456789abcdef" * 4):
        self.send(data)
        answer = self.receive_exactly(len(data))
        if answer != data:
            raise AssertionError(f"sent {data!r}, got {answer!r}")

    def secrets(self):
        """TLS 1.2's master secret and the two randoms of the hellos: the client's and the server's."""
        session = _SSL_get_session(self._ssl)
        return (
            self._bytes(48, lambda buffer: _SSL_SESSION_get_master_key(session, buffer, 48)),
            self._bytes(32, lambda buffer: _SSL_get_client_random(self._ssl, buffer, 32)),
            self._bytes(32, lambda buffer: _SSL_get_server_random(self._ssl, buffer, 32)),
        )

    def _bytes(self, size, fill):
        buffer = ctypes.create_string_buffer(size)
        if fill(buffer) != size:
            raise AssertionError("OpenSSL has no such secret")
        return buffer.raw

    def _check(self, name, returned):
        if returned <= 0:
            raise LibsslError(f"{name}: SSL_get_error() {_SSL_get_error(self._ssl, returned)}")
