# peers: how each server is configured and started. Every one gets one thread, the same certificate, protocols, ciphers,
# groups and tickets, and logs no connections.
#
# SPDX-License-Identifier: Apache-2.0

import dataclasses
import os
import pathlib
import re
import resource
import shutil
import subprocess
import tempfile
from typing import Callable, Optional

from server import START_TIMEOUT, Failure, Missing, Server, free_port

SUITES = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"  # TLS 1.3
CIPHERS = ("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
           "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384")
GROUPS = "X25519:P-256"

# For nginx and HAProxy instead of their 16 KiB: bulk is a fifth to a quarter faster with it, and small messages aren't slower. hitch
# and stunnel have no such setting.
BUFFER = 65536

# One ticket per handshake of TLS 1.3, as ours, for those that have no setting of their own for it: OpenSSL's default of
# two would cost them time.
OPENSSL_SETTINGS = """openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = everyone
[everyone]
NumTickets = 1
"""


class Place:
    """Where a server is started: its directory and cores, its certificate, and its backend if it is a proxy.

    `named_identities`: tells the directory with those, and makes it if need be.
    """

    def __init__(self, directory, cores, programs, identity, backend_port=None, named_identities=None):
        self.directory = pathlib.Path(directory)
        self.cores = cores
        self.programs = programs
        self.identity = identity
        self.backend_port = backend_port
        self.named_identities = named_identities

    def write(self, name, text):
        path = self.directory / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    def combined(self):
        """Certificate and key in one file."""
        return self.write("identity.pem", self.identity.key.read_text() + self.identity.certificate.read_text())


@dataclasses.dataclass(frozen=True)
class Peer:
    name: str
    program: Callable  # of Place: its path, or raises Missing
    command: Callable  # of Place and port: the words after the program
    package: Optional[str] = None  # Debian's, to tell its version
    own_port: bool = True  # it takes port 0 and tells which it got
    tls: bool = True
    proxy: bool = False
    environment: Callable = lambda place: {}
    start_timeout: float = START_TIMEOUT

    def start(self, place):
        """Starts it in a directory of its own under the place's."""
        program = self.program(place)
        for attempt in range(5):
            directory = tempfile.mkdtemp(prefix=self.name.replace(" ", "-") + "-", dir=place.directory)
            inner = Place(directory, place.cores, place.programs, place.identity, place.backend_port,
                          place.named_identities)
            port = None if self.own_port else free_port()
            try:
                return Server(self.name, [program, *self.command(inner, port or 0)], place.cores, directory, port,
                              self.tls, self.environment(inner), self.start_timeout)
            except Failure:
                # Somebody may have taken the port meanwhile.
                if self.own_port or attempt == 4:
                    raise

    def version(self):
        if self.package is None:
            return None
        answer = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", self.package], capture_output=True, text=True)
        return re.split(r"[-+]", answer.stdout.rpartition(":")[2])[0] if answer.returncode == 0 else None


def built(name):
    """A program of the build directory."""
    def find(place):
        path = place.programs / name
        if not os.access(path, os.X_OK):
            raise Missing(f"{name} wasn't built")
        return path
    return find


def installed(name, package):
    def find(_):
        # Debian keeps servers where only root looks for programs.
        path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if path is None:
            raise Missing(f"{name} isn't installed (Debian: {package})")
        return path
    return find


def descriptors():
    """How many a server may have: for those that want to be told how many connections to expect."""
    return min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 20000)


def certificate_options(place):
    return ["--cert", place.identity.certificate, "--key", place.identity.key]


def sallyport_echo(name, *options):
    return Peer(name, built("bench/sallyport_echo"),
                lambda place, port: [*certificate_options(place), "--listen", f"127.0.0.1:{port}", *options])


def sallyport_with_names(name):
    count = name.split()[0]
    return Peer(name, built("bench/sallyport_echo"),
                lambda place, port: ["--directory", place.named_identities(), "--identities", count,
                                     "--listen", f"127.0.0.1:{port}", "--api", "wait"],
                start_timeout=120.0)  # ten thousand take some seconds, and more where others compile


def echo_server(name, package=None, program=None, **how):
    return Peer(name, built("bench/" + (program or name)),
                lambda place, port: [*certificate_options(place), "--listen", f"127.0.0.1:{port}"], package, **how)


def forward(place, port):
    return ["forward", "--listen", f"127.0.0.1:{port}", "--to", f"127.0.0.1:{place.backend_port}",
            *certificate_options(place), "--threads", "1"]


NGINX_STREAM = "/usr/lib/nginx/modules/ngx_stream_module.so"


def nginx_program(place):
    if not os.path.exists(NGINX_STREAM):
        raise Missing("nginx's stream module isn't installed (Debian: libnginx-mod-stream)")
    return installed("nginx", "nginx-light")(place)


def nginx(place, port):
    # multi_accept: all waiting connections in one turn, which many short ones profit from.
    configuration = place.write("nginx.conf", f"""load_module {NGINX_STREAM};
{"user root;" if os.getuid() == 0 else ""}
daemon off;
worker_processes 1;
pid {place.directory}/nginx.pid;
error_log stderr error;
events {{ worker_connections {descriptors()}; multi_accept on; use epoll; }}
stream {{
  access_log off;
  tcp_nodelay on;
  proxy_buffer_size {BUFFER};
  proxy_timeout 10m;
  server {{
    listen 127.0.0.1:{port} ssl backlog=4096;
    proxy_pass 127.0.0.1:{place.backend_port};
    ssl_certificate {place.identity.certificate};
    ssl_certificate_key {place.identity.key};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers {CIPHERS};
    ssl_conf_command Ciphersuites {SUITES};
    ssl_conf_command NumTickets 1;
    ssl_ecdh_curve {GROUPS};
    ssl_prefer_server_ciphers on;
    ssl_session_tickets on;
    ssl_session_cache off;
  }}
}}
""")
    return ["-p", place.directory, "-e", "stderr", "-c", configuration]


def haproxy(place, port):
    # Nothing to splice: TLS is on one side of every connection.
    configuration = place.write("haproxy.cfg", f"""global
  nbthread 1
  maxconn {descriptors() // 2 - 100}
  ssl-default-bind-options ssl-min-ver TLSv1.2
  ssl-default-bind-ciphers {CIPHERS}
  ssl-default-bind-ciphersuites {SUITES}
  ssl-default-bind-curves {GROUPS}
  tune.bufsize {BUFFER}
  tune.ssl.default-dh-param 2048
defaults
  mode tcp
  timeout connect 10s
  timeout client 10m
  timeout server 10m
listen tls
  bind 127.0.0.1:{port} ssl crt {place.combined()} backlog 4096
  server backend 127.0.0.1:{place.backend_port}
""")
    return ["-db", "-f", configuration]


def hitch(place, port):
    # As root it insists on being told whom to be.
    user = 'user = "root"\ngroup = "root"\n' if os.getuid() == 0 else ""
    configuration = place.write("hitch.conf", f"""{user}daemon = off
workers = 1
backlog = 4096
log-level = 0
syslog = off
ocsp-dir = ""
frontend = {{
  host = "127.0.0.1"
  port = "{port}"
}}
backend = "[127.0.0.1]:{place.backend_port}"
pem-file = "{place.combined()}"
tls-protos = TLSv1.2 TLSv1.3
ciphers = "{CIPHERS}"
ciphersuites = "{SUITES}"
ecdh-curve = "{GROUPS}"
prefer-server-ciphers = on
""")
    return [f"--config={configuration}"]


def stunnel(place, port):
    # A thread per connection: Debian's build. Without TCP_NODELAY small messages would wait for the peer's ACK.
    configuration = place.write("stunnel.conf", f"""foreground = yes
pid =
debug = err
syslog = no
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
[tls]
accept = 127.0.0.1:{port}
connect = 127.0.0.1:{place.backend_port}
cert = {place.identity.certificate}
key = {place.identity.key}
sslVersionMin = TLSv1.2
ciphers = {CIPHERS}
ciphersuites = {SUITES}
curves = {GROUPS}
options = CIPHER_SERVER_PREFERENCE
config = NumTickets:1
TIMEOUTclose = 0
""")
    return [configuration]


def one_ticket(place):
    return {"OPENSSL_CONF": str(place.write("openssl.cnf", OPENSSL_SETTINGS))}


PEERS = {peer.name: peer for peer in (
    sallyport_echo("sallyport", "--api", "wait"),
    sallyport_echo("sallyport callbacks", "--api", "callbacks"),
    sallyport_echo("sallyport coroutines", "--api", "coroutines"),
    sallyport_echo("sallyport coroutines, executor", "--api", "coroutines-with-executor"),
    sallyport_echo("sallyport without budget", "--api", "callbacks", "--handshake-budget", "1000000"),
    sallyport_echo("1 thread", "--api", "callbacks", "--threads", "1"),
    sallyport_echo("2 threads", "--api", "callbacks", "--threads", "2"),
    sallyport_echo("4 threads", "--api", "callbacks", "--threads", "4"),
    sallyport_with_names("1 identity"),
    sallyport_with_names("100 identities"),
    sallyport_with_names("10000 identities"),
    echo_server("raw_epoll"),
    echo_server("asio_stream", "libboost1.81-dev", environment=one_ticket),
    echo_server("qt_echo", "libqt6network6", environment=one_ticket),
    echo_server("sallyport qt", program="sallyport_qt_echo"),
    Peer("tcp_echo", built("bench/tcp_echo"), lambda place, port: ["--listen", f"127.0.0.1:{port}"], tls=False),
    Peer("sallyport forward", built("sallyport"), forward, proxy=True),
    Peer("nginx", nginx_program, nginx, "nginx", own_port=False, proxy=True),
    Peer("haproxy", installed("haproxy", "haproxy"), haproxy, "haproxy", own_port=False, proxy=True,
         environment=one_ticket),
    Peer("hitch", installed("hitch", "hitch"), hitch, "hitch", own_port=False, proxy=True, environment=one_ticket),
    Peer("stunnel", installed("stunnel", "stunnel4"), stunnel, "stunnel4", own_port=False, proxy=True),
)}
