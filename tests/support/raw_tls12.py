# raw_tls12: a TLS 1.2 connection whose records a test writes by itself: any content type, any number of times.
#
# SPDX-License-Identifier: Apache-2.0
"""OpenSSL's client stops at the first refused renegotiation; an attacker's doesn't. This one lets OpenSSL do the
handshake and then encrypts and decrypts the records by itself, with the keys of that handshake."""

import ctypes
import hashlib
import hmac
import struct

from libssl import TLS_1_2, LibsslClient

ALERT, HANDSHAKE, APPLICATION_DATA = 21, 22, 23

_KEY_SIZE, _SALT_SIZE, _NONCE_SIZE, _TAG_SIZE = 16, 4, 8, 16
_EVP_CTRL_AEAD_GET_TAG, _EVP_CTRL_AEAD_SET_TAG = 0x10, 0x11

_library = ctypes.CDLL("libcrypto.so.3")
for _name in ("EVP_aes_128_gcm", "EVP_CIPHER_CTX_new"):
    getattr(_library, _name).restype = ctypes.c_void_p


class RawTls12:
    """RFC 5246 section 6.2 with AES-128-GCM (RFC 5288), right after the handshake."""

    CIPHERS = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"

    def __init__(self, server):
        self._client = LibsslClient(server, TLS_1_2, self.CIPHERS)
        self.socket = self._client.socket
        master, client_random, server_random = self._client.secrets()
        keys = _prf(master, b"key expansion", server_random + client_random, 2 * (_KEY_SIZE + _SALT_SIZE))
        self._write_key, self._read_key = keys[:16], keys[16:32]
        self._write_salt, self._read_salt = keys[32:36], keys[36:40]
        # Both sides have sent one encrypted record: Finished.
        self._written = self._read = 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._client.close()

    def send(self, content_type, data):
        nonce = struct.pack(">Q", self._written)
        header = self._additional_data(self._written, content_type, len(data))
        sealed = _gcm(True, self._write_key, self._write_salt + nonce, header, data)
        self._written += 1
        self.socket.sendall(struct.pack(">BHH", content_type, TLS_1_2, len(nonce + sealed)) + nonce + sealed)

    def receive(self):
        """The next record: its content type and its plaintext; None at the end of the connection."""
        header = self._receive_exactly(5)
        if header is None:
            return None
        content_type, _, size = struct.unpack(">BHH", header)
        record = self._receive_exactly(size)
        if record is None:
            return None
        nonce, sealed = record[:_NONCE_SIZE], record[_NONCE_SIZE:]
        header = self._additional_data(self._read, content_type, len(sealed) - _TAG_SIZE)
        self._read += 1
        return content_type, _gcm(False, self._read_key, self._read_salt + nonce, header, sealed)

    def _receive_exactly(self, size):
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            if not piece:
                return None
            data += piece
        return data

    @staticmethod
    def _additional_data(sequence, content_type, size):
        return struct.pack(">QBHH", sequence, content_type, TLS_1_2, size)


def _prf(secret, label, seed, size):
    """RFC 5246 section 5."""
    seed = label + seed
    output, a = b"", seed
    while len(output) < size:
        a = hmac.digest(secret, a, hashlib.sha256)
        output += hmac.digest(secret, a + seed, hashlib.sha256)
    return output[:size]


def _gcm(encrypt, key, nonce, additional_data, data):
    """AES-128-GCM: the ciphertext with its tag behind it, or the plaintext of that."""
    direction = 1 if encrypt else 0
    tag = ctypes.create_string_buffer(_TAG_SIZE)
    if not encrypt:
        data, tag.raw = data[:-_TAG_SIZE], data[-_TAG_SIZE:]
    output = ctypes.create_string_buffer(len(data) + _TAG_SIZE)
    size = ctypes.c_int()
    context = ctypes.c_void_p(_library.EVP_CIPHER_CTX_new())
    try:
        cipher = ctypes.c_void_p(_library.EVP_aes_128_gcm())
        steps = [
            lambda: _library.EVP_CipherInit_ex(context, cipher, None, key, nonce, direction),
            lambda: _library.EVP_CipherUpdate(context, None, ctypes.byref(size), additional_data, len(additional_data)),
            lambda: _library.EVP_CipherUpdate(context, output, ctypes.byref(size), data, len(data)),
        ]
        if not encrypt:
            steps.append(lambda: _library.EVP_CIPHER_CTX_ctrl(context, _EVP_CTRL_AEAD_SET_TAG, _TAG_SIZE, tag))
        steps.append(lambda: _library.EVP_CipherFinal_ex(context, output, ctypes.byref(size)))
        if encrypt:
            steps.append(lambda: _library.EVP_CIPHER_CTX_ctrl(context, _EVP_CTRL_AEAD_GET_TAG, _TAG_SIZE, tag))
        for step in steps:
            if step() != 1:
                raise AssertionError("AES-GCM failed: a record doesn't decrypt")
    finally:
        _library.EVP_CIPHER_CTX_free(context)
    return output.raw[: len(data)] + (tag.raw if encrypt else b"")
