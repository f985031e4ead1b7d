# plan: which figures there are, with which peers, and what each has to reach.
#
# SPDX-License-Identifier: Apache-2.0

from figures import Fairness, IdleMemory, Names, NamesLoading, Rate, Target, Threads, at_least, at_most

LIMITS = ("in_memory", "tcp_echo")  # not peers: what can't be surpassed
CONTROLS = ("2 processes", "4 processes")  # what the machine does to more than one thread


def without(names, name):
    return tuple(other for other in names if other != name)


HANDSHAKE_PEERS = ("sallyport", "sallyport callbacks", "raw_epoll", "asio_stream", "qt_echo", "in_memory")
# Each socket of Qt has keys of its own for tickets: it never resumes.
RESUMING_PEERS = without(HANDSHAKE_PEERS, "qt_echo")
ECHO_PEERS = ("sallyport callbacks", "sallyport", "sallyport coroutines", "sallyport coroutines, executor",
              "raw_epoll", "asio_stream", "qt_echo", "in_memory", "tcp_echo")
SHORT_ECHO_PEERS = tuple(name for name in ECHO_PEERS if "coroutines" not in name)
BULK_PEERS = ("sallyport", "sallyport callbacks", "raw_epoll", "asio_stream", "qt_echo", "in_memory", "tcp_echo")
# The same source on our Qt module and on Qt's own class; the last tells what Qt's event loop and device cost.
QT_PEERS = ("sallyport qt", "qt_echo", "sallyport callbacks")
PROXIES = ("sallyport forward", "nginx", "haproxy", "hitch", "stunnel")
RIVALS = ("nginx", "haproxy", "hitch")  # the best of these is to be reached

THREADS = ("1 thread", "2 threads", "2 processes", "4 threads", "4 processes")

HANDSHAKES = "handshakes per CPU second"
ECHOES = "echoes per CPU second"
BULK = "MiB per CPU second, each there and back"
MICROSECONDS = "µs of CPU per operation"
MEMORY = "KiB per connection"


def handshake(name, title, targets=(), **how):
    return Rate(name, title, HANDSHAKES, "library", HANDSHAKE_PEERS, targets, mode="handshake", **how)


def resume(name, title, targets, **how):
    return Rate(name, title, HANDSHAKES, "library", RESUMING_PEERS, targets, mode="resume", **how)


def echo(name, title, size, targets=(), peers=ECHO_PEERS):
    return Rate(name, title, ECHOES, "library", peers, targets, size=size)


def qt(name, title, unit, targets=(), peers=QT_PEERS, **how):
    return Rate(name, title, unit, "qt", peers, targets, **how)


def forward(name, title, unit, bound, **how):
    return Rate(name, title, unit, "forward", PROXIES, (at_least(bound, *RIVALS),), **how)


FIGURES = (
    handshake("handshake", "Full handshakes, TLS 1.3, ECDSA P-256",
              (at_least(0.85, "in_memory"), at_least(0.95, "raw_epoll"))),
    handshake("handshake-rsa", "Full handshakes, TLS 1.3, RSA 2048", (at_least(0.85, "in_memory"),), identity="rsa"),
    handshake("handshake-1.2", "Full handshakes, TLS 1.2, ECDSA P-256", tls="1.2"),
    handshake("handshake-1.2-rsa", "Full handshakes, TLS 1.2, RSA 2048", tls="1.2", identity="rsa"),
    resume("resume", "Resumed handshakes, TLS 1.3", (at_least(0.85, "in_memory"),)),
    resume("resume-1.2", "Resumed handshakes, TLS 1.2", (at_least(0.45, "in_memory"),), tls="1.2"),
    echo("echo-64", "Echoes of 64 bytes", 64, (at_least(0.92, "raw_epoll"), at_least(1.25, "asio_stream"))),
    echo("echo-1k", "Echoes of 1 KiB", 1024, peers=SHORT_ECHO_PEERS),
    echo("echo-16k", "Echoes of 16 KiB", 16384, peers=SHORT_ECHO_PEERS),
    Rate("bulk", "Bulk", BULK, "library", BULK_PEERS, (at_least(0.95, "raw_epoll"), at_least(1.5, "asio_stream")),
         mode="bulk", size=1 << 20, connections=8),
    IdleMemory("idle", "Memory of an idle connection", MEMORY, "library",
               ("sallyport", "raw_epoll", "asio_stream", "qt_echo"), (at_most(15.5),)),
    Names("names", "Full handshakes with many names", HANDSHAKES, "names",
          ("1 identity", "100 identities", "10000 identities"),
          (Target(0.95, ("1 identity",), "10000 identities"),), mode="handshake"),
    NamesLoading("names-load", "Loading 10000 identities", "seconds of CPU", "names",
                 ("identities from files", "a context with them")),
    Threads("threads-handshake", "Full handshakes on several cores", MICROSECONDS, "cores",
            THREADS,
            (at_most(1.08, "2 threads", ("1 thread",)), at_most(1.08, "4 threads", ("1 thread",))), mode="handshake"),
    Threads("threads-echo", "Echoes of 64 bytes on several cores", MICROSECONDS, "cores",
            THREADS,
            (at_most(1.08, "2 threads", ("1 thread",)), at_most(1.08, "4 threads", ("1 thread",))), size=64),
    Fairness("fairness", "Latency of an echo beside handshakes", "µs, 99th percentile", "fairness",
             ("quiet", "with handshakes", "without budget"),
             (at_most(3, "with handshakes", ("quiet",)),)),
    Fairness("fairness-open", "The same at a fixed rate of echoes", "µs, 99th percentile", "fairness",
             ("quiet", "with handshakes", "without budget"), rate=5000),
    forward("forward-handshake", "Full handshakes, TLS 1.3, ECDSA P-256", HANDSHAKES, 1.0, mode="handshake"),
    forward("forward-resume", "Resumed handshakes, TLS 1.3", HANDSHAKES, 1.0, mode="resume"),
    forward("forward-echo-64", "Echoes of 64 bytes", ECHOES, 1.2, size=64),
    forward("forward-echo-16k", "Echoes of 16 KiB", ECHOES, 1.0, size=16384),
    forward("forward-bulk", "Bulk", BULK, 1.1, mode="bulk", size=1 << 20, connections=8),
    IdleMemory("forward-idle", "Memory of an idle connection", MEMORY, "forward",
               ("sallyport forward", "nginx", "haproxy", "hitch"), (at_most(16),)),
    qt("qt-handshake", "Full handshakes, TLS 1.3, ECDSA P-256", HANDSHAKES, (at_least(1.8, "qt_echo"),),
       mode="handshake"),
    qt("qt-resume", "Resumed handshakes, TLS 1.3", HANDSHAKES, peers=without(QT_PEERS, "qt_echo"), mode="resume"),
    qt("qt-echo-64", "Echoes of 64 bytes", ECHOES, (at_least(1.2, "qt_echo"),), size=64),
    qt("qt-echo-16k", "Echoes of 16 KiB", ECHOES, size=16384),
    qt("qt-bulk", "Bulk", BULK, mode="bulk", size=1 << 20, connections=8),
    IdleMemory("qt-idle", "Memory of an idle connection", MEMORY, "qt", ("sallyport qt", "qt_echo", "sallyport")),
)

GROUPS = {
    "library": "The library",
    "names": "Many names",
    "cores": "Several cores",
    "fairness": "Fairness",
    "forward": "`sallyport forward`",
    "qt": "The Qt module",
}
