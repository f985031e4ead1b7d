# docs/contract.md: no documented name of QSslServer is missing, no row is without a test, and every test exists.
#
# SPDX-License-Identifier: Apache-2.0

import re
import unittest

from sallyport import repository

# Every name that the C++ page of QSslServer documents; the page of PySide6 has the same.
QSSLSERVER = """QSslServer ~QSslServer handshakeTimeout setHandshakeTimeout setSslConfiguration sslConfiguration
    alertReceived alertSent errorOccurred handshakeInterruptedOnError peerVerifyError
    preSharedKeyAuthenticationRequired sslErrors startedEncryptionHandshake incomingConnection""".split()

# What it inherits from QTcpServer.
QTCPSERVER = """listen close isListening setMaxPendingConnections maxPendingConnections setListenBacklogSize
    listenBacklogSize serverPort serverAddress socketDescriptor setSocketDescriptor waitForNewConnection
    hasPendingConnections nextPendingConnection serverError errorString pauseAccepting resumeAccepting setProxy proxy
    addPendingConnection newConnection pendingConnectionAvailable acceptError""".split()

DEFECTS = range(1, 21)

# The programs of tests/CMakeLists.txt, and where their sources are.
PROGRAMS = {
    "unit_tls": "unit/*_test.cpp",
    "unit_net": "unit/net_*_test.cpp",
    "unit_tool": "unit/tool_*_test.cpp",
    "integration": "integration/*_test.cpp",
    "contract": "contract/*_test.cpp",
}
PYTHON = ("interop", "tools", "load")

TEST = re.compile(r"^(TEST|TEST_F|TEST_P)\(\s*(\w+),\s*(\w+)\s*\)", re.MULTILINE)
INSTANTIATION = re.compile(r"^INSTANTIATE_TEST_SUITE_P\(\s*(\w+),\s*(\w+)", re.MULTILINE)
TEST_NAME = re.compile(rf"`((?:{'|'.join((*PROGRAMS, *PYTHON))})\.[\w./]+)`")


def names_of_program(program, pattern):
    """As ctest has them, without the endings of parameters."""
    text = "\n".join(file.read_text() for file in sorted((repository() / "tests").glob(pattern)))
    prefixes = {}
    for prefix, suite in INSTANTIATION.findall(text):
        prefixes.setdefault(suite, []).append(prefix + "/")
    return {
        f"{program}.{prefix}{suite}.{test}"
        for kind, suite, test in TEST.findall(text)
        for prefix in (prefixes.get(suite, []) if kind == "TEST_P" else [""])
        if not test.startswith("DISABLED_")
    }


def all_test_names():
    names = set()
    for program, pattern in PROGRAMS.items():
        names |= names_of_program(program, pattern)
    for label in PYTHON:
        names |= {f"{label}.{file.stem}" for file in (repository() / "tests" / label).glob("test_*.py")}
    return names


def cells(line):
    return [cell.strip() for cell in line.strip("|\n").split("|")]


class ContractTable(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.page = (repository() / "docs/contract.md").read_text()
        cls.tests = all_test_names()

    def sections(self):
        """The rows of each table, by its heading."""
        for section in re.split(r"^##+ ", self.page, flags=re.MULTILINE)[1:]:
            heading, _, text = section.partition("\n")
            rows = [cells(line) for line in text.splitlines() if line.startswith("|")]
            yield heading, rows[2:]

    def rows(self, heading):
        return dict(self.sections())[heading]

    def test_the_sources_are_found(self):
        for program in PROGRAMS:
            self.assertTrue(any(name.startswith(program + ".") for name in self.tests), program)

    def test_every_test_that_is_named_exists(self):
        named = TEST_NAME.findall(self.page)
        self.assertGreater(len(named), 100)
        self.assertEqual([name for name in named if name not in self.tests], [])

    def test_the_last_column_holds_nothing_but_tests(self):
        for heading, rows in self.sections():
            if heading == "Without a counterpart, on purpose":
                continue
            for row in rows:
                with self.subTest(heading, row=row[0]):
                    self.assertEqual(TEST_NAME.sub("", row[-1]).strip(", "), "")
                    self.assertRegex(row[-1], TEST_NAME)

    def test_every_name_of_qsslserver_has_a_row(self):
        first_column = " ".join(row[0] for row in self.rows("QSslServer"))
        for name in QSSLSERVER:
            self.assertRegex(first_column, rf"`{name}\(", name)

    def test_every_inherited_name_has_a_row(self):
        rows = self.rows("QTcpServer, as QSslServer inherits it") + self.rows("Without a counterpart, on purpose")
        first_column = " ".join(row[0] for row in rows)
        for name in QTCPSERVER:
            self.assertRegex(first_column, rf"`{name}\(", name)

    def test_every_counterpart_is_in_a_header(self):
        headers = " ".join(file.read_text() for file in (repository() / "include/sallyport").glob("*.hpp"))
        for heading, rows in self.sections():
            for row in rows:
                if len(row) < 3:
                    continue
                for code in re.findall(r"`([^`]+)`", row[1]):
                    for name in re.findall(r"\w+", code):
                        if name in ("asio", "io_context", "SSL_CTX"):
                            continue
                        self.assertRegex(headers, rf"\b{name}\b", f"{heading}: {row[0]}")

    def test_every_defect_has_a_row(self):
        rows = self.rows("Defects that this server doesn't have")
        self.assertEqual([int(re.match(r"\d+", row[0]).group()) for row in rows], list(DEFECTS))
        for number, row in zip(DEFECTS, rows):
            self.assertIn(f"defect_{number:02}_", row[-1])

    def test_every_test_of_a_scenario_or_a_defect_is_named(self):
        named = set(TEST_NAME.findall(self.page))
        for name in sorted(self.tests):
            if re.match(r"contract\.(\w+/)?(signal_order\w*|defect\w*|failing_clients)\.", name):
                self.assertIn(name, named)


if __name__ == "__main__":
    unittest.main()
