# failing_clients: ways to fail a handshake, by the reason that the log must give for each.
#
# SPDX-License-Identifier: Apache-2.0

import re
import ssl
import subprocess

from programs import clean_environment, program
from tls_stream import TLS_1_3, TlsStream, client_context

# A record that says it holds a ClientHello, and doesn't.
GARBAGE_RECORD = b"\x16\x03\x01\x00\x24\x01\x00\x00\x20" + b"\xff" * 32


def client_hello(context, server_name="localhost"):
    """The first record of a client with this context."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=server_name)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def client_hello_for(ca, server_name):
    """A ClientHello whose server name is these bytes, which Python itself might refuse to send."""
    placeholder = "x" * (len(server_name) - 5) + ".test"
    hello = client_hello(client_context(ca), placeholder)
    if hello.count(placeholder.encode()) != 1:
        raise AssertionError("no placeholder in the ClientHello")
    return hello.replace(placeholder.encode(), server_name)


def s_client(server, *options):
    """Runs openssl s_client, which must fail."""
    finished = subprocess.run(
        [program("openssl"), "s_client", "-connect", f"{server.host}:{server.port}", *options],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", env=clean_environment(), timeout=60)
    if finished.returncode == 0 and not re.search("alert", finished.stderr):
        raise AssertionError(f"s_client {' '.join(options)} succeeded:\n{finished.stdout}{finished.stderr}")
    return finished


def fail_verification(server, ca):
    """A client that knows another CA only."""
    with server.connect() as connection:
        try:
            TlsStream(connection, client_context(ca, TLS_1_3))
        except ssl.SSLCertVerificationError:
            return
    raise AssertionError("the certificate of an unknown CA was accepted")
