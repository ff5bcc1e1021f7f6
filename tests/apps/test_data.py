"""bauta data make and data pack."""
import signal
import subprocess
import time

from bauta_cli import BAUTA, CliTest, read_safetensors


def interrupt(test, file, *args):
    """Presses Ctrl-C on bauta data ARGS once there is such a file in the test's folder: what it then says."""
    process = subprocess.Popen([BAUTA, "data", *args], stderr=subprocess.PIPE, text=True)
    while not list(test.work.glob(file)):
        test.assertIsNone(process.poll())
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    test.assertEqual(process.returncode, 130, stderr)
    return stderr


class Make(CliTest):
    def test_it_writes_the_rmfd_layout_and_says_what_to_type_next(self):
        out = self.work / "made"
        result = self.ok("data", "make", "--out", out, "--with-mask", 7, "--without-mask", 5)
        self.assertEqual(len(list((out / "AFDB_masked_face_dataset").glob("*/*.jpg"))), 7)
        self.assertEqual(len(list((out / "AFDB_face_dataset").glob("*/*.jpg"))), 5)
        lines = result.stdout.splitlines()
        self.assertRegex(lines[0], r"^wrote 7 faces with a mask and 5 without into ")
        self.assertTrue(lines[1].startswith(f"next: bauta train --data {out}"))

    def test_every_face_says_that_it_is_rendered(self):
        for image in self.images():
            self.assertIn(b"rendered by bauta", image.read_bytes())

    def test_the_seed_decides_every_byte_whatever_the_threads(self):
        def made(name, seed, threads):
            self.ok("data", "make", "--out", self.work / name, "--with-mask", 3, "--without-mask", 3, "--seed", seed,
                    "--threads", threads)
            return [p.read_bytes() for p in self.images(self.work / name)]

        first = made("a", 1, 1)
        self.assertEqual(first, made("b", 1, 3))
        self.assertNotEqual(first, made("c", 2, 1))

    def test_stopped_by_ctrl_c_it_leaves_nothing(self):
        said = interrupt(self, "made.tmp/*/*/*.jpg", "make", "--out", self.work / "made", "--with-mask", "100000")
        self.assertIn("bauta: error: stopped, and removed what was rendered", said)
        self.assertEqual(list(self.work.iterdir()), [])

    def test_a_link_is_refused_before_a_face_is_made(self):
        (self.work / "link").symlink_to(self.work / "elsewhere")
        self.fails("data", "make", "--out", self.work / "link", "--with-mask", 100_000, code=2,
                   saying=["cannot take the place of this folder", "name a new one"])

    def test_a_folder_whose_place_it_cannot_take_is_refused_before_a_face_is_made(self):
        self.fails("data", "make", "--out", ".", "--with-mask", 100_000, cwd=self.work, code=2,
                   saying=["cannot take the place of this folder (.)", "name a new one"])
        self.assertEqual(list(self.work.iterdir()), [])

    def test_a_folder_with_something_in_it_is_refused_and_kept(self):
        before = [p.read_bytes() for p in self.images()]
        self.fails("data", "make", "--out", self.faces, code=2, saying=self.faces)
        self.assertEqual(before, [p.read_bytes() for p in self.images()])


class Pack(CliTest):
    def test_stopped_by_ctrl_c_it_leaves_nothing(self):
        rows = [f"{image},{image.parent.parent.name}\n" for image in self.images()]
        (self.work / "many.csv").write_text("path,label\n" + "".join(rows) * 2000)
        said = interrupt(self, "many.safetensors.tmp*", "pack", "--data", self.work / "many.csv", "--out",
                         self.work / "many.safetensors")
        self.assertIn("bauta: error: stopped, and kept none of the images: start it again\n", said)
        self.assertEqual([p.name for p in self.work.iterdir()], ["many.csv"])

    def test_it_holds_the_bytes_of_every_image(self):
        out = self.work / "faces.safetensors"
        lines = self.ok("data", "pack", "--data", self.faces, "--out", out).stdout.splitlines()
        self.assertRegex(lines[0], r"^wrote .*faces\.safetensors \(\d+\.\d MB\)$")
        self.assertTrue(lines[1].startswith(f"next: bauta train --data {out}"))
        shapes = [shape for dtype, shape, _ in read_safetensors(out)[0].values() if dtype == "U8" and len(shape) == 4]
        self.assertEqual(shapes, [[40, 100, 100, 3]])

    def test_a_pack_may_be_replaced_and_nothing_else(self):
        out = self.work / "faces.safetensors"
        self.ok("data", "pack", "--data", self.faces, "--out", out)
        pack = out.read_bytes()
        self.ok("data", "pack", "--data", self.faces, "--out", out)
        self.assertEqual(out.read_bytes(), pack)
        self.train(self.work / "run", "--max-steps", 1)
        (self.work / "notes.txt").write_text("mine")
        for kept in [self.work / "run/last.safetensors", self.work / "notes.txt"]:
            before = kept.read_bytes()
            self.fails("data", "pack", "--data", self.faces, "--out", kept, code=2, saying=["no pack", kept])
            self.assertEqual(kept.read_bytes(), before)

    def test_a_folder_is_refused_before_an_image_is_decoded(self):
        copy = self.copy_of_faces()
        self.images(copy)[0].write_bytes(b"")
        result = self.fails("data", "pack", "--data", copy, "--out", self.work, saying=[self.work, "name a file"])
        self.assertNotIn("warning", result.stderr)
        self.assertFalse(self.work.with_name(self.work.name + ".tmp").exists())

    def test_a_bad_image_is_left_out_with_a_warning_and_a_count(self):
        copy = self.copy_of_faces()
        bad = self.images(copy)[0]
        bad.write_bytes(bad.read_bytes()[:200])
        result = self.ok("data", "pack", "--data", copy, "--out", self.work / "a.safetensors")
        warnings = [l for l in result.stderr.splitlines() if l.startswith("bauta: warning: ")]
        self.assertIn(bad.name, warnings[0])
        self.assertIn("1 of 40", warnings[-1])

    def test_strict_makes_it_an_error_and_writes_nothing(self):
        copy = self.copy_of_faces()
        bad = self.images(copy)[0]
        bad.write_bytes(b"")
        self.fails("data", "pack", "--data", copy, "--out", self.work / "a.safetensors", "--strict", saying=bad.name)
        self.assertFalse(any(self.work.glob("a.safetensors*")))
