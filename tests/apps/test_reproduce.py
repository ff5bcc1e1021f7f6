"""scripts/reproduce: the study's tables and figures beside ours; and the curves of any runs."""
import contextlib
import importlib
import io
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from bauta_cli import BAUTA, PYTHON, ROOT, CliTest, needs_packages

SCRIPT = ROOT / "scripts/reproduce"
PACKAGES = ("matplotlib", "matplotlib.ticker", "PIL", "safetensors")


def load_script(name):
    """A script as a module, without the packages that it draws and reads files with: this Python may lack them."""
    with mock.patch.dict(sys.modules, {package: mock.MagicMock() for package in PACKAGES}), \
         mock.patch.object(sys, "path", [str(ROOT / "scripts"), *sys.path]):
        return importlib.import_module(name)


REPORT, CURVES = load_script("reproduction_report"), load_script("plot_curves")


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


class ReproductionReport(unittest.TestCase):
    def test_of_10_and_of_20_epochs_it_names_the_range_of_times_the_median_rate_and_the_best(self):
        epochs = [{"epoch": i, "val_acc": 0.9, "images_per_second": 2000 - 100 * i, "seconds": 2 + i / 10} for i in range(20)]
        epochs[3]["val_acc"], epochs[12]["val_acc"] = 0.95, 0.97
        written = REPORT.runs_table({("cuda", "0.1"): epochs}, " on rendered faces")
        self.assertEqual([line for line in written if line.startswith("| ours")],
                         ["| ours, cpu |  |  | not run |  | not run |",
                          "| ours, cuda | 90/10 | 10 | 2-2.9 | 1,600 | 95.00 on rendered faces (epoch 3) |",
                          "| ours, cuda | 90/10 | 20 | 2-3.9 | 1,100 | 97.00 on rendered faces (epoch 12) |"])

    def test_each_figure_shows_the_runs_of_its_scenario_and_the_last_one_all(self):
        cpu = {"cpu, 70/30": ["a"], "cpu, 90/10": ["b"]}
        cuda = {"cuda, 70/30": ["c"], "cuda, 90/10": ["d"]}
        runs = {("cpu", "0.3"): ["a"], ("cpu", "0.1"): ["b"], ("cuda", "0.3"): ["c"], ("cuda", "0.1"): ["d"]}
        with mock.patch.object(REPORT, "plot") as plot:
            REPORT.figures(Path("out"), runs, "")
        self.assertEqual(plot.call_args_list,
                         [mock.call(cpu, Path("out/figure-4.png"), title="Figure 4: scenario 1, CPU", study=True),
                          mock.call(cuda, Path("out/figure-5.png"), title="Figure 5: scenario 2, GPU", study=True),
                          mock.call({**cpu, **cuda}, Path("out/figure-6.png"), title="Figure 6: both scenarios", study=True)])

    def test_it_says_how_often_the_majority_class_alone_is_right(self):
        info = {"model": {"blocks": [], "layers": []}, "devices": [{"model": "a CPU"}], "threads": 1, "isa": "avx2"}
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()), \
             mock.patch.multiple(REPORT, class_counts=lambda _: {"with_mask": 1000, "without_mask": 3000}, is_rendered=lambda _: False):
            out = Path(folder)
            (out / "info.json").write_text(json.dumps(info))
            REPORT.report(out, None)
            text = (out / "report.md").read_text()
        self.assertIn("\nData: 1,000 with_mask, 3,000 without_mask. ", text)
        self.assertIn("gives 94.7 % on the study's data, 75.0 % on these faces.\n", text)


class PlotCurves(unittest.TestCase):
    def test_losses_are_drawn_on_the_left_and_accuracies_on_the_right(self):
        epochs = [{"epoch": 0, "train_loss": 0.5, "val_acc": 0.75}, {"epoch": 1, "train_loss": 0.25, "val_acc": 0.875}]
        figure, left, right = mock.Mock(), mock.Mock(), mock.Mock()
        with mock.patch.object(CURVES.pyplot, "subplots", return_value=(figure, (left, right))):
            CURVES.plot({"mine": epochs}, "curves.png")
        for axes, label, values in ((left, "training loss", [0.5, 0.25]), (right, "validation accuracy", [0.75, 0.875])):
            axes.plot.assert_called_once_with([0, 1], values, marker=".", label="mine")
            axes.set.assert_called_once_with(xlabel="epoch", ylabel=label)
        figure.savefig.assert_called_once_with("curves.png", dpi=120)

    def test_two_runs_of_one_name_are_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, epochs in (("a", 1), ("b", 2)):
                (Path(folder) / name).write_text("".join(f'{{"epoch": {i}, "train_loss": 1}}\n' for i in range(epochs)))
            command = ["plot_curves.py", "--out", "never-made.png", f"mine={folder}/a", f"other={folder}/b", f"mine={folder}/b"]
            with mock.patch.object(sys, "argv", command), mock.patch.object(CURVES, "plot"), self.assertRaises(SystemExit) as end:
                CURVES.main()
        self.assertEqual(end.exception.code, "plot_curves: error: two runs have one name (mine): give each its own: NAME=RUN")


if __name__ == "__main__":
    unittest.main()
