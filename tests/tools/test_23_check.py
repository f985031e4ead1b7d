# check: reads what echo or forward would read, says what is there, and fails in the same words.
#
# SPDX-License-Identifier: Apache-2.0

import datetime
import json
import subprocess
import re
import shutil
import unittest

from certificates import CertificatesTest
from sallyport import Server, run


def day_of(arguments, pattern):
    """A day that the openssl command tells of a file."""
    text = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=True).stdout
    told = re.search(pattern, text).group(1).strip()
    return datetime.datetime.strptime(told, "%b %d %H:%M:%S %Y GMT").date().isoformat()


class Check(CertificatesTest):
    def check(self, *options):
        finished = run("check", *options)
        self.assertEqual(finished.returncode, 0, finished.stderr)
        return finished

    def test_what_is_there(self):
        ecdsa = self.certificates.ecdsa
        other = self.certificates.issue("other", names=("DNS:other.example", "DNS:*.other.example", "IP:192.0.2.1"))
        finished = self.check(*ecdsa.options(), *other.options())
        self.assertEqual(finished.stderr, "")
        ends = day_of(["x509", "-in", ecdsa.certificate, "-noout", "-enddate"], "notAfter=(.*)")
        self.assertEqual(
            finished.stdout,
            f"certificate {ecdsa.certificate}\n"
            "  names        localhost\n"
            "  issuer       CN=Sallyport Test CA\n"
            "  key          EC P-256\n"
            f"  ends         {ends}\n"
            "  days_left    29\n"
            "  default      yes\n"
            f"certificate {other.certificate}\n"
            "  names        other.example, *.other.example\n"
            "  issuer       CN=Sallyport Test CA\n"
            "  key          EC P-256\n"
            f"  ends         {ends}\n"
            "  days_left    29\n"
            "clients\n"
            "  verify       none\n",
        )

    def test_clients(self):
        keys = self.certificates.write("check.psk", "alice:" + "00" * 16 + "\n")
        keys.chmod(0o600)
        finished = self.check(*self.certificates.rsa.options(), "--client-ca", self.certificates.ca, "--psk-file", keys,
                              "--allow", "cn=alice", "--allow", "dns=*.example.com",
                              "--for", "open.example,*.open.example", "--client-verify", "none", "--alpn", "h2,http/1.1")
        self.assertIn("  key          RSA 2048\n", finished.stdout)
        self.assertEqual(
            finished.stdout[finished.stdout.index("clients\n"):],
            "clients\n"
            "  verify       verify\n"
            "  client_cas   1\n"
            "  allow        cn=alice, dns=*.example.com\n"
            "  psk          1\n"
            "for open.example, *.open.example\n"
            "  verify       none\n"
            "  alpn         h2, http/1.1\n",
        )

    def test_lists_and_stapled_responses(self):
        crl = self.certificates.revocation_list("check")
        chain = self.certificates.write("chain.pem", self.certificates.rsa.certificate.read_bytes() +
                                        self.certificates.ca.read_bytes())
        response = self.certificates.ocsp_response("check", self.certificates.rsa)
        finished = self.check(*self.certificates.ecdsa.options(), "--cert", chain, "--key", self.certificates.rsa.key,
                              "--ocsp-response", response, "--client-ca", self.certificates.ca, "--crl", crl)
        first, second = finished.stdout.split("certificate ")[1:]
        day = day_of(["ocsp", "-respin", response, "-noverify", "-resp_text"], "Next Update: (.*)")
        self.assertNotIn("ocsp_until", first)
        self.assertRegex(second, rf"  ocsp_until   {day} \d\d:\d\d UTC\n")
        self.assertRegex(second, r"  crls         1\n  crl_until    \d{4}-\d\d-\d\d \d\d:\d\d UTC\n")

    def test_json(self):
        finished = self.check(*self.certificates.ecdsa.options(), "--log-format", "json")
        lines = [json.loads(line) for line in finished.stdout.splitlines()]
        self.assertEqual([line["msg"] for line in lines], ["certificate", "clients"])
        self.assertEqual(lines[0]["name"], str(self.certificates.ecdsa.certificate))
        self.assertEqual(lines[0]["days_left"], 29)
        self.assertIs(lines[0]["default"], True)

    def test_warnings(self):
        expired = self.certificates.expired()
        soon = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=9, hours=1))
        ending = self.certificates.issue("ending", names=("DNS:ending.example",), validity=("20260101000000Z", soon.strftime("%Y%m%d%H%M%SZ")))
        for options in ((), ("--log-format", "json")):
            finished = self.check(*expired.options(), *ending.options(), *options)
            lines = finished.stderr.splitlines()
            self.assertEqual(len(lines), 2, lines)
            self.assertRegex(lines[0], r"expired\.pem.*2020-02-01")
            self.assertRegex(lines[1], rf"ending\.pem: the certificate ends in 9 days, on {soon:%Y-%m-%d}")
        # A start tells the same.
        with Server("echo", *expired.options(), *ending.options()) as server:
            warnings = [line for line in server.log if " warning " in line]
            self.assertEqual(len(warnings), 2, warnings)
            self.assertIn(f"ending.pem: the certificate ends in 9 days, on {soon:%Y-%m-%d}", warnings[1])

    def test_many_that_end_soon(self):
        soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=2, hours=1)
        ending = self.certificates.issue("ending-too", validity=("20260101000000Z", soon.strftime("%Y%m%d%H%M%SZ")))
        directory = self.certificates.path("many")
        directory.mkdir()
        for number in range(12):
            shutil.copy(ending.certificate, directory / f"{number:02}.pem")
            shutil.copy(ending.key, directory / f"{number:02}.key")
        told = [line for line in self.check("--cert", directory).stderr.splitlines() if " end" in line]
        self.assertEqual(len(told), 11, told)
        self.assertRegex(told[0], r"/00\.pem: the certificate ends in 2 days, on ")
        self.assertEqual(told[-1], "warning: 2 more certificates end within 14 days")

    def test_the_same_words_as_at_the_start(self):
        certificates, ecdsa = self.certificates, self.certificates.ecdsa
        bad = (
            ["--cert", certificates.path("missing.pem"), "--key", ecdsa.key],
            ["--cert", ecdsa.certificate, "--key", certificates.rsa.key],
            ["--cert", ecdsa.certificate],
            [*ecdsa.options(), "--client-ca", certificates.write("empty.pem", "")],
            [*ecdsa.options(), "--psk-file", certificates.write("bad.psk", "alice")],
            [*ecdsa.options(), "--groups", "no-such-group"],
            [*ecdsa.options(), "--ticket-secret", certificates.write("short.secret", "short")],
            [*ecdsa.options(), "--client-ca", certificates.ca, "--allow", "cn"],
            [*ecdsa.options(), "--for", "not a name", "--alpn", "h2"],
            [*certificates.encrypted().options()],
        )
        for options in bad:
            with self.subTest(options=options):
                checked = run("check", *options)
                self.assertEqual(checked.returncode, 2)
                self.assertEqual(checked.stdout, "")
                self.assertEqual(len(checked.stderr.splitlines()), 1, checked.stderr)
                started = run("echo", "--listen", "127.0.0.1:0", *options)
                self.assertEqual((started.returncode, started.stderr), (checked.returncode, checked.stderr))

    def test_what_only_serving_needs_is_looked_at(self):
        good = self.certificates.ecdsa.options()
        self.check(*good, "--listen", "*:443", "--to", "127.0.0.1:80", "--threads", "4", "--watch", "10s")
        for options, named in ((["--listen", "nowhere"], "--listen"), (["--to", "127.0.0.1"], "--to"),
                               (["--threads", "0"], "--threads"), (["--handshake-timeout", "5"], "--handshake-timeout")):
            finished = run("check", *good, *options)
            self.assertEqual(finished.returncode, 2)
            self.assertTrue(re.match(rf"sallyport: {named}: ", finished.stderr), finished.stderr)

    def test_nothing_is_served(self):
        # A port that is taken is none of its business.
        with Server("echo", *self.certificates.ecdsa.options()) as server:
            self.check(*self.certificates.ecdsa.options(), "--listen", server.address)


if __name__ == "__main__":
    unittest.main()
