# --version and --help answer on standard output, and nothing else happens.
#
# SPDX-License-Identifier: Apache-2.0

import re
import unittest

from sallyport import run

COMMON_OPTIONS = """
    --listen --cert --key --self-signed --passphrase-file --handshake-timeout --max-handshakes
    --max-handshakes-per-address --max-pending-connections --shutdown-timeout --threads --alpn --profile --log-level
    --log-format
""".split()


class Version(unittest.TestCase):
    def answer(self, *arguments):
        finished = run(*arguments)
        self.assertEqual((finished.returncode, finished.stderr), (0, ""))
        return finished.stdout

    def test_version_tells_ours_and_both_of_openssl(self):
        lines = self.answer("--version").splitlines()
        self.assertRegex(lines[0], r"^sallyport \d+\.\d+\.\d+\S*$")
        openssl = [re.search(r"OpenSSL 3\.\d+\.\d+", line) for line in lines[1:]]
        self.assertEqual([bool(match) for match in openssl], [True, True], lines)

    def test_help_names_both_commands(self):
        answer = self.answer("--help")
        self.assertIn("echo", answer)
        self.assertIn("forward", answer)

    def test_help_of_a_command_names_every_option(self):
        for mode, options in (("echo", COMMON_OPTIONS), ("forward", [*COMMON_OPTIONS, "--to", "--connect-timeout"])):
            with self.subTest(mode):
                answer = self.answer(mode, "--help")
                self.assertEqual([option for option in options if not re.search(rf"{option}\b(?!-)", answer)], [])


if __name__ == "__main__":
    unittest.main()
