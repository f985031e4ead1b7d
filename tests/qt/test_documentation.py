# docs/qt.md: what it shows is compiled and run, by documentation_test.cpp, and the tests' names for differences are in
# its tables.
#
# SPDX-License-Identifier: Apache-2.0

import re
import textwrap
import unittest

from sallyport import repository

INCLUDE = "#include <sallyport/qt/QSslServer>"
FUNCTION = re.compile(r"^void \w+\([^)]*\) \{\n(.*?)^\}$", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^( *)```cpp\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| `([a-z0-9-]+)`", re.MULTILINE)


class Documentation(unittest.TestCase):
    def setUp(self):
        self.text = (repository() / "docs" / "qt.md").read_text()

    def test_what_is_shown_is_what_runs(self):
        source = (repository() / "tests" / "qt" / "documentation_test.cpp").read_text()
        shown = [textwrap.dedent(block).strip() for _, block in BLOCK.findall(self.text)]
        self.assertIn(INCLUDE, shown)
        self.assertIn(INCLUDE, source)
        runs = {textwrap.dedent(body).strip() for body in FUNCTION.findall(source)}
        for block in shown:
            if block != INCLUDE:
                self.assertIn(block, runs)
        # Every one of them has been called.
        for name in re.findall(r"^void (\w+)\(", source, re.MULTILINE):
            self.assertRegex(source, rf"\n +{name}\(\w+(, &?\w+)?\);")

    def test_each_difference_has_one_row(self):
        names = ROW.findall(self.text)
        self.assertGreater(len(names), 20)
        self.assertEqual(len(names), len(set(names)), sorted(names))

    def test_no_defect_of_the_contract_is_forgotten(self):
        told = set()
        for numbers in re.findall(r"^\| `[^|]*\(([\d, ]+)\)", self.text, re.MULTILINE):
            told |= {int(number) for number in numbers.split(", ")}
        self.assertEqual(told, set(range(1, 21)))


if __name__ == "__main__":
    unittest.main()
