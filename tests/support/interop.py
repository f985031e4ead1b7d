# interop: what the tests of other people's clients share.
#
# SPDX-License-Identifier: Apache-2.0

import functools

VERSIONS = ("TLSv1.2", "TLSv1.3")
KEYS = ("ecdsa", "rsa")


def each_version_and_key(test):
    """Runs a test with each TLS version and each kind of server certificate: test(self, version, identity).

    For methods of a CertificatesTest.
    """

    @functools.wraps(test)
    def run(self):
        for version in VERSIONS:
            for key in KEYS:
                with self.subTest(version=version, key=key):
                    test(self, version, getattr(self.certificates, key))

    return run
