# curl as the client, through `sallyport forward` to a plain HTTP server.
#
# SPDX-License-Identifier: Apache-2.0

import hashlib
import http.server
import os
import subprocess
import threading
import unittest

from certificates import CertificatesTest
from interop import each_version_and_key
from programs import clean_environment, program
from sallyport import Server

BODY = os.urandom(1 << 20) * 6
CURL_VERSIONS = {"TLSv1.2": ("--tlsv1.2", "--tls-max", "1.2"), "TLSv1.3": ("--tlsv1.3",)}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        if self.path == "/until-close":
            # No length: the body ends with the connection, so only close_notify tells that it is complete.
            self.send_header("Connection", "close")
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def do_POST(self):
        digest = hashlib.sha256(self.rfile.read(int(self.headers["Content-Length"]))).hexdigest().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(digest)))
        self.end_headers()
        self.wfile.write(digest)

    def log_message(self, *_):
        pass


class Curl(CertificatesTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        cls.http.daemon_threads = True
        thread = threading.Thread(target=cls.http.serve_forever)
        thread.start()
        cls.addClassCleanup(cls.http.server_close)
        cls.addClassCleanup(thread.join)
        cls.addClassCleanup(cls.http.shutdown)

    def forward(self, identity, *options):
        return Server("forward", *identity.options(), "--to", f"127.0.0.1:{self.http.server_port}", *options)

    def curl(self, server, path, *options, status=0):
        """What curl says with --verbose; the body goes to the file `body`."""
        arguments = ["--disable", "--verbose", "--silent", "--show-error", "--max-time", "60", "--noproxy", "*",
                     "--cacert", str(self.certificates.ca), "--http1.1",
                     "--resolve", f"localhost:{server.port}:127.0.0.1", "--output", str(self.body), *options,
                     f"https://localhost:{server.port}{path}"]
        finished = subprocess.run([program("curl"), *arguments], env=clean_environment(), stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, errors="replace", timeout=90)
        self.assertEqual(finished.returncode, status, finished.stderr)
        return finished.stderr

    def setUp(self):
        self.body = self.certificates.path("body")

    @each_version_and_key
    def test_download(self, version, identity):
        with self.forward(identity) as server:
            said = self.curl(server, "/", *CURL_VERSIONS[version])
            self.assertIn(f"SSL connection using {version}", said)
            self.assertIn("SSL certificate verify ok", said)
            self.assertTrue(self.body.read_bytes() == BODY, "the body arrived changed")

    @each_version_and_key
    def test_body_that_ends_with_the_connection(self, version, identity):
        with self.forward(identity) as server:
            # curl fails with status 56 if the stream ends without close_notify.
            said = self.curl(server, "/until-close", *CURL_VERSIONS[version])
            self.assertIn(f"SSL connection using {version}", said)
            self.assertTrue(self.body.read_bytes() == BODY, "the body arrived changed")

    @each_version_and_key
    def test_upload(self, version, identity):
        upload = self.certificates.write("upload", BODY)
        with self.forward(identity) as server:
            # Without "Expect: 100-continue", which Python's server answers only after a second.
            self.curl(server, "/", *CURL_VERSIONS[version], "--header", "Expect:", "--data-binary", f"@{upload}")
            self.assertEqual(self.body.read_text(), hashlib.sha256(BODY).hexdigest())

    @each_version_and_key
    def test_alpn(self, version, identity):
        with self.forward(identity, "--alpn", "http/1.1") as server:
            said = self.curl(server, "/", *CURL_VERSIONS[version])
            self.assertIn("ALPN: server accepted http/1.1", said)

    def test_several_requests_on_one_connection(self):
        with self.forward(self.certificates.ecdsa) as server:
            url = f"https://localhost:{server.port}/"
            said = self.curl(server, "/", "--output", os.devnull, url, "--output", os.devnull, url)
            self.assertEqual(said.count("SSL connection using"), 1, said)
            self.assertIn("Re-using existing connection", said)

    def test_certificate_of_an_unknown_ca_is_what_the_client_rejects(self):
        # Shows that the other tests do verify.
        with Server("forward", "--self-signed", "--to", f"127.0.0.1:{self.http.server_port}") as server:
            self.curl(server, "/", status=60)


if __name__ == "__main__":
    unittest.main()
