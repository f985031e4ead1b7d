# The same source on Qt's QSslServer and on ours tells the same, signal by signal, but for what docs/qt.md lists.
#
# SPDX-License-Identifier: Apache-2.0
"""
    QT_SCENARIOS, SALLYPORT_SCENARIOS   scenarios.cpp, compiled with Qt's class and with ours
    QT_FLOODS, SALLYPORT_FLOODS         floods.cpp, likewise
    QT_CLIENT                           client.cpp

With an argument such as "psk" only scenarios with it in their title.
"""

import concurrent.futures
import difflib
import os
import pathlib
import sys
import unittest

from certificates import CertificatesTest
from connections import WITH_TLS, WITHOUT_TLS, Connections
from floods import FLOODS, STALL, TIMEOUT, Flooded
from intended import INTENDED, differences_of
from traces import trace_of

# Milliseconds; a silent client has to wait for it, and nobody else comes near it.
HANDSHAKE_TIMEOUT = 300

PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs" / "qt.md"
WANTED = sys.argv[1] if len(sys.argv) > 1 else ""


def lines_of_difference(theirs, ours):
    """What `diff` would print, without its headings and what both have."""
    lines = difflib.unified_diff(theirs, ours, lineterm="", n=0)
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def stalls_qt(flood):
    """That it serves nobody after it is the only difference that a flood shows."""
    return bool(differences_of(flood.title, "any", "raw"))


class Differential(CertificatesTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.unknown = cls.certificates.self_signed("unknown")
        cls.connections = Connections(cls.certificates, cls.unknown, os.environ["QT_CLIENT"])

    def compare(self, scenario, version, client, connect, handshake_timeout):
        ca = self.unknown.certificate if scenario.is_stranger else self.certificates.ca
        theirs, ours = (trace_of(os.environ[program], scenario, version, self.certificates.ecdsa, ca, connect,
                                handshake_timeout)
                        for program in ("QT_SCENARIOS", "SALLYPORT_SCENARIOS"))
        # A trace without an end would compare as well.
        self.assertEqual("k.destroyed", theirs[-1])
        self.assertEqual("k.destroyed", ours[-1])
        self.assertEqual([line for _, line in differences_of(scenario.title, version, client)],
                         lines_of_difference(theirs, ours),
                         "\n".join(["Qt's:", *theirs, "", "Ours:", *ours]))

    def test_with_tls(self):
        for scenario in WITH_TLS:
            for version in ("1.2", "1.3"):
                for client in ("openssl", "qt"):
                    if WANTED not in scenario.title or not scenario.is_for(client):
                        continue
                    with self.subTest(scenario=scenario.title, version=version, client=client):
                        make = getattr(self.connections, client)
                        self.compare(scenario, version, client, lambda port, _: make(port, version, scenario.client),
                                     scenario.handshake_timeout)

    def test_without_tls(self):
        for scenario in WITHOUT_TLS:
            if WANTED not in scenario.title:
                continue
            with self.subTest(scenario=scenario.title):
                self.compare(scenario, "any", "raw",
                             lambda port, accepted: self.connections.raw(port, scenario.client, accepted),
                             HANDSHAKE_TIMEOUT)

    def test_floods(self):
        floods = [flood for flood in FLOODS if WANTED in flood.title]
        # Most of the time is spent with waiting for those that have stalled.
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            theirs = [pool.submit(self.flooded("QT_FLOODS", STALL if stalls_qt(flood) else TIMEOUT).trace, flood)
                      for flood in floods]
            ours = [pool.submit(self.flooded("SALLYPORT_FLOODS", TIMEOUT).trace, flood) for flood in floods]
        for flood, their, our in zip(floods, theirs, ours):
            with self.subTest(flood=flood.title):
                self.assertEqual([f"accepted {flood.count}", f"ended {flood.count}", "served True"], our.result())
                self.assertEqual([line for _, line in differences_of(flood.title, "any", "raw")],
                                 lines_of_difference(their.result(), our.result()))

    def flooded(self, program, patience):
        return Flooded(os.environ[program], self.certificates, HANDSHAKE_TIMEOUT, patience)

    def test_the_page_lists_each_difference(self):
        page = PAGE.read_text(encoding="utf-8")
        for name in sorted({name for lines in INTENDED.values() for name, _ in lines}):
            with self.subTest(difference=name):
                self.assertIn(f"`{name}`", page)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
