"""scripts/reproduce: the study's tables and figures beside ours."""
import os
import subprocess
import unittest
from pathlib import Path

from bauta_cli import BAUTA, PYTHON, ROOT, CliTest, needs_packages

SCRIPT = ROOT / "scripts/reproduce"


def reproduce(*arguments):
    environment = dict(os.environ, BAUTA_PYTHON=PYTHON, BUILD=str(Path(BAUTA).parents[1]))
    return subprocess.run([SCRIPT, *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=300)


class Reproduce(CliTest):
    def test_it_runs_both_splits_and_writes_tables_and_figures(self):
        needs_packages(self, "matplotlib", "PIL", "safetensors")
        out = self.work / "reproduction"
        first = reproduce("--data", self.faces, "--out", out, "--devices", "cpu")
        self.assertEqual(first.returncode, 0, first.stderr)
        text = (out / "report.md").read_text()
        self.assertIn("| linearLayers.0 | 2 M | 2,098,176 |", text.replace("&nbsp;", ""))
        ours = [line for line in text.splitlines() if line.startswith("| ours, cpu")]
        self.assertEqual([line.split(" | ")[1:3] for line in ours],
                         [["90/10", "10"], ["90/10", "20"], ["70/30", "10"], ["70/30", "20"]])
        for line in ours:
            self.assertIn("on rendered faces", line)
        self.assertIn("| ours, cuda |  |  | not run |", text)
        self.assertIn("94.7 %", text)
        for figure in ("figure-4.png", "figure-6.png"):
            self.assertTrue((out / figure).read_bytes().startswith(b"\x89PNG"))

        packed = (out / "data.safetensors").stat().st_mtime_ns
        again = reproduce("--data", self.faces, "--out", out, "--devices", "cpu")
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual((out / "report.md").read_text(), text)
        self.assertEqual((out / "data.safetensors").stat().st_mtime_ns, packed)

        # Other faces are packed anew, and are not what the runs were started with.
        copy = self.copy_of_faces()
        self.images(copy)[0].unlink()
        other = reproduce("--data", copy, "--out", out, "--devices", "cpu")
        self.assertEqual(other.returncode, 2, other.stderr)
        self.assertIn("the data are not those that the run was started with", other.stderr)


class ReproduceArguments(unittest.TestCase):
    def test_it_wants_a_data_set(self):
        result = reproduce("--out", "never-made")
        self.assertEqual(result.returncode, 2)
        self.assertRegex(result.stderr, r"^reproduce: error: no data set")
