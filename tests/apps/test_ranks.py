"""bauta train on several processes: the same run as on one, and what is refused."""
import json
import math
import os
import signal
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path

from bauta_cli import BAUTA, NOT_WRITTEN, CliTest, metrics_of, read_safetensors, run

# As root, as in a container; several ranks to a core.
MPI = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
MPIRUN = ["mpirun", "--oversubscribe", "--bind-to", "none"]


class RanksTest(CliTest):
    """98 images to train on in batches of 12: the last of an epoch has 2, so that most ranks get none of it."""
    WITH_MASK, WITHOUT_MASK = 63, 60
    OPTIONS = ["--batch", 12, "--val", 0.2, "--augment", "light", "--threads", 1]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pack = cls.folder / "faces.safetensors"
        subprocess.run([BAUTA, "data", "pack", "--data", cls.faces, "--out", cls.pack], check=True, capture_output=True)

    def command(self, out, *more, data=None):
        words = [BAUTA, "train", "--data", data or self.pack, "--out", out, *self.OPTIONS, *more]
        return [str(word) for word in words]

    def start(self, command):
        """Starts a run. Its words go to files: a pipe would stay open for as long as anything that mpirun started."""
        files = [tempfile.TemporaryFile("w+", dir=self.work) for _ in range(2)]
        process = subprocess.Popen([str(word) for word in command], stdout=files[0], stderr=files[1],
                                   env={**os.environ, **MPI}, start_new_session=True)
        process.files = files
        self.addCleanup(lambda: process.poll() is None and os.killpg(process.pid, signal.SIGKILL))
        return process

    def finish(self, process):
        """Waits for the end of a run."""
        code = process.wait(timeout=120)
        words = []
        for file in process.files:
            file.seek(0)
            words.append(file.read())
            file.close()
        return subprocess.CompletedProcess(process.args, code, *words)

    def mpirun(self, ranks, out, *more, **kwargs):
        return self.finish(self.start([*MPIRUN, "-np", ranks, *self.command(out, *more, **kwargs)]))

    def one_line(self, result, *words):
        """The one line of ours on stderr, which holds the words."""
        lines = [l for l in result.stderr.splitlines() if l.startswith("bauta: ")]
        self.assertEqual(len(lines), 1, result.stderr)
        for word in words:
            self.assertIn(str(word), lines[0])
        return lines[0]

    def refused(self, command, *words, code=1, env=None):
        result = self.finish(self.start(command)) if env is None else subprocess.run(
            command, capture_output=True, text=True, env=env)
        self.assertEqual(result.returncode, code, result.stderr)
        self.one_line(result, "bauta: error: ", *words)
        return result


    # 40 steps, which end within an epoch.
    RUN = ["--epochs", 5, "--max-steps", 40, "--lr", "1e-5"]

    def assertAgreeToRounding(self, out, one):
        for step, expected in zip(metrics_of(out)[0], metrics_of(one)[0], strict=True):
            self.assertLessEqual(abs(step["loss"] - expected["loss"]), 1e-5 * expected["loss"])
        tensors, expected = (read_safetensors(run / "last.safetensors")[0] for run in [out, one])
        for name, (_, _, data) in tensors.items():
            if name.startswith("optimizer."):
                continue
            values, wanted = (struct.unpack(f"<{len(b) // 4}f", b) for b in [data, expected[name][2]])
            distance = math.sqrt(sum((a - b) ** 2 for a, b in zip(values, wanted)))
            self.assertLessEqual(distance, 1e-4 * math.sqrt(sum(b * b for b in wanted)), name)


class SameRun(RanksTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.one = cls.folder / "one"
        command = [BAUTA, "train", "--data", cls.pack, "--out", cls.one, *cls.OPTIONS, *cls.RUN]
        subprocess.run([str(word) for word in command], check=True, capture_output=True)

    def test_by_devices_it_has_the_bits_of_one_process_and_rank_0_alone_speaks(self):
        out = self.work / "two"
        result = self.finish(self.start(self.command(out, *self.RUN, "--devices", 2)))
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertRegex(result.stdout, r"^device cpu .*, 1 thread, 2 ranks\n98 images to train on, ")
        self.assertEqual(result.stdout.count("epoch 5/5"), 1)
        self.assertNotIn("\033", result.stdout)
        self.assertRegexIn(r"^epoch 5/5 ", (out / "rank-1.log").read_text())
        self.assertEqual(len(metrics_of(out)[0]), 40)
        self.assertSameRun(self.one, out)

    def test_4_and_8_ranks_of_mpirun_have_the_bits_of_one_process(self):
        for ranks in [4, 8]:
            out = self.work / str(ranks)
            result = self.mpirun(ranks, out, *self.RUN)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertSameRun(self.one, out)

    def test_3_ranks_agree_to_rounding(self):
        out = self.work / "three"
        result = self.mpirun(3, out, *self.RUN)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertAgreeToRounding(out, self.one)

    def test_a_validation_that_is_no_number_names_the_layer_that_one_process_names(self):
        run = ["--lr", "1e30", "--max-steps", 1]
        named = [self.mpirun(ranks, self.work / str(ranks), *run) for ranks in [1, 4]]
        lines = [self.one_line(result, "validation is not finite after step 1, first in ") for result in named]
        self.assertEqual(*lines)

    def test_a_run_goes_on_with_another_number_of_ranks(self):
        whole = self.mpirun(1, self.work / "whole", "--epochs", 3)
        self.assertEqual(whole.returncode, 0)
        self.assertNotIn("\033", whole.stdout)
        for before, after in [(2, 1), (1, 2)]:
            out = self.work / f"{before}-{after}"
            for ranks, options in [(before, ["--epochs", 1]), (after, ["--epochs", 3, "--resume"])]:
                result = self.mpirun(ranks, out, *options)
                self.assertEqual(result.returncode, 0, result.stderr)
            self.assertSameTensors(self.work / "whole/last.safetensors", out / "last.safetensors")
            self.assertEqual(metrics_of(self.work / "whole")[0], metrics_of(out)[0])

    def test_all_ranks_take_over_what_rank_0_finds_in_the_folder(self):
        out = self.work / "run"
        self.assertEqual(self.mpirun(2, out, "--seed", 3).returncode, 0)
        killed = self.as_killed_before_its_first_checkpoint(out)
        result = self.finish(self.start([*MPIRUN, "-np", 2, BAUTA, "train", "--data", self.pack, "--out", killed, "--resume"]))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegexIn("^as the run was started: .*--batch.*--seed", result.stdout)
        self.assertSameTensors(out / "last.safetensors", killed / "last.safetensors")


class OutputThatFails(RanksTest):
    def test_ranks_end_well_but_for_what_could_not_be_printed(self):
        for name, output in self.outputs_that_fail().items():
            with self.subTest(name):
                result = run(*self.command(self.work / name, "--epochs", 2, "--devices", 2)[1:], **output)
                self.assertEqual((result.returncode, result.stderr), (1, NOT_WRITTEN))
                self.assertEqual(len(metrics_of(self.work / name)[1]), 2)

    def test_an_output_for_words_and_errors_that_nobody_reads_stops_no_rank(self):
        pipe = self.outputs_that_fail()["not read"]["stdout"]
        result = run(*self.command(self.work / "run", "--epochs", 2, "--devices", 2)[1:], stdout=pipe, stderr=pipe)
        self.assertEqual(result.returncode, 1)
        self.assertEqual(len(metrics_of(self.work / "run")[1]), 2)


class Refusals(RanksTest):
    def test_a_batch_smaller_than_the_number_of_ranks(self):
        small = self.command(self.work / "run", "--batch", 1)
        small.remove("12"), small.remove("--batch")
        self.refused([*small, "--devices", 2], "a batch of 1 cannot be shared among 2 ranks", "--batch", code=2)
        self.refused([*MPIRUN, "-np", 2, *small], "a batch of 1 cannot be shared among 2 ranks", "--batch", code=2)

    def test_no_mpirun(self):
        self.refused(self.command(self.work / "run", "--devices", 2), "mpirun", "install openmpi-bin",
                     env={"PATH": "/nowhere"})

    def test_an_mpirun_that_starts_nothing(self):
        fake = self.work / "mpirun"
        fake.write_text("#!/bin/sh\nexit 7\n")
        fake.chmod(0o755)
        self.refused(self.command(self.work / "run", "--devices", 2), "exit code 7 before any rank",
                     env={"PATH": str(self.work)})

    def test_ranks_that_cannot_meet_say_so_alone(self):
        fake = self.work / "mpirun"
        fake.write_text('#!/bin/sh\nwhile [ "$1" != BAUTA_STARTER ]; do shift; done; shift\nPMI_SIZE=2 PMI_RANK=0 exec "$@"\n')
        fake.chmod(0o755)
        self.refused(self.command(self.work / "run", "--devices", 2), "2 processes were started that cannot find each other",
                     env={"PATH": str(self.work)})

    def test_devices_other_than_mpiruns(self):
        self.refused([*MPIRUN, "-np", 2, *self.command(self.work / "run", "--devices", 3)], "--devices 3",
                     "mpirun -np 2", code=2)

    def test_a_launcher_of_another_mpi(self):
        self.refused(self.command(self.work / "run"), "2 processes were started", "Open MPI's mpirun", code=2,
                     env={"PMI_SIZE": "2", "PMI_RANK": "0"})

    def test_srun_without_pmix(self):
        command = self.command(self.work / "run")
        env = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0"}
        self.refused(command, "2 processes were started", "srun --mpi=pmix", code=2, env=env)
        other = subprocess.run(command, capture_output=True, text=True, env={**env, "SLURM_PROCID": "1"})
        self.assertEqual((other.returncode, other.stderr), (2, ""))

    def test_a_rank_with_other_options_or_data_is_named(self):
        copy = self.copy_of_faces()
        self.images(copy)[0].unlink()
        for other, data, words in [(["--seed", 7], None, ["the seed 7, rank 0 has 0"]),
                                   (["--lr", "1e-3"], None, ["the lr "]),
                                   (["--resume"], None, ["--resume, rank 0 has no --resume", "give it to all ranks, or to none"]),
                                   ([], copy, ["the data ", "bauta data pack"])]:
            with self.subTest(words=words):
                mine = self.command(self.work / "run")
                theirs = self.command(self.work / "run", *other, data=data)
                self.refused([*MPIRUN, "-np", "1", *mine, ":", "-np", "1", *theirs],
                             f"rank 1 on host {os.uname().nodename} has ", *words)
                self.assertFalse((self.work / "run").exists())

    def test_a_failure_of_one_rank_alone_names_it(self):
        mine = self.command(self.work / "run")
        theirs = self.command(self.work / "run", data=self.work / "nothing")
        self.refused([*MPIRUN, "-np", "1", *mine, ":", "-np", "1", *theirs],
                     f"rank 1 on host {os.uname().nodename}: ", self.work / "nothing")

    def test_a_failure_of_all_ranks_is_one_line(self):
        self.refused(self.command(self.work / "run", "--devices", 2, data=self.work / "nothing"), self.work / "nothing")
        self.refused(self.command(self.work / "run", "--devices", 2, "--lr", "1e30"), "the loss is not finite at step")

    def test_a_folder_that_is_not_empty(self):
        (self.work / "run").mkdir()
        (self.work / "run/thesis.txt").write_text("years")
        self.refused(self.command(self.work / "run", "--devices", 2), self.work / "run", code=2)
        self.assertEqual([p.name for p in (self.work / "run").iterdir()], ["thesis.txt"])


class RanksOnGpus(RanksTest):
    def setUp(self):
        super().setUp()
        devices = json.loads(run("info", "--json").stdout)["devices"]
        if len(devices) < 3:  # the CPU and two GPUs
            self.skipTest("there is no GPU beside another")

    def test_2_agree_with_one_to_rounding_and_go_on_as_one(self):
        one, two = self.work / "one", self.work / "two"
        for out, devices in [(one, 1), (two, 2)]:
            result = self.finish(self.start(self.command(out, *self.RUN, "--device", "cuda", "--devices", devices)))
            self.assertEqual(result.returncode, 0, result.stderr)
        self.assertAgreeToRounding(two, one)
        more = self.finish(self.start(self.command(two, "--device", "cuda", "--resume")))
        self.assertEqual(more.returncode, 0, more.stderr)


class GpusThatAreMissing(RanksTest):
    def setUp(self):
        super().setUp()
        self.info = run("info", "--device", "cuda")
        if self.info.returncode == 0:
            self.skipTest("there is no GPU missing here, which this is about")

    def test_are_refused_to_a_run(self):
        self.refused(self.command(self.work / "run", "--device", "cuda", "--devices", 2), "(--device cuda)",
                     "or use --device cpu")

    def test_are_marked_as_projected_with_what_was_assumed(self):
        result = run("bench", "epoch", "--devices", "cuda:8", "--steps", 5)
        self.assertRegex(result.stdout, r"\ncuda:8 .* PROJECTED, not measured: 8 x this cpu\n")
        why = self.info.stderr.removeprefix("bauta: error: ").split(" (--device")[0]
        self.assertIn(f"\ncuda:8 is projected, as it is not here ({why}): ", result.stdout)
        self.assertRegex(result.stdout, r"\ncuda:8 is projected, .* both assumed\n")
        self.assertIn("study, best epoch", result.stdout)


class BenchEpoch(unittest.TestCase):
    def test_the_parts_of_an_epoch_add_up_and_ranks_are_set_against_one_and_the_model(self):
        result = run("bench", "epoch", "--devices", "cpu,cpu:2,cuda:8", "--steps", 5, "--threads", 1, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        found = json.loads(result.stdout)
        self.assertEqual([row["epoch_seconds"] for row in found["study"]], [[300, 500], [30, 90], [36, 36]])
        one, two, eight = found["rows"]
        for row in found["rows"]:
            self.assertAlmostEqual(row["train_seconds"] + row["val_seconds"], row["epoch_seconds"])
            self.assertAlmostEqual(row["images_per_second"] * row["epoch_seconds"], 95000)
            self.assertIsNone(row["val_acc"])
        self.assertIsNone(one["efficiency"])
        self.assertAlmostEqual(two["efficiency"], one["epoch_seconds"] / 2 / two["epoch_seconds"])
        self.assertEqual([row["measured"] for row in found["rows"]],
                         [row["how"].startswith("measured, ") for row in found["rows"]])
        self.assertEqual([row["how"] for row in [one, two]], ["measured, 5 of 2,672 steps"] * 2)
        self.assertGreater(two["sums_ms"], 0)
        self.assertGreaterEqual(two["waited_ms"], 0)
        self.assertEqual([(s["ranks"], s["threads"]) for s in found["scaling"]], [(1, 1), (2, 1)])
        self.assertTrue(0 < found["scaling"][1]["speed_up"] < 100 and found["scaling"][1]["fma_speed_up"] > 0)

    def test_nothing_is_left_among_the_temporary_files(self):
        with tempfile.TemporaryDirectory() as folder:
            result = run("bench", "epoch", "--devices", "cpu:2", "--steps", 1, "--threads", 1,
                         env={**os.environ, "TMPDIR": folder})
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual([name for name in os.listdir(folder) if name.startswith("bauta")], [])

    def test_ctrl_c_stops_its_ranks(self):
        process = subprocess.Popen([BAUTA, "bench", "epoch", "--devices", "cpu:2", "--threads", "1"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        ranks = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        while not ranks.read_text():
            self.assertIsNone(process.poll())
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
        self.assertEqual((process.returncode, stdout), (130, ""), stderr)
        self.assertEqual(stderr.splitlines()[-1], "bauta: error: stopped, and measured nothing: start it again")

    def test_no_folder_for_temporary_files(self):
        result = run("bench", "epoch", "--devices", "cpu:2", "--steps", 1, env={**os.environ, "TMPDIR": "/nowhere"})
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertRegex(result.stderr, r"bauta: error: there is no folder for temporary files: [^\n]+ \(TMPDIR\): set it to [^\n]+\n$")

    def test_ranks_share_the_cores_unless_their_threads_are_given(self):
        # What is to be measured is said before there is a folder to measure in.
        environment = {**os.environ, "TMPDIR": "/nowhere"}
        cores = sorted(os.sched_getaffinity(0))
        for used in {1, min(3, len(cores)), len(cores)}:
            for ranks in [2, 3]:
                for options, threads in [((), max(1, used // ranks)), (("--threads", 3), 3)]:
                    with self.subTest(cores=used, ranks=ranks, options=options):
                        result = run("bench", "epoch", "--devices", f"cpu:{ranks}", *options, env=environment,
                                     preexec_fn=lambda: os.sched_setaffinity(0, cores[:used]))
                        self.assertEqual(result.returncode, 1, result.stderr)
                        self.assertEqual(result.stderr.splitlines()[0],
                                         f"measuring {ranks} ranks of {threads} thread{'s' * (threads > 1)} on cpu")

    def test_all_of_an_epoch_has_no_number_of_steps(self):
        result = run("bench", "epoch", "--full", "--steps", 5)
        self.assertEqual(result.returncode, 2)
        self.assertEqual(result.stderr, "bauta: error: --steps excludes --full (bauta bench epoch): see bauta bench epoch --help\n")

    def test_what_is_no_list_of_devices(self):
        for devices, batch in [("gpu", 32), ("cpu:9", 32), ("cpu:x", 32), ("cpu:3", 2)]:
            result = run("bench", "epoch", "--devices", devices, "--batch", batch)
            self.assertEqual(result.returncode, 2, result.stderr)
            self.assertRegex(result.stderr, r"^bauta: error: [^\n]+: use [^\n]+\n$")
