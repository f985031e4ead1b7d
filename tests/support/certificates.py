# certificates: a CA and the certificates a test needs, made with the openssl command in a temporary directory.
#
# SPDX-License-Identifier: Apache-2.0
"""
    class Echo(CertificatesTest):
        def test_starts(self):
            with Server("echo", *self.certificates.ecdsa.options()) as server: ...
"""

import pathlib
import tempfile
import unittest

from programs import run_program

DEFAULT_NAMES = ("DNS:localhost", "IP:127.0.0.1", "IP:::1")
KEY_PARAMETERS = {
    "ecdsa": ("EC", "ec_paramgen_curve:P-256"),
    "rsa": ("RSA", "rsa_keygen_bits:2048"),
    "rsa-1024": ("RSA", "rsa_keygen_bits:1024"),  # too weak
}


class Identity:
    """A certificate file and its key file."""

    def __init__(self, certificate, key):
        self.certificate = certificate
        self.key = key

    def options(self):
        """The command's options that use it."""
        return ["--cert", str(self.certificate), "--key", str(self.key)]


class Certificates:
    """A directory with `ca` (the root's PEM file) and, for localhost, the identities `ecdsa` and `rsa`."""

    PASSPHRASE = "open sesame"

    def __init__(self):
        self._temporary = tempfile.TemporaryDirectory(prefix="sallyport-test-")
        self.directory = pathlib.Path(self._temporary.name)
        self.ca = self.directory / "ca.pem"
        self._ca_key = self.directory / "ca.key"
        self._openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self._ca_key)
        self._openssl("req", "-x509", "-new", "-key", self._ca_key, "-subj", "/CN=Sallyport Test CA", "-days", "30",
                      "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out", self.ca)
        self.ecdsa = self.issue("ecdsa", algorithm="ecdsa")
        self.rsa = self.issue("rsa", algorithm="rsa")

    def remove(self):
        self._temporary.cleanup()

    def path(self, name):
        return self.directory / name

    def write(self, name, content):
        """A file in the directory with this text or these bytes."""
        path = self.path(name)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def issue(self, name, algorithm="ecdsa", names=DEFAULT_NAMES, validity=None, purposes="serverAuth,clientAuth"):
        """A certificate signed by the CA. `validity` is a pair such as ("20200101000000Z", "20200201000000Z")."""
        identity = Identity(self.path(f"{name}.pem"), self.path(f"{name}.key"))
        self._make_key(identity.key, algorithm)
        request, extensions = self.path(f"{name}.csr"), self.path(f"{name}.ext")
        extensions.write_text("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
                              f"extendedKeyUsage={purposes}\nsubjectAltName=" + ",".join(names) + "\n")
        self._openssl("req", "-new", "-key", identity.key, "-subj", f"/CN={name}", "-out", request)
        if validity is None:
            self._openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self._ca_key, "-CAcreateserial",
                          "-days", "30", "-extfile", extensions, "-out", identity.certificate)
        else:
            self._issue_with_dates(request, extensions, identity.certificate, *validity)
        return identity

    def self_signed(self, name):
        identity = Identity(self.path(f"{name}.pem"), self.path(f"{name}.key"))
        self._make_key(identity.key, "ecdsa")
        self._openssl("req", "-x509", "-new", "-key", identity.key, "-subj", f"/CN={name}", "-days", "30",
                      "-addext", "basicConstraints=critical,CA:FALSE", "-out", identity.certificate)
        return identity

    def expired(self):
        return self.issue("expired", validity=("20200101000000Z", "20200201000000Z"))

    def revocation_list(self, name, *revoked, validity=None):
        """The CA's list, with these identities on it. `validity` is a pair as in issue()."""
        configuration, path = self._database(name), self.path(f"{name}.crl")
        for identity in revoked:
            self._openssl("ca", *self._as_ca(configuration), "-revoke", identity.certificate)
        dates = ("-crldays", "30") if validity is None else ("-crl_lastupdate", validity[0],
                                                             "-crl_nextupdate", validity[1])
        self._openssl("ca", *self._as_ca(configuration), "-gencrl", *dates, "-out", path)
        return path

    def ocsp_response(self, name, identity, revoked=False):
        """What the CA's responder says about an identity: that it is good, or revoked. DER, for a week."""
        configuration, request, path = self._database(name), self.path(f"{name}.req"), self.path(f"{name}.der")
        self._openssl("ca", *self._as_ca(configuration), "-revoke" if revoked else "-valid", identity.certificate)
        self._openssl("ocsp", "-issuer", self.ca, "-cert", identity.certificate, "-no_nonce", "-reqout", request)
        self._openssl("ocsp", "-index", self.path(f"{name}.db"), "-CA", self.ca, "-rsigner", self.ca, "-rkey",
                      self._ca_key, "-reqin", request, "-ndays", "7", "-respout", path)
        return path

    def encrypted(self):
        """The ecdsa identity with its key encrypted by PASSPHRASE."""
        key = self.path("encrypted.key")
        self._openssl("pkcs8", "-topk8", "-in", self.ecdsa.key, "-out", key, "-v2", "aes-256-cbc",
                      "-passout", "pass:" + self.PASSPHRASE)
        return Identity(self.ecdsa.certificate, key)

    def passphrase_file(self, text=PASSPHRASE + "\n"):
        return self.write("passphrase", text)

    def _make_key(self, path, algorithm):
        parameters = KEY_PARAMETERS[algorithm]
        self._openssl("genpkey", "-algorithm", parameters[0], "-pkeyopt", parameters[1], "-out", path)
        path.chmod(0o600)

    def _database(self, name):
        """A configuration for `openssl ca`, with an empty database."""
        database = self.write(f"{name}.db", "")
        return self.write(f"{name}.cnf", f"[ca]\ndefault_ca=d\n[d]\ndatabase={database}\n"
                          f"new_certs_dir={self.directory}\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n"
                          "[p]\ncommonName=supplied\n")

    def _as_ca(self, configuration):
        return "-batch", "-config", configuration, "-cert", self.ca, "-keyfile", self._ca_key

    def _issue_with_dates(self, request, extensions, certificate, start, end):
        # `openssl x509` of OpenSSL 3.0 can't set the start; `openssl ca` can, at the price of a database.
        configuration = self._database("ca")
        self._openssl("ca", *self._as_ca(configuration), "-notext",
                      "-in", request, "-extfile", extensions, "-startdate", start, "-enddate", end,
                      "-out", certificate)

    def _openssl(self, *arguments):
        run_program("openssl", *arguments)


class CertificatesTest(unittest.TestCase):
    """A test case whose `certificates` are made once."""

    @classmethod
    def setUpClass(cls):
        cls.certificates = Certificates()
        cls.addClassCleanup(cls.certificates.remove)
