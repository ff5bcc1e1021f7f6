"""bauta bench kernels and bench train: their counts and figures. (bench epoch: test_ranks.py)"""
import json
import re
import unittest

from bauta_cli import run


class BenchKernels(unittest.TestCase):
    def test_every_launch_of_a_step_has_its_counts(self):
        result = run("bench", "kernels", "--batch", 1, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        found = json.loads(result.stdout)
        self.assertEqual([found[key] for key in ["kernels", "precision", "batch", "gpu"]], ["hand", "fp32", 1, "h100"])
        self.assertRegex(found["device"], "^device simt ")
        rows = found["launches"]
        self.assertEqual(rows[0]["kernel"], "gather_images")
        self.assertEqual(rows[-1]["kernel"], "adam")
        self.assertGreater(len(rows), 12)
        for key, beside in [("roof_microseconds", False), ("roof_microseconds_beside", True)]:
            roofs = [row.get("roof_microseconds", 0) for row in rows if row["beside"] == beside]
            self.assertAlmostEqual(found[key], sum(roofs))
        for row in rows:
            with self.subTest(kernel=row["kernel"], grid=row["grid"]):
                self.assertGreater(row["sectors"], 0)
                self.assertGreaterEqual(row["conflict_degree"], 1)
                if "model" in row:
                    self.assertAlmostEqual(row["sectors"] / row["model"], 1, delta=0.1)
                    self.assertLessEqual(row["floor"], row["sectors"])

    def test_other_devices_are_not_counted(self):
        for device in ["cpu", "auto"]:
            result = run("bench", "kernels", "--device", device)
            self.assertEqual(result.returncode, 2)
            self.assertEqual(result.stderr, f"bauta: error: {device} not in {{simt,cuda}} (--device): see bauta bench kernels --help\n")

    def test_a_gpu_whose_times_are_measured_is_not_named(self):
        result = run("bench", "kernels", "--device", "cuda", "--gpu", "h100")
        self.assertEqual(result.returncode, 2)
        self.assertEqual(result.stderr, "bauta: error: --gpu applies only to --device simt (--device cuda): "
                                        "leave --gpu out: the GPU at hand is measured\n")

    def test_nor_are_a_vendors_kernels(self):
        for options in [("kernels",), ("epoch", "--devices", "cpu")]:
            result = run("bench", *options, "--kernels", "vendor")
            self.assertEqual(result.returncode, 2)
            self.assertIn("cuDNN and cuBLASLt run only on a GPU (--kernels vendor): use --kernels hand, or ", result.stderr)


class BenchTrain(unittest.TestCase):
    def test_json_has_the_figures_and_they_agree(self):
        result = run("bench", "train", "--json", "--batch", 8)
        self.assertEqual(result.returncode, 0, result.stderr)
        found = json.loads(result.stdout)
        self.assertLessEqual({"images_per_second", "ms_per_step", "gflops", "fraction_of_peak"}, set(found))
        self.assertAlmostEqual(found["images_per_second"] * found["ms_per_step"] / 8000, 1, places=6)
        self.assertAlmostEqual(found["dense_mflop_per_image"], 359.4, delta=1)
        self.assertAlmostEqual(found["gflops"] / found["peak_gflops"], found["fraction_of_peak"], places=6)
        self.assertLessEqual(found["ms_per_step_min"], found["ms_per_step"])
        self.assertLessEqual(found["ms_per_step"], found["ms_per_step_max"])
        self.assertLessEqual(found["images_per_second_min"], found["images_per_second"])
        self.assertLessEqual(found["images_per_second"], found["images_per_second_max"])
        self.assertLess(found["images_per_second_min"], found["images_per_second_max"])
        for least, most in [("min", "max"), ("max", "min")]:
            self.assertAlmostEqual(found["images_per_second_" + least] * found["ms_per_step_" + most] / 8000, 1, places=6)

    def test_people_are_told_what_is_counted(self):
        out = run("bench", "train", "--batch", 8).stdout
        self.assertRegex(out, r"^device cpu ")
        number = r"(\d+\.\d+)"
        for unit, descending in [("images/s", False), ("ms/step", True)]:
            found = re.search(rf"(?m)^{number} {unit} \({number} to {number}\)$", out)
            median, slowest, fastest = map(float, found.groups())
            self.assertEqual([slowest, median, fastest], sorted([slowest, median, fastest], reverse=descending))
        self.assertIn("GFLOP/s of dense arithmetic (359 MFLOP per image", out)
