# sallyport explain: the texts come from the command, and docs/failures.md is what it prints.
#
# SPDX-License-Identifier: Apache-2.0

import re
import unittest

from sallyport import repository, run


class Explain(unittest.TestCase):
    def answer(self, *arguments):
        finished = run("explain", *arguments)
        self.assertEqual((finished.returncode, finished.stderr), (0, ""))
        return finished.stdout

    def reasons(self):
        """The names of the library's enum, read from the header."""
        header = (repository() / "include/sallyport/error.hpp").read_text()
        enum = re.search(r"enum class handshake_error \{(.*?)\};", header, re.DOTALL).group(1)
        return re.findall(r"^ +(\w+)(?: = 1)?,", enum, re.MULTILINE)

    def test_lists_all_reasons(self):
        lines = self.answer().partition("\n\n")[0].splitlines()
        self.assertEqual([line.split()[0] for line in lines], self.reasons())
        self.assertTrue(all(re.fullmatch(r"\w+ {2,}[A-Z].*\.", line) for line in lines), lines)

    def test_explains_each(self):
        for reason in self.reasons():
            with self.subTest(reason):
                text = self.answer(reason)
                self.assertTrue(text.startswith(reason + "\n\n"), text)
                self.assertRegex(text, r"\nCause: \w")
                self.assertRegex(text, r"\nCure: \w")

    def test_the_page_in_the_documentation_is_its_output(self):
        page = (repository() / "docs/failures.md").read_text()
        self.assertEqual(page, self.answer("--markdown"), "write it with: sallyport explain --markdown >docs/failures.md")

    def test_links_to_the_page_lead_to_its_headings(self):
        headings = re.findall(r"^## (\w+)$", (repository() / "docs/failures.md").read_text(), re.MULTILINE)
        for page in sorted((repository() / "docs").glob("*.md")):
            for target in re.findall(r"\((?:failures\.md)?#(\w+)\)", page.read_text()):
                if page.name == "failures.md" or f"failures.md#{target}" in page.read_text():
                    self.assertIn(target, headings, page.name)

    def test_unknown_reason(self):
        for name, nearest in (("no_comon_version", "; did you mean no_common_version"), ("tls", "; did you mean not_tls"),
                              ("", " "), ("a\nb", " ")):
            with self.subTest(name):
                finished = run("explain", name)
                self.assertEqual((finished.returncode, finished.stdout), (2, ""))
                self.assertEqual(len(finished.stderr.splitlines()), 1, finished.stderr)
                self.assertRegex(finished.stderr, rf"^sallyport: .* is no reason{nearest}")

    # So that nobody is told to use an option that doesn't exist.
    def test_options_in_the_texts_exist(self):
        helps = run("echo", "--help").stdout + run("forward", "--help").stdout
        others = {"--cert", "--key", "--version", "--markdown"}  # curl's, and of the command itself
        for option in sorted(set(re.findall(r"`(--[a-z-]+)", self.answer("--markdown"))) - others):
            self.assertRegex(helps, rf"{option}\b(?!-)")


if __name__ == "__main__":
    unittest.main()
