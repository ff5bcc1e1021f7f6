"""Bad input: one clear line that names the file, a non-zero exit, and nothing lost."""
import json
import os
import re
import resource
import shutil
import struct
import subprocess

from bauta_cli import BAUTA, NOT_WRITTEN, CliTest, metrics_of, read_safetensors, write_png, write_safetensors


def truncated(path):
    path.write_bytes(path.read_bytes()[:300])


def empty(path):
    path.write_bytes(b"")


def no_image(path):
    path.write_text("this is a text")


def huge_png(path):
    write_png(path, 30000, 30000)


def huge_jpeg(path):
    data = bytearray(path.read_bytes())
    frame = data.index(b"\xff\xc0")  # baseline frame: length, precision, height, width
    data[frame + 5 : frame + 9] = struct.pack(">HH", 30000, 30000)
    path.write_bytes(bytes(data))


BAD_IMAGES = [truncated, empty, no_image, huge_png, huge_jpeg]


class Images(CliTest):
    def test_in_a_data_set_each_is_a_warning_by_name_and_they_are_counted(self):
        copy = self.copy_of_faces()
        bad = self.images(copy)[: len(BAD_IMAGES)]
        for spoil, path in zip(BAD_IMAGES, bad):
            spoil(path)
        result = self.train(self.work / "run", "--max-steps", 1, data=copy)
        warnings = [l for l in result.stderr.splitlines() if l.startswith("bauta: warning: ")]
        for path in bad:
            self.assertEqual(sum(path.name in w for w in warnings), 1, warnings)
        self.assertIn(f"{len(bad)} of 40", warnings[-1])

    def test_with_strict_each_is_an_error(self):
        for spoil in BAD_IMAGES:
            with self.subTest(spoil=spoil.__name__):
                copy = self.copy_of_faces()
                bad = self.images(copy)[3]
                spoil(bad)
                self.fails("train", "--data", copy, "--out", self.work / "run", "--strict", saying=bad.name)
                self.assertFalse((self.work / "run").exists())
                shutil.rmtree(copy)


class DataSets(CliTest):
    def assert_refused(self, path, *saying, **kwargs):
        self.fails("train", "--data", path, "--out", self.work / "run", saying=[path, *saying], **kwargs)
        self.assertFalse((self.work / "run").exists())

    def test_one_class(self):
        copy = self.copy_of_faces()
        shutil.rmtree(copy / "AFDB_face_dataset")
        self.assert_refused(copy)

    def test_a_class_with_one_image(self):
        copy = self.copy_of_faces()
        for path in self.images(copy / "AFDB_face_dataset")[1:]:
            path.unlink()
        self.assert_refused(copy, "without_mask")

    def test_a_class_of_which_one_image_can_be_read(self):
        copy = self.copy_of_faces()
        for path in self.images(copy / "AFDB_face_dataset")[1:]:
            empty(path)
        self.assert_refused(copy, "without_mask")

    def test_a_class_whose_name_is_not_utf_8(self):
        copy = self.copy_of_faces()
        os.rename(copy / "AFDB_face_dataset", os.fsencode(copy) + b"/gr\xf6\xdfe")
        self.assert_refused(copy, "is not UTF-8", "rename it", errors="replace")

    def test_a_path_that_is_not_there(self):
        self.assert_refused(self.work / "nothing")

    def test_a_file_that_is_no_data_set(self):
        path = self.work / "notes.txt"
        path.write_text("hello")
        self.assert_refused(path)

    def test_a_folder_that_may_not_be_read_is_named(self):
        copy = self.copy_of_faces()
        for name in ["AFDB_face_dataset", "AFDB_face_dataset/0000"]:
            (copy / name).chmod(0)
            with self.subTest(name):
                self.assert_not_readable(copy, copy / name)
            (copy / name).chmod(0o755)

    def assert_not_readable(self, data, folder):
        if os.geteuid() != 0:
            return self.assert_refused(data, f"({folder})")
        # Root may read everything; the program then runs as nobody, from folders that nobody may pass.
        for passed in [self.folder, self.work, data]:
            passed.chmod(0o755)
        out = self.work / "run"
        self.work.chmod(0o777)
        program = self.folder / "bauta"
        shutil.copy(BAUTA, program)
        result = subprocess.run([program, "train", "--data", data, "--out", out], capture_output=True, text=True,
                                user=65534, group=65534, extra_groups=[])
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertRegex(result.stderr, rf"^bauta: error: .*Permission denied \({re.escape(str(folder))}\)")
        self.assertFalse(out.exists())


class Weights(CliTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        out = cls.folder / "run"
        subprocess.run([BAUTA, "train", "--data", cls.faces, "--out", out, "--max-steps", "1", "--batch", "8"],
                       check=True, capture_output=True)
        cls.good = (out / "best.safetensors").read_bytes()
        cls.tensors, cls.metadata = read_safetensors(out / "best.safetensors")

    def assert_refused(self, content, *saying):
        path = self.work / "bad.safetensors"
        path.write_bytes(content)
        image = self.images()[0]
        for command in [["eval", "--weights", path, "--data", self.faces], ["classify", "--weights", path, image],
                        ["info", "--weights", path],
                        ["train", "--init", path, "--data", self.faces, "--out", self.work / "run"]]:
            with self.subTest(command=command[0]):
                self.fails(*command, saying=[path, *saying])
        self.assertFalse((self.work / "run").exists())

    def test_an_empty_file(self):
        self.assert_refused(b"")

    def test_a_file_that_ends_early(self):
        for size in [4, 100, len(self.good) - 1]:
            self.assert_refused(self.good[:size])

    def test_a_header_longer_than_the_file(self):
        self.assert_refused(struct.pack("<Q", 1 << 60) + self.good[8:])

    def test_a_header_that_is_no_json(self):
        self.assert_refused(self.good[:8] + b"!" * 50 + self.good[58:])

    def test_a_tensor_of_another_shape(self):
        tensors = dict(self.tensors)
        dtype, _, data = tensors["convLayer1.0.bias"]
        tensors["convLayer1.0.bias"] = (dtype, [16], data[:64])
        path = self.work / "changed.safetensors"
        write_safetensors(path, tensors, self.metadata)
        self.assert_refused(path.read_bytes(), "convLayer1.0.bias")

    def test_a_file_of_torch_save(self):
        for start in [b"PK\x03\x04" + bytes(60), b"\x80\x02\x8a\x0a" + bytes(60)]:
            self.assert_refused(start, "a file of torch.save", "safetensors.torch.save_file")

    def test_names_as_dataparallel_has_them(self):
        path = self.work / "changed.safetensors"
        write_safetensors(path, {f"module.{name}": tensor for name, tensor in self.tensors.items()})
        self.assert_refused(path.read_bytes(), "is called module.convLayer1.0.weight", "model.module")

    def test_a_tensor_that_is_missing(self):
        tensors = {name: t for name, t in self.tensors.items() if name != "linearLayers.2.weight"}
        path = self.work / "changed.safetensors"
        write_safetensors(path, tensors)
        self.assert_refused(path.read_bytes(), "linearLayers.2.weight")

    def test_a_tensor_of_no_layer(self):
        path = self.work / "changed.safetensors"
        write_safetensors(path, {**self.tensors, "fc9.bias": ("F32", [1], bytes(4))}, self.metadata)
        self.assert_refused(path.read_bytes(), "fc9.bias")

    def test_a_file_that_claims_large_arrays_gets_those_of_one_image_at_a_time(self):
        layers = [{"kind": "maxpool", "kernel": 15, "stride": 1 << 14}, {"kind": "linear", "name": "head", "out": 2}]
        graph = {"input": [4096, 4096, 3], "layers": layers}
        path = self.work / "large.safetensors"
        tensors = {"head.weight": ("F32", [2, 3], bytes(24)), "head.bias": ("F32", [2], bytes(8))}
        write_safetensors(path, tensors, {**self.metadata, "graph": json.dumps(graph)})
        def limit():
            resource.setrlimit(resource.RLIMIT_AS, (1 << 31, 1 << 31))
        self.ok("classify", "--weights", path, self.images()[0], preexec_fn=limit)

    def test_weights_that_give_nan(self):
        dtype, shape, data = self.tensors["convLayer2.0.weight"]
        spoilt = {**self.tensors, "convLayer2.0.weight": (dtype, shape, struct.pack("<f", float("nan")) + data[4:])}
        path = self.work / "nan.safetensors"
        write_safetensors(path, spoilt, self.metadata)
        for command in [["eval", "--data", self.faces], ["classify", self.images()[0]]]:
            self.fails(*command, "--weights", path, saying=f"these weights give NaN ({path}): use a checkpoint from before")

    def test_a_file_that_is_not_there(self):
        self.fails("info", "--weights", self.work / "none.safetensors", saying="none.safetensors")


class Runs(CliTest):
    def contents(self, folder):
        return {p.name: p.read_bytes() for p in folder.iterdir()}

    def test_a_folder_within_a_file_is_refused_before_an_image_is_decoded(self):
        copy = self.copy_of_faces()
        self.images(copy)[0].write_bytes(b"")
        (self.work / "notes.txt").write_text("mine")
        result = self.fails("train", "--data", copy, "--out", self.work / "notes.txt/run",
                            saying=["cannot write: Not a directory", self.work / "notes.txt"])
        self.assertNotIn("warning", result.stderr)

    def test_a_folder_that_is_not_empty_is_refused_and_kept(self):
        out = self.work / "run"
        self.train(out, "--max-steps", 1)
        before = self.contents(out)
        self.fails("train", "--data", self.faces, "--out", out, code=2, saying=[out, "--resume"])
        self.assertEqual(before, self.contents(out))

    def test_a_loss_that_is_no_number_names_the_step_and_keeps_the_checkpoints(self):
        out = self.work / "run"
        self.train(out, "--epochs", 1)
        best = (out / "best.safetensors").read_bytes()
        # The first epoch's checkpoint with weights that no run survives.
        tensors, metadata = read_safetensors(out / "last.safetensors")
        dtype, shape, data = tensors["convLayer2.0.weight"]
        tensors["convLayer2.0.weight"] = (dtype, shape, struct.pack("<f", float("nan")) + data[4:])
        write_safetensors(out / "last.safetensors", tensors, metadata)
        last = (out / "last.safetensors").read_bytes()
        self.fails("train", "--data", self.faces, "--out", out, "--batch", 8, "--epochs", 2, "--resume",
                   saying=["step 6", "convLayer2"])
        self.assertEqual((best, last), tuple((out / f).read_bytes() for f in ["best.safetensors", "last.safetensors"]))

    def test_first_weights_whose_name_is_not_utf_8(self):
        self.fails("train", "--data", self.faces, "--out", self.work / "run", "--init", os.fsdecode(b"w\xe4.safetensors"),
                   code=2, saying=["--init", "is not UTF-8", "rename it"], errors="replace")

    def test_a_learning_rate_beyond_all_measure(self):
        self.fails("train", "--data", self.faces, "--out", self.work / "run", "--batch", 8, "--lr", "1e30",
                   saying=["step", "--lr"])

    def test_a_validation_that_is_no_number_names_the_step_and_the_layer(self):
        self.fails("train", "--data", self.faces, "--out", self.work / "run", "--lr", "1e15", "--max-steps", 1,
                   saying=["validation is not finite after step 1, first in ", "lower --lr"])

    def test_a_folder_that_is_not_empty_is_refused_before_the_data_are_opened(self):
        (self.work / "notes.txt").write_text("mine")
        self.fails("train", "--data", self.work / "no-such-data", "--out", self.work, code=2,
                   saying=[self.work, "not empty", "choose another --out"])
        self.assertEqual((self.work / "notes.txt").read_text(), "mine")


class PacksThatShrink(CliTest):
    def test_while_they_are_read_are_one_line_that_says_what_to_do(self):
        pack = self.work / "pack.safetensors"
        self.ok("data", "pack", "--data", self.faces, "--out", pack)
        process = subprocess.Popen([BAUTA, "train", "--data", pack, "--out", self.work / "run", "--epochs", "1000"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while "images to train on" not in process.stdout.readline():
            self.assertIsNone(process.poll())
        os.truncate(pack, 4096)
        _, stderr = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 1, stderr)
        self.assertRegex(stderr, r"(^|\n)bauta: error: a file was cut short [^\n]+\n$")


class MemoryThatRunsOut(CliTest):
    def test_is_one_line_that_says_what_to_do(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_AS, (3 << 29, 3 << 29))
        self.fails("bench", "train", "--batch", 4096, saying="not enough memory: use a smaller --batch",
                   preexec_fn=limit)

    def test_while_an_image_is_decoded_is_one_line_too(self):
        data = self.copy_of_faces()
        with open(self.images(data)[0].with_name("large.pgm"), "wb") as large:  # 100 MB without a block on the disk
            large.write(b"P5 10000 10000 255\n")
            large.truncate(large.tell() + 10000 * 10000)
        limit = 500 << 20
        self.fails("data", "pack", "--data", data, "--out", self.work / "a.safetensors", "--threads", 1,
                   saying="not enough memory", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
        self.assertFalse((self.work / "a.safetensors").exists())


class ThreadsThatRunOut(CliTest):
    """The program on a system that gives no other thread. Root may start any number: then it runs as nobody."""

    def fails_alone(self, *args, saying):
        def limit():
            resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
        self.folder.chmod(0o755)
        self.work.chmod(0o777)
        program = self.folder / "bauta"
        shutil.copy(BAUTA, program)
        nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        result = subprocess.run([program, *map(str, args)], capture_output=True, text=True, preexec_fn=limit, **nobody)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertRegex(result.stderr, r"^bauta: error: [^\n]+\n$")
        self.assertIn(saying, result.stderr)

    def test_those_that_compute_are_one_line_that_names_the_option(self):
        self.fails_alone("info", "--threads", 4, saying="(--threads 4): use fewer, or raise the limits")

    def test_those_that_load_are_one_line_too(self):
        self.fails_alone("train", "--data", self.faces, "--out", self.work / "run", "--threads", 1,
                         saying="bauta cannot go on: ")


class WritesThatFail(CliTest):
    """A file-size limit stands in for the full disk: it needs no privileges."""

    def limited(self, size):
        return {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))}

    def test_train_names_the_file_and_keeps_the_last_checkpoint(self):
        out = self.work / "run"
        self.train(out, "--epochs", 1)
        before = [(out / f).read_bytes() for f in ["best.safetensors", "last.safetensors"]]
        self.fails("train", "--data", self.faces, "--out", out, "--batch", 8, "--epochs", 2, "--resume",
                   saying=[out, "; go on with: bauta train --data "], **self.limited(1 << 20))
        self.assertEqual(before, [(out / f).read_bytes() for f in ["best.safetensors", "last.safetensors"]])
        self.train(out, "--epochs", 2, "--resume")

    def test_train_ends_well_but_for_what_it_could_not_print(self):
        for name, output in self.outputs_that_fail().items():
            with self.subTest(name):
                out = self.work / name
                result = self.fails("train", "--data", self.faces, "--out", out, "--batch", 8, "--epochs", 2, **output)
                self.assertEqual(result.stderr, NOT_WRITTEN)
                self.assertEqual(len(metrics_of(out)[1]), 2)
                self.assertTrue((out / "last.safetensors").exists())

    def test_pack_names_the_file_and_leaves_none(self):
        pack = self.work / "a.safetensors"
        self.fails("data", "pack", "--data", self.faces, "--out", pack, saying=pack, **self.limited(1 << 19))
        self.assertFalse(any(self.work.glob("a.safetensors*")))

    def test_make_names_the_file(self):
        self.fails("data", "make", "--out", self.work / "made", "--with-mask", 2, "--without-mask", 2,
                   saying=self.work / "made", **self.limited(100))


class FullDisk(CliTest):
    def setUp(self):
        super().setUp()
        self.disk = self.work / "disk"
        self.disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", self.disk], capture_output=True)
        if mounted.returncode != 0:
            self.skipTest("mounting a small file system is not permitted here")
        self.addCleanup(subprocess.run, ["umount", self.disk], check=True)

    def test_train_says_so_by_the_files_name(self):
        # best.safetensors (9 MB) fits, last.safetensors (26 MB) does not.
        out = self.disk / "run"
        self.fails("train", "--data", self.faces, "--out", out, "--batch", 8, "--epochs", 1,
                   saying=[out / "last.safetensors", "disk is full", "; go on with: bauta train --data ", " --resume"])
        self.assertEqual(len(read_safetensors(out / "best.safetensors")[0]), 10)
        self.assertFalse(any(out.glob("*.tmp")))
