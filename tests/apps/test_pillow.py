"""Decoding, EXIF orientation and resizing, held against Pillow itself byte for byte."""
import os
import subprocess
import unittest
from pathlib import Path

from bauta_cli import BAUTA, PYTHON, ROOT, needs_packages

SHARED = Path(os.environ.get("BAUTA_SHARED", str(ROOT.parent / "shared")))


def compare(*args):
    command = [PYTHON, ROOT / "scripts/parity/compare_images.py", BAUTA, *map(str, args)]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


class KindsOfImages(unittest.TestCase):
    def test_every_kind_gives_pillows_bytes(self):
        needs_packages(self, "PIL", "safetensors")
        result = compare("kinds")
        self.assertEqual(result.returncode, 0, result.stdout)


class RealPhotographs(unittest.TestCase):
    def test_photographs_give_pillows_bytes(self):
        photographs = SHARED / "data/classify"
        if not photographs.is_dir():
            self.skipTest(f"shared data are absent ({photographs})")
        needs_packages(self, "PIL", "safetensors")
        result = compare("folder", photographs, 600)
        self.assertEqual(result.returncode, 0, result.stdout)


if __name__ == "__main__":
    unittest.main()
