"""Decoding, EXIF orientation and resizing, held against Pillow itself byte for byte."""
import os
import subprocess
import unittest
from pathlib import Path

from bauta_cli import BAUTA

ROOT = Path(__file__).resolve().parents[2]
PYTHON = os.environ.get("BAUTA_PYTHON", str(ROOT / ".venv/bin/python"))
SHARED = Path(os.environ.get("BAUTA_SHARED", str(ROOT.parent / "shared")))


def compare(*args):
    command = [PYTHON, ROOT / "scripts/parity/compare_images.py", BAUTA, *map(str, args)]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def has_pillow():
    return subprocess.run([PYTHON, "-c", "import PIL, safetensors"], stderr=subprocess.DEVNULL).returncode == 0


class KindsOfImages(unittest.TestCase):
    def test_every_kind_gives_pillows_bytes(self):
        if not os.path.exists(PYTHON) or not has_pillow():
            self.skipTest(f"{PYTHON} has no Pillow: run scripts/setup, or name another Python by BAUTA_PYTHON")
        result = compare("kinds")
        self.assertEqual(result.returncode, 0, result.stdout)


class RealPhotographs(unittest.TestCase):
    def test_photographs_give_pillows_bytes(self):
        photographs = SHARED / "data/classify"
        if not photographs.is_dir():
            self.skipTest(f"shared data are absent ({photographs})")
        if not os.path.exists(PYTHON) or not has_pillow():
            self.skipTest(f"{PYTHON} has no Pillow: run scripts/setup, or name another Python by BAUTA_PYTHON")
        result = compare("folder", photographs, 600)
        self.assertEqual(result.returncode, 0, result.stdout)


if __name__ == "__main__":
    unittest.main()
