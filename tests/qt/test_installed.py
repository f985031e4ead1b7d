# The installed package: other projects find it, and a program written with Qt's QSslServer builds against the Qt module
# by another include and no other change.
#
# SPDX-License-Identifier: Apache-2.0

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from certificates import Certificates
from programs import clean_environment
from sallyport import SANITIZER_REPORT, command, repository

SANITIZE = os.environ.get("SALLYPORT_SANITIZE", "")
TIMEOUT = 170 * (3 if SANITIZE else 1)

CORE_PROJECT = """
cmake_minimum_required(VERSION 3.25)
project(core LANGUAGES CXX)
find_package(sallyport CONFIG REQUIRED)
add_executable(core core.cpp)
target_link_libraries(core PRIVATE sallyport::sallyport)
"""
CORE_PROGRAM = """
#include <sallyport/identity.hpp>
#include <cstdio>
int main() { std::puts(sallyport::identity::self_signed({"localhost"}).value().certificate_pem().c_str()); }
"""
FINDS = """
cmake_minimum_required(VERSION 3.25)
project(finds LANGUAGES CXX)
find_package(sallyport CONFIG {})
foreach(target sallyport::sallyport sallyport::qt)
  if(TARGET ${{target}})
    message(STATUS "there is ${{target}}")
  endif()
endforeach()
"""


def cmake(*arguments):
    return subprocess.run([shutil.which("cmake"), *map(str, arguments)], env=clean_environment(),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT)


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory(prefix="sallyport-test-")
        cls.addClassCleanup(temporary.cleanup)
        cls.directory = pathlib.Path(temporary.name)
        cls.prefix = cls.directory / "prefix"
        built = pathlib.Path(command()).parent
        installed = cmake("--install", built, "--prefix", cls.prefix)
        assert installed.returncode == 0, installed.stdout
        cache = (built / "CMakeCache.txt").read_text()
        cls.certificates = Certificates()
        cls.addClassCleanup(cls.certificates.remove)
        cls.identity = cls.certificates.ecdsa
        cls.compiler = re.search(r"^CMAKE_CXX_COMPILER:\w+=(.*)$", cache, re.MULTILINE).group(1)

    def configure(self, source, *options, prefix=None):
        """What CMake says about a project, and where it was to be built."""
        build = source.with_name(source.name + "-build")
        # Whoever links a library with a sanitizer needs its runtime.
        flags = [f"-DCMAKE_CXX_FLAGS=-fsanitize={SANITIZE}"] if SANITIZE else []
        return build, cmake("-G", "Ninja", "-S", source, "-B", build, f"-DCMAKE_CXX_COMPILER={self.compiler}",
                            f"-DCMAKE_PREFIX_PATH={prefix or self.prefix}", *flags, *options)

    def build(self, source, *options):
        build, configured = self.configure(source, *options)
        self.assertEqual(configured.returncode, 0, configured.stdout)
        compiled = cmake("--build", build, "--parallel", "2")
        self.assertEqual(compiled.returncode, 0, compiled.stdout)
        self.assertNotIn("warning", compiled.stdout)
        return build

    def run_program(self, *arguments):
        finished = subprocess.run([str(argument) for argument in arguments], env=clean_environment(),
                                  capture_output=True, text=True, timeout=TIMEOUT)
        self.assertEqual(finished.returncode, 0, finished.stdout + finished.stderr)
        self.assertIsNone(SANITIZER_REPORT.search(finished.stderr), finished.stderr)
        return finished.stdout

    def without_the_module(self):
        """The prefix as it is when the library was built without SALLYPORT_BUILD_QT."""
        prefix = self.directory / "without-qt"
        if not prefix.exists():
            shutil.copytree(self.prefix, prefix, symlinks=True)
            removed = [file for file in prefix.rglob("sallyport-qt-targets*.cmake")]
            self.assertTrue(removed)
            for file in removed:
                file.unlink()
        return prefix

    def finds(self, what, *options, prefix=None):
        source = pathlib.Path(tempfile.mkdtemp(dir=self.directory))
        (source / "CMakeLists.txt").write_text(FINDS.format(what))
        _, configured = self.configure(source, *options, prefix=prefix)
        return configured.returncode == 0, " ".join(configured.stdout.split())

    def output_of_the_existing_project(self, name, *options, include=None):
        copy = self.directory / name
        shutil.copytree(repository() / "tests" / "qt" / "existing_project", copy)
        if include is not None:
            header = copy / "line_server.h"
            text = header.read_text()
            self.assertEqual(text.count("#include <QSslServer>"), 1)
            header.write_text(text.replace("#include <QSslServer>", f"#include <{include}>"))
        program = self.build(copy, *options) / "line_server"
        self.assertEqual(b"9sallyport2qt" in program.read_bytes(), "-DTLS=sallyport::qt" in options)
        return self.run_program(program, self.identity.certificate, self.identity.key, self.certificates.ca)

    def test_code_for_qsslserver_needs_one_other_include(self):
        qts = self.output_of_the_existing_project("with-qt")
        self.assertEqual(qts.splitlines(), [
            "incoming", "started", "errors: The peer did not present any certificate", "pending"])
        ours = "-DTLS=sallyport::qt"
        self.assertEqual(self.output_of_the_existing_project("one-include", ours, include="sallyport/qt/QSslServer"), qts)
        self.assertEqual(self.output_of_the_existing_project("precompiled", ours, "-DPRECOMPILED=ON"), qts)

    def test_the_library_alone_needs_no_qt(self):
        source = self.directory / "core"
        source.mkdir()
        (source / "CMakeLists.txt").write_text(CORE_PROJECT)
        (source / "core.cpp").write_text(CORE_PROGRAM)
        build = self.build(source, "-DCMAKE_DISABLE_FIND_PACKAGE_Qt6=ON")
        self.assertIn("BEGIN CERTIFICATE", self.run_program(build / "core"))
        self.assertNotIn("Qt6_DIR", (build / "CMakeCache.txt").read_text())

    def test_components(self):
        found, said = self.finds("REQUIRED COMPONENTS qt")
        self.assertTrue(found, said)
        self.assertIn("there is sallyport::qt", said)
        found, said = self.finds("REQUIRED")
        self.assertTrue(found, said)
        self.assertIn("there is sallyport::sallyport", said)
        self.assertNotIn("there is sallyport::qt", said)

        found, said = self.finds("REQUIRED COMPONENTS qt", prefix=self.without_the_module())
        self.assertFalse(found, said)
        self.assertIn('The component "qt" isn\'t installed here: build and install Sallyport with '
                      "-DSALLYPORT_BUILD_QT=ON.", said)
        found, said = self.finds("REQUIRED OPTIONAL_COMPONENTS qt", prefix=self.without_the_module())
        self.assertTrue(found, said)
        self.assertIn("there is sallyport::sallyport", said)

        found, said = self.finds("REQUIRED COMPONENTS qt", "-DCMAKE_DISABLE_FIND_PACKAGE_Qt6=ON")
        self.assertFalse(found, said)
        self.assertIn('The component "qt" needs Qt 6.4 or later', said)
        found, said = self.finds("REQUIRED COMPONENTS quick")
        self.assertFalse(found, said)
        self.assertIn('There is no component "quick"; the only one is "qt".', said)


if __name__ == "__main__":
    unittest.main()
