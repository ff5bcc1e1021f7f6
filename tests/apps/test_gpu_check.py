"""scripts/gpu/check: what it calls a failure, and that one does not cost it the rest."""
import contextlib
import importlib.machinery
import importlib.util
import io
import json
import os
import pathlib
import subprocess
import tempfile
import unittest
from unittest import mock

from bauta_cli import BAUTA, ROOT


def load_script():
    loader = importlib.machinery.SourceFileLoader("gpu_check", str(ROOT / "scripts/gpu/check"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("gpu_check", loader))
    loader.exec_module(module)
    return module


CHECK = load_script()
NCU = (ROOT / "tests/fixtures/counters/ncu.csv").read_text()  # 7 launches of a step in bf16, the last two of it first
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

    def test_losses_are_as_far_apart_as_the_farthest_step_among_the_first_and_among_all(self):
        losses = [1.0] * 12
        losses[3], losses[10] = 1.25, 0.5
        self.assertEqual(CHECK.how_far_apart([2 * loss for loss in losses], [2.0] * 12), {"first": 0.25, "all": 0.5})

    def test_tests_that_fail_are_counted_and_named(self):
        brief = ("a_test.cpp:5: Failure\nValue of: false\n[  FAILED  ] Gpus/AdamTest.Steps/cuda, where GetParam() = cuda (3 ms)\n"
                 "[  FAILED  ] Linear.WorksOnCuda (0 ms)\n[==========] 9 tests from 2 test suites ran. (5 ms total)\n[  PASSED  ] 7 tests.\n")
        self.assertEqual(CHECK.gtest_results(brief), (7, ["Gpus/AdamTest.Steps/cuda", "Linear.WorksOnCuda"]))
        self.assertEqual(CHECK.gtest_results("terminate called\n"), (0, []))

    def test_a_suite_that_crashes_is_a_failure_beside_the_tests_that_failed_before(self):
        with tempfile.TemporaryDirectory() as folder:
            program = pathlib.Path(folder) / "a_test"
            program.write_text("#!/bin/sh\n"
                               'case "$1" in *Linear*) echo "[  FAILED  ] Linear.WorksOnCuda (0 ms)" ;; esac\n'
                               "echo Segmentation fault >&2\nexit 139\n")
            program.chmod(0o755)
            found = CHECK.run_suites(CHECK.Machine(pathlib.Path(folder), "cuda", minutes=1), [(program, "Adam."), (program, "Linear.")])
        self.assertEqual(found, {"passed": 0, "failed": 3, "failures": [
            "a_test: Adam. exit 139: Segmentation fault", "a_test: Linear. Linear.WorksOnCuda; exit 139: Segmentation fault"]})

    def test_the_exit_code_says_whether_something_failed(self):
        for failures, code in (([], 0), (["tests: line of tests"], 1)):
            results = CHECK.Results(pathlib.Path("never-made"), {**ABOUT, "failures": failures})
            with mock.patch.object(CHECK, "check", return_value=results), mock.patch("sys.argv", ["check", "--build", "build"]), \
                 contextlib.redirect_stdout(io.StringIO()), self.assertRaises(SystemExit) as end:
                CHECK.main()
            self.assertEqual(end.exception.code, code)

    def test_every_stage_but_pytorchs_can_fail(self):
        found = {name: {"failures": [f"line of {name}"]} for name in ("tests", "parity", "ranks", "training", "speed", "counters", "sanitizer")}
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

    def test_epochs_and_kernels_are_measured_for_the_studys_batch_and_for_our_fastest(self):
        speeds = {32: 1e5, 128: 3e5, 512: 2e5}

        def bauta(_, *arguments):
            return json.dumps({"images_per_second": speeds[arguments[arguments.index("--batch") + 1]], "rows": [{}]})

        machine = CHECK.Machine(pathlib.Path("build"), "cuda", minutes=1)
        machine.ways = {name: CHECK.WAYS[name] for name in ("fp32", "vendor")}
        with mock.patch.object(machine, "bauta", bauta):
            found = CHECK.measure(machine, batches=(32, 128, 512))
        for measured in ("epochs", "kernels"):
            self.assertEqual([(row["way"], row["batch"]) for row in found[measured]], [("fp32", 32), ("fp32", 128), ("vendor", 32)])
        self.assertEqual(found["failures"], [])

    def test_ranks_are_held_against_the_cpu(self):
        """Ranks on the CPU, which have its bits."""
        machine = CHECK.Machine(pathlib.Path(BAUTA).resolve().parents[1], "cpu", minutes=5)
        machine.ways = {"fp32": ()}
        with tempfile.TemporaryDirectory() as folder:
            found = CHECK.check_ranks(machine, pathlib.Path(folder), CHECK.SCALES["simt"])
        self.assertEqual((found["largest_relative_difference"], found["failures"]), ({"fp32": {"first": 0, "all": 0}}, []))
        self.assertIn("| losses of 2 ranks in fp32 against the CPU's | 0.0e+00 apart in the first steps, 0.0e+00 in 1 |", table(ranks=found))

    def test_an_epoch_on_all_gpus_is_measured_beside_one_gpus(self):
        asked = []

        def bauta(*arguments):
            asked.append(arguments[arguments.index("--devices") + 1])
            return json.dumps({"rows": [{"devices": name, "how": "measured", "train_seconds": 1, "val_seconds": 2} for name in ("cuda:1", "cuda:8")]})

        machine = CHECK.Machine(pathlib.Path("build"), "cuda", minutes=1)
        machine.ways = {name: CHECK.WAYS[name] for name in ("bf16", "vendor")}
        with mock.patch.object(machine, "bauta", bauta), mock.patch.object(CHECK, "first_losses", return_value=[1.0]):
            self.assertEqual(CHECK.check_ranks(machine, None, None), {"skipped": "one GPU"})
            machine.gpus = 9
            self.assertEqual(CHECK.check_ranks(machine, None, None), {"skipped": "no NCCL in this build"})
            machine.has_nccl = True
            found = CHECK.check_ranks(machine, None, None)
        self.assertEqual((set(asked), found["failures"]), ({"cuda:1,cuda:8"}, []))
        self.assertIn("| bf16, cuda:8, measured | 2048 | 1.000 | 2.000 |", table(ranks=found))

    def test_a_program_that_takes_too_long_leaves_what_it_said_so_far(self):
        machine = CHECK.Machine(pathlib.Path("build"), "cuda", minutes=0)
        found = machine.run("sh", "-c", "echo one; sleep 30")
        self.assertEqual((found.code, found.output, found.errors), (124, "one\n", "the time was up after 1 s"))


def estimates():
    """What simt counts of the fixture's step, in its order: what goes on beside the rest comes before the optimiser."""
    launches = (("gather_images", "30x32x1", "256x1x1", 5160960), ("conv_relu_pool_forward", "528x1x1", "128x1x1", 20685824),
                ("linear_forward", "1x64x1", "128x1x1", 25313280), ("linear_dgrad", "1x64x1", "128x1x1", 206848),
                ("conv_relu_pool_wgrad", "528x1x1", "128x1x1", 27082496), ("linear_wgrad", "1x64x1", "128x1x1", 238624),
                ("adam", "2143x1x1", "256x1x1", 63062816))
    return [{"kernel": kernel, "grid": grid, "block": block, "beside": kernel == "linear_wgrad", "requested": 1.0, "sectors": sectors,
             "model": 5e6, "floor": 4e6, "roof_microseconds": 1.5} for kernel, grid, block, sectors in launches]


class Counters(unittest.TestCase):
    def ncus(self, joined):
        return [launch["ncu"] and launch["ncu"]["kernel"].split("<")[0].split("::")[-1].split("(")[0] for launch in joined]

    def test_launches_are_read_in_bytes_microseconds_and_per_cent(self):
        launches = CHECK.read_launches(NCU)
        self.assertEqual(len(launches), 7)
        self.assertEqual({**launches[2], "kernel": "copy"},
                         {"kernel": "copy", "grid": "30x32x1", "block": "256x1x1", "microseconds": 3.648, "memory": 965632,
                          "loads": 32 * 41280, "stores": 32 * 120000, "cache": 32 * 255000, "warps_active": 68.15})

    def test_each_launch_finds_its_counters_wherever_ncu_began(self):
        launches = CHECK.read_launches(NCU)
        expected = ["copy_images", "forward_patches_kernel", "mma_product", "mma_product", "wgrad_patches_kernel", "mma_product", "adam"]
        for first in range(len(launches)):
            ncu_saw = launches[first:] + launches[:first]
            joined = CHECK.join(estimates(), ncu_saw + ncu_saw[:3])
            self.assertEqual(self.ncus(joined), expected)
            self.assertEqual([joined[i]["ncu"]["microseconds"] for i in (2, 3, 5)], [15.84, 4.48, 4.864])
            self.assertEqual(CHECK.without_counters(joined), [])

    def test_of_launches_that_look_alike_none_is_taken_for_another(self):
        launches = CHECK.read_launches(NCU)
        del launches[-3]  # linear_forward, which shares its grid with two others
        joined = CHECK.join(estimates(), launches)
        self.assertEqual(CHECK.without_counters(joined), [f"linear_{name} (1x64x1 blocks of 128x1x1)" for name in ("forward", "dgrad", "wgrad")])
        self.assertEqual(len(CHECK.without_counters(CHECK.join(estimates(), []))), 7)

    def test_where_ncu_saw_a_launch_too_many_none_of_those_that_look_alike_has_counters(self):
        launches = CHECK.read_launches(NCU)
        adam = next(i for i, launch in enumerate(launches) if launch["grid"] == "2143x1x1")
        launches[adam] = next(launch for launch in launches if launch["grid"] == "1x64x1")
        self.assertEqual(self.ncus(CHECK.join(estimates(), launches)),
                         ["copy_images", "forward_patches_kernel", None, None, "wgrad_patches_kernel", None, None])

    def test_a_table_that_is_none_is_refused(self):
        lines = NCU.splitlines()
        for broken, why in (("", "it counted nothing: no output"),
                            ("==PROF== Connected\n==ERROR== ERR_NVGPUCTRPERM - no permission\n", "it counted nothing: ==ERROR== ERR_NVGPUCTRPERM - no permission"),
                            ("\n".join(lines[:-1]), "lacks sm__warps_active"),
                            (NCU.rstrip()[:-30], "a line of its table is not whole"),
                            (NCU.replace('"17,024"', '"n/a"'), "could not convert string to float: 'n/a'"),
                            (NCU.replace('"ns"', '"us"'), "gpu__time_duration.sum is in us, not ns")):
            with self.assertRaises(ValueError) as error:
                CHECK.read_launches(broken)
            self.assertIn(why, str(error.exception))

    def stage(self, ncu, precisions=("bf16",)):
        """What the stage finds where bauta prints the estimates and ncu is this shell script; and what ncu was asked for."""
        with tempfile.TemporaryDirectory() as folder:
            build = pathlib.Path(folder)
            (build / "apps").mkdir()
            (build / "estimates").write_text(json.dumps({"batch": 32, "gpu": "h100", "launches": estimates()}))
            (build / "table").write_text(NCU)
            for name, script in (("apps/bauta", 'cat "${0%/*}/../estimates"'), ("ncu", f'cd "${{0%/*}}"; echo "$@" >asked\n{ncu}')):
                (build / name).write_text(f"#!/bin/sh\n{script}\n")
                (build / name).chmod(0o755)
            machine = CHECK.Machine(build, "cuda", minutes=1)
            machine.ways = {name: CHECK.WAYS[name] for name in (*precisions, "vendor")}
            with mock.patch.dict(os.environ, PATH=f"{folder}:{os.environ['PATH']}"):
                found = CHECK.count_launches(machine, build, CHECK.SCALES["cuda"])
            return found, (build / "asked").read_text()

    def test_ncu_is_asked_for_a_whole_step_of_each_of_our_ways(self):
        found, asked = self.stage("cat table", ("fp32", "bf16"))
        self.assertEqual((list(found["steps"]), found["left_out"], found["failures"]), (["fp32", "bf16"], [], []))
        self.assertIn("--launch-skip 14 --launch-count 7 --kill yes", asked)
        self.assertIn("bench train --device cuda --precision bf16 --batch 32", asked)
        written = table(counters=found)
        self.assertIn("A step in bf16, batch 32, launch by launch: estimates of simt", written)
        self.assertIn("| gather_images | 30x32x1 | 5.161 | 5.000 | 5.161 | 8.160 | 0.966 | 4.000 | 3.65 | 1.50 | 68 |", written)

    def test_a_launch_without_counters_is_a_failure_that_names_it(self):
        found, _ = self.stage("grep -v 2143 table")
        self.assertEqual(found["failures"], ["bf16: ncu has no counters of adam (2143x1x1 blocks of 256x1x1)"])
        written = table(counters=found)
        self.assertIn("\nFAILED: counters: bf16: ncu has no counters of adam (2143x1x1 blocks of 256x1x1)\n", written)
        self.assertIn("| adam | 2143x1x1 | 63.063 | 5.000 | - | - | - | 4.000 | - | 1.50 | - |", written)

    def test_an_ncu_that_cannot_count_is_reported_and_no_failure(self):
        found, _ = self.stage("echo '==ERROR== ERR_NVGPUCTRPERM - no permission'; exit 1")
        self.assertEqual(found, {"steps": {}, "left_out": ["bf16: ncu ended with 1: it counted nothing: ==ERROR== ERR_NVGPUCTRPERM - no permission"], "failures": []})
        self.assertIn("| ncu's counters | left out: bf16: ncu ended with 1: it counted nothing", table(counters=found))

    def test_without_ncu_or_a_gpu_nothing_is_counted(self):
        with mock.patch.object(CHECK.shutil, "which", return_value=None):
            for device, why in (("cuda", "no ncu"), ("simt", "no GPU")):
                found = CHECK.count_launches(CHECK.Machine(pathlib.Path("build"), device, minutes=1), None, None)
                self.assertEqual(found, {"skipped": why})
        self.assertIn("| counters | not done: no ncu |", table(counters={"skipped": "no ncu"}))


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

    def test_of_two_changed_trees_nobody_knows_whether_they_are_alike(self):
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder)
            for stage in ("tests", "torch"):
                CHECK.Results(out, {**ABOUT, "commit": "1-dirty"}).add(stage, {"passed": 9, "failed": 0, "failures": [], "rates": [], "ended": None})
            self.assertNotIn("tests", json.loads((out / "2026-01-01-cuda.json").read_text()))

    def test_a_pack_replaces_no_folder_that_is_not_its_own(self):
        with tempfile.TemporaryDirectory() as folder:
            mine = pathlib.Path(folder) / "mine"
            mine.write_text("kept")
            result = subprocess.run([ROOT / "scripts/gpu/pack", folder], capture_output=True, text=True)
            self.assertEqual(result.returncode, 1)
            self.assertIn(f"pack: error: {folder} is not one of mine", result.stderr)
            self.assertEqual(mine.read_text(), "kept")

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
