# --watch: files that have changed are read again without being told to, as whole things: not a new certificate beside
# its old key.
#
# SPDX-License-Identifier: Apache-2.0

import pathlib
import shutil
import unittest

from certificates import Identity
from reload import ReloadTest, replace
from sallyport import Server

CHANGED = 'reloaded cause="files have changed"'


class Watch(ReloadTest):
    def server(self, *options, interval="50ms"):
        return Server("echo", "--watch", interval, *options)

    def test_a_new_certificate_and_its_key(self):
        with self.server(*self.live.options(), interval="1s") as server:
            self.assertEqual(self.shown_by(server), "old")
            self.install(self.new)
            server.wait_for_log(f" info {CHANGED} identities=1 ")
            self.assertEqual(self.shown_by(server), "new")

    def test_a_key_that_comes_much_later(self):
        with self.server(*self.live.options()) as server:
            replace(self.live.certificate, self.new.certificate.read_bytes())
            server.wait_for_log(r' error reload failed cause="files have changed" .*live\.key')
            self.assertEqual(self.shown_by(server), "old")
            # Told once, and not at each look.
            replace(self.live.key, self.new.key.read_bytes())
            server.wait_for_log(CHANGED)
            self.assertEqual(self.shown_by(server), "new")
            self.assertEqual(len(self.lines(server, "reload failed")), 1)

    def test_as_kubernetes_does_it(self):
        volume = self.directory / "volume"
        volume.mkdir()

        def publish(identity, version):
            """What the kubelet's atomic writer does."""
            (volume / version).mkdir()
            shutil.copy(identity.certificate, volume / version / "tls.crt")
            shutil.copy(identity.key, volume / version / "tls.key")
            (volume / "..data_tmp").symlink_to(version)
            (volume / "..data_tmp").rename(volume / "..data")

        publish(self.old, "..2026_11_22_01")
        for name in ("tls.crt", "tls.key"):
            (volume / name).symlink_to(pathlib.Path("..data") / name)
        mounted = Identity(volume / "tls.crt", volume / "tls.key")
        with self.server(*mounted.options()) as server:
            self.assertEqual(self.shown_by(server), "old")
            publish(self.new, "..2026_11_22_02")
            shutil.rmtree(volume / "..2026_11_22_01")
            server.wait_for_log(CHANGED)
            self.assertEqual(self.shown_by(server), "new")
            self.assertEqual(self.lines(server, " error "), [])

    def test_a_directory_of_cas(self):
        cas = self.directory / "cas"
        cas.mkdir()
        replace(cas / "other.pem", self.certificates.self_signed("other-ca").certificate.read_bytes())
        with self.server(*self.live.options(), "--client-ca", cas) as server:
            replace(cas / "ours.pem", self.certificates.ca.read_bytes())
            server.wait_for_log(f"{CHANGED} .*client_cas=2 ")
            self.connect(server, self.new)

    def test_other_files(self):
        keys = self.directory / "keys.psk"
        replace(keys, "alice:" + "00" * 16 + "\n")
        with self.server(*self.live.options(), "--psk-file", keys) as server:
            replace(keys, "alice:" + "00" * 16 + "\nbob:" + "01" * 16 + "\n")
            server.wait_for_log(f"{CHANGED} .*pre_shared_keys=2 ")


if __name__ == "__main__":
    unittest.main()
