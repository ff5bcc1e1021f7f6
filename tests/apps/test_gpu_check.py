"""scripts/gpu/check: what it calls a failure, and that one does not cost it the rest."""
import importlib.machinery
import importlib.util
import json
import pathlib
import tempfile
import unittest

from bauta_cli import BAUTA, ROOT


def load_script():
    loader = importlib.machinery.SourceFileLoader("gpu_check", str(ROOT / "scripts/gpu/check"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("gpu_check", loader))
    loader.exec_module(module)
    return module


CHECK = load_script()
ABOUT = {"date": "2026-01-01", "device": "cuda", "commit": "0", "left_out": {}}


def epochs(*accuracies):
    return [{"epoch": i, "val_acc": accuracy, "seconds": 0.1} for i, accuracy in enumerate(accuracies)]


def table(**stages):
    result = {**ABOUT, **stages}
    return CHECK.as_table({**result, "failures": CHECK.failures(result)})


class WhatIsAFailure(unittest.TestCase):
    def test_bf16_may_lose_half_a_point_by_the_last_epoch(self):
        self.assertEqual(CHECK.accuracy_failures({"fp32": epochs(0.8, 0.98), "bf16": epochs(0.5, 0.975)}), [])
        self.assertEqual(CHECK.accuracy_failures({"fp32": epochs(0.98)}), [])
        self.assertEqual(CHECK.accuracy_failures({"fp32": epochs(0.8, 0.98), "bf16": epochs(0.8, 0.9745)}),
                         ["bf16 reaches a val_acc of 0.9745, more than half a point below fp32's 0.9800"])

    def test_the_first_losses_in_fp32_may_be_a_hundred_thousandth_apart(self):
        close, far = {"first": 1e-6, "all": 1e-3}, {"first": 1e-3, "all": 1e-3}
        self.assertEqual(CHECK.parity_failures({"fp32": close, "bf16": far}), [])
        self.assertEqual(CHECK.parity_failures({"fp32": far}), ["the first 10 losses in fp32 are more than 1e-05 apart from the CPU's"])
        self.assertIn("| losses in fp32 against the CPU's | 1.0e-06 apart in the first steps, 1.0e-03 in 50 |",
                      table(parity={"steps": 50, "largest_relative_difference": {"fp32": close}, "failures": []}))

    def test_tests_that_fail_are_counted_and_named(self):
        brief = ("a_test.cpp:5: Failure\nValue of: false\n[  FAILED  ] Gpus/AdamTest.Steps/cuda, where GetParam() = cuda (3 ms)\n"
                 "[  FAILED  ] Linear.WorksOnCuda (0 ms)\n[==========] 9 tests from 2 test suites ran. (5 ms total)\n[  PASSED  ] 7 tests.\n")
        self.assertEqual(CHECK.gtest_results(brief), (7, ["Gpus/AdamTest.Steps/cuda", "Linear.WorksOnCuda"]))
        self.assertEqual(CHECK.gtest_results("terminate called\n"), (0, []))

    def test_every_stage_but_pytorchs_can_fail(self):
        found = {name: {"failures": [f"line of {name}"]} for name in ("tests", "parity", "training", "speed", "sanitizer")}
        found["torch"] = {"rates": [{"setting": "eager", "batch": 32, "failed": "out of memory"}], "ended": None}
        self.assertEqual(CHECK.failures(found), [f"{name}: line of {name}" for name in CHECK.STAGES if name != "torch"])
        self.assertIn("\nFAILED: tests: line of tests\n", table(**found))


class Measuring(unittest.TestCase):
    def test_what_cannot_be_measured_does_not_keep_the_rest_from_it(self):
        """On the CPU, which has no CUDA kernels to time and no bf16."""
        machine = CHECK.Machine(pathlib.Path(BAUTA).resolve().parents[1], "cpu", minutes=5)
        machine.ways = {name: CHECK.WAYS[name] for name in ("fp32", "bf16")}
        found = CHECK.measure(machine, batches=(1,))
        self.assertEqual([(step["way"], step["batch"]) for step in found["steps"]], [("fp32", 1)])
        self.assertEqual([epoch["way"] for epoch in found["epochs"]], ["fp32"])
        self.assertEqual(len(found["failures"]), 4)
        self.assertIn("bauta bench kernels --device cpu --batch 1 --json ended with 2: bauta: error: ", found["failures"][0])
        self.assertIn("| 1 | ", table(speed=found))

    def test_a_program_that_takes_too_long_leaves_what_it_said_so_far(self):
        machine = CHECK.Machine(pathlib.Path("build"), "cuda", minutes=0)
        found = machine.run("sh", "-c", "echo one; sleep 30")
        self.assertEqual((found.code, found.output, found.errors), (124, "one\n", "the time was up after 1 s"))


class WhatIsWritten(unittest.TestCase):
    def test_stages_of_an_earlier_call_stay_unless_they_are_of_another_commit(self):
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "results"
            CHECK.Results(out, dict(ABOUT)).add("tests", {"passed": 9, "failed": 0, "failures": []})
            CHECK.Results(out, dict(ABOUT)).add("torch", {"rates": [], "ended": "the time was up"})
            found = json.loads((out / "2026-01-01-cuda.json").read_text())
            self.assertEqual((found["tests"]["passed"], found["torch"]["ended"]), (9, "the time was up"))
            self.assertIn("| tests | 9 passed, 0 failed |", (out / "2026-01-01-cuda.md").read_text())
            CHECK.Results(out, {**ABOUT, "commit": "1"}).add("torch", {"rates": [], "ended": None})
            self.assertNotIn("tests", json.loads((out / "2026-01-01-cuda.json").read_text()))

    def test_the_tables_have_every_way_and_a_dash_for_what_is_not_known(self):
        launch = {"kernel": "conv2d_vendor_forward", "microseconds": 10, "multiply_adds": 1e9, "model": 0, "roof_microseconds": 5, "bound_by": "fma"}
        ceilings = {"memory": 3e12, "cache": 5e12, "multiply_adds": 3e13, "products": 4e14}
        epoch = {"batch": 32, "how": "measured", "train_seconds": 1, "val_seconds": 0.1}
        speed = {"steps": [{"way": way, "batch": 32, "images_per_second": 1e5} for way in CHECK.WAYS],
                 "epochs": [{"way": way, **epoch} for way in CHECK.WAYS],
                 "kernels": [{"way": way, "batch": 32, "ceilings": ceilings, "launches": [launch]} for way in CHECK.WAYS]}
        torch = {"rates": [{"setting": "eager", "batch": 32, "failed": "?"}, {"setting": "eager", "batch": 64, "images_per_second": 2e4}],
                 "ended": None}
        written = table(speed=speed, torch=torch)
        self.assertIn("| 32 | 100,000 | 100,000 | 100,000 | 100,000 | - |", written)
        self.assertIn("| 64 | - | - | - | - | 20,000 |", written)
        self.assertIn("| PyTorch, eager, batch 32 | failed: ? |", written)
        self.assertIn("| conv2d_vendor_forward | 10.00 | 200,000 | - | 5.00 | 50% | fma |", written)
        for way in CHECK.WAYS:
            self.assertIn(f"| {way}, measured | 32 | 1.000 | 0.100 |", written)
            self.assertIn(f"A step in {way}, batch 32", written)


if __name__ == "__main__":
    unittest.main()
