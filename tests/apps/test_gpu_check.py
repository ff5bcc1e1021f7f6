"""scripts/gpu/check: what it calls a failure."""
import importlib.machinery
import importlib.util
import unittest

from bauta_cli import ROOT


def load_script():
    loader = importlib.machinery.SourceFileLoader("gpu_check", str(ROOT / "scripts/gpu/check"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("gpu_check", loader))
    loader.exec_module(module)
    return module


CHECK = load_script()


def epochs(*accuracies):
    return [{"epoch": i, "val_acc": accuracy, "seconds": 0.1} for i, accuracy in enumerate(accuracies)]


def result(**changes):
    found = {"date": "2026-01-01", "device": "cuda", "commit": "0", "left_out": {}, "sanitizer": "not run",
             "tests": {"passed": 9, "failed": 0, "failures": []},
             "parity": {"steps": 50, "largest_relative_difference": {"fp32": 1e-7}, "failed": {}, "within_1e-5": True},
             "training": {"fp32": epochs(0.8, 0.98), "bf16": epochs(0.5, 0.975)},
             "speed": "not measured", **changes}
    return {**found, "failures": CHECK.failures(found)}


class GpuCheck(unittest.TestCase):
    def test_bf16_may_lose_half_a_point_by_the_last_epoch(self):
        self.assertEqual(result()["failures"], [])
        self.assertEqual(result(training={"fp32": epochs(0.98)})["failures"], [])
        self.assertEqual(result(training={"fp32": [], "bf16": []})["failures"], [])

    def test_more_is_a_failure_and_the_table_says_so(self):
        found = result(training={"fp32": epochs(0.8, 0.98), "bf16": epochs(0.8, 0.9745)})
        line = "bf16 reaches a val_acc of 0.9745, more than half a point below fp32's 0.9800"
        self.assertEqual(found["failures"], [line])
        self.assertIn(f"FAILED: {line}\n", CHECK.as_table(found))

    def test_so_are_tests_losses_and_measurements_that_fail(self):
        self.assertEqual(result(tests={"passed": 8, "failed": 1, "failures": ["linear_test: exit 1"]})["failures"], ["linear_test: exit 1"])
        found = result(sanitizer={"passed": 8, "failed": 1, "failures": ["linear_test: exit 9"]})
        self.assertEqual(found["failures"], ["under compute-sanitizer, linear_test: exit 9"])
        parity = {"steps": 50, "largest_relative_difference": {"fp32": 1e-3}, "failed": {"vendor": "no cuDNN"}, "within_1e-5": False}
        self.assertEqual(result(parity=parity)["failures"],
                         ["vendor: no cuDNN", "the losses in fp32 are more than 1e-5 apart from the CPU's"])
        self.assertEqual(result(speed={"failed": ["the time was up"]})["failures"], ["the time was up"])

    def test_the_tables_have_every_way_and_a_dash_for_what_a_vendors_kernels_move(self):
        launch = {"kernel": "conv2d_vendor_forward", "microseconds": 10, "multiply_adds": 1e9, "moved": 0, "roof_microseconds": 5, "bound_by": "fma"}
        ceilings = {"memory": 3e12, "cache": 5e12, "multiply_adds": 3e13, "products": 4e14}
        epoch = {"batch": 32, "how": "measured", "train_seconds": 1, "val_seconds": 0.1}
        speed = {"bauta": {way: [{"batch": 32, "images_per_second": 1e5}] for way in CHECK.WAYS}, "torch": "not measured: no torch", "failed": [],
                 "epochs": [{"way": way, **epoch} for way in CHECK.WAYS],
                 "kernels": [{"way": way, "batch": 32, "ceilings": ceilings, "launches": [launch]} for way in CHECK.WAYS]}
        table = CHECK.as_table(result(speed=speed))
        for way in CHECK.WAYS:
            self.assertIn(f"{way} 100,000", table)
            self.assertIn(f"| {way}, measured | 32 | 1.000 | 0.100 |", table)
            self.assertIn(f"A step in {way}, batch 32", table)
        self.assertIn("| conv2d_vendor_forward | 10.00 | 200,000 | - | 5.00 | 50% | fma |", table)


if __name__ == "__main__":
    unittest.main()
