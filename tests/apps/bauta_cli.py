"""What the tests of the program share: running it, small data sets, and a reader of safetensors files."""
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import tempfile
import unittest
import zlib
from pathlib import Path

# Whatever ignores them where the tests are started, bauta shall not: nohup, or a script's background.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

BAUTA = os.environ["BAUTA"]
ROOT = Path(__file__).resolve().parents[2]
NOT_WRITTEN = ("bauta: error: the results could not be written (standard output): "
               "see that it stays open, and has room for them\n")
PYTHON = os.environ.get("BAUTA_PYTHON", str(ROOT / ".venv/bin/python"))


def needs_packages(test, *names):
    """Skips the test unless PYTHON has these packages, which scripts/setup installs."""
    probe = [PYTHON, "-c", "import " + ", ".join(names)]
    if not os.path.exists(PYTHON) or subprocess.run(probe, stderr=subprocess.DEVNULL).returncode != 0:
        test.skipTest(f"{PYTHON} lacks one of {', '.join(names)}: run scripts/setup, or name another Python by BAUTA_PYTHON")


def run(*args, timeout=240, **kwargs):
    """Runs bauta to its end; output as text."""
    command = [BAUTA, *map(str, args)]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **kwargs}
    return subprocess.run(command, text=True, encoding="utf-8", timeout=timeout, **options)


def read_safetensors(path):
    """(tensors, metadata): tensors as name -> (dtype, shape, bytes)."""
    data = Path(path).read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    body = data[8 + length :]
    tensors = {}
    for name, t in header.items():
        begin, end = t["data_offsets"]
        tensors[name] = (t["dtype"], t["shape"], body[begin:end])
    return tensors, metadata


def write_safetensors(path, tensors, metadata=None):
    header, body = {}, b""
    if metadata:
        header["__metadata__"] = metadata
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + body)


def write_png(path, width, height, pixels=None):
    """An RGB PNG; without pixels one whose data end at once."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"" if pixels is None else b"".join(
        b"\0" + pixels[3 * width * y : 3 * width * (y + 1)] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    Path(path).write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows))
                           + chunk(b"IEND", b""))


def metrics_of(folder):
    """(step lines, epoch lines) of a run's metrics.jsonl."""
    lines = [json.loads(line) for line in (Path(folder) / "metrics.jsonl").read_text().splitlines()]
    return [l for l in lines if "loss" in l], [l for l in lines if "train_loss" in l]


class CliTest(unittest.TestCase):
    """A test in a folder of its own, with a small data set of rendered faces that the whole class shares."""
    WITH_MASK, WITHOUT_MASK = 20, 20

    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="bauta-test-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.faces = cls.folder / "faces"
        made = run("data", "make", "--out", cls.faces, "--with-mask", cls.WITH_MASK, "--without-mask",
                   cls.WITHOUT_MASK, "--seed", 3)
        if made.returncode != 0:
            raise AssertionError(made.stderr)

    def setUp(self):
        self.work = Path(tempfile.mkdtemp(dir=self.folder))

    def ok(self, *args, **kwargs):
        """Runs bauta, which must succeed."""
        result = run(*args, **kwargs)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def train(self, out, *args, data=None, **kwargs):
        """A short run: batches of 8, two epochs unless told otherwise."""
        epochs = () if "--epochs" in args else ("--epochs", 2)
        return self.ok("train", "--data", data or self.faces, "--out", out, "--batch", 8, *epochs, *args, **kwargs)

    def fails(self, *args, code=1, saying=(), **kwargs):
        """Runs bauta, which must fail with one line `bauta: error: WHAT ...`; `saying`: words that it must have."""
        result = run(*args, **kwargs)
        self.assertEqual(result.returncode, code, f"{result.stdout}\n{result.stderr}")
        errors = [l for l in result.stderr.splitlines() if l.startswith("bauta: error: ")]
        self.assertEqual(len(errors), 1, result.stderr)
        for word in [saying] if isinstance(saying, (str, Path)) else saying:
            self.assertIn(str(word), errors[0])
        return result

    def as_killed_before_its_first_checkpoint(self, run_folder):
        copy = self.work / f"{run_folder.name}-killed"
        copy.mkdir()
        shutil.copy(run_folder / "config.json", copy)
        return copy

    def copy_of_faces(self):
        copy = self.work / "faces"
        shutil.copytree(self.faces, copy)
        return copy

    def outputs_that_fail(self):
        """What stdout may be that takes nothing: a name, and how subprocess is told."""
        reader, pipe = os.pipe()
        os.close(reader)
        full = os.open("/dev/full", os.O_WRONLY)
        for file in [full, pipe]:
            self.addCleanup(os.close, file)
        return {"full": {"stdout": full}, "not read": {"stdout": pipe},
                "closed": {"stdout": None, "preexec_fn": lambda: os.close(1)}}

    def split_faces(self):
        """The faces in folders train, val and test: of each class the last 5 validate, and 3 before are to test."""
        data = self.work / "split"
        for name in ["AFDB_masked_face_dataset", "AFDB_face_dataset"]:
            images = self.images(self.faces / name)
            for part, files in [("train", images[:-8]), ("test", images[-8:-5]), ("val", images[-5:])]:
                (data / part / name).mkdir(parents=True)
                for i, file in enumerate(files):
                    shutil.copy(file, data / part / name / f"{i}.jpg")
        return data

    def images(self, data=None):
        return sorted((data or self.faces).rglob("*.jpg"))

    def assertSameTensors(self, a, b):
        left, right = read_safetensors(a)[0], read_safetensors(b)[0]
        self.assertEqual(list(left), list(right))
        for name, tensor in left.items():
            self.assertTrue(tensor == right[name], f"{name} differs between {a} and {b}")

    def assertSameRun(self, a, b):
        """The folders of two runs have the same weights and metrics, but for the times."""
        for file in ["best.safetensors", "last.safetensors"]:
            self.assertSameTensors(a / file, b / file)
        (steps, epochs), (other_steps, other_epochs) = metrics_of(a), metrics_of(b)
        self.assertEqual(steps, other_steps)
        for epoch in epochs + other_epochs:
            del epoch["seconds"], epoch["images_per_second"]
        self.assertEqual(epochs, other_epochs)

    def assertRegexIn(self, pattern, text):
        self.assertTrue(re.search(pattern, text, re.M), f"no {pattern!r} in:\n{text}")
