"""bauta train on several processes: the same run as on one, faults, and what is refused."""
import ctypes
import errno
import json
import math
import os
import re
import signal
import struct
import subprocess
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from bauta_cli import BAUTA, CliTest, metrics_of, read_safetensors, run

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


class SameRun(RanksTest):
    # 40 steps, which end within an epoch.
    RUN = ["--epochs", 5, "--max-steps", 40, "--lr", "1e-5"]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.one = cls.folder / "one"
        command = [BAUTA, "train", "--data", cls.pack, "--out", cls.one, *cls.OPTIONS, *cls.RUN]
        subprocess.run([str(word) for word in command], check=True, capture_output=True)

    def assert_same_bits(self, out):
        for file in ["best.safetensors", "last.safetensors"]:
            self.assertSameTensors(self.one / file, out / file)
        steps, epochs = metrics_of(out)
        expected_steps, expected_epochs = metrics_of(self.one)
        self.assertEqual(steps, expected_steps)
        for epoch in epochs + expected_epochs:
            del epoch["seconds"], epoch["images_per_second"]
        self.assertEqual(epochs, expected_epochs)

    def test_by_devices_it_has_the_bits_of_one_process_and_rank_0_alone_speaks(self):
        out = self.work / "two"
        result = self.finish(self.start(self.command(out, *self.RUN, "--devices", 2)))
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertRegex(result.stdout, r"^device cpu .*, 1 thread, 2 ranks\n98 images to train on, ")
        self.assertEqual(result.stdout.count("epoch 5/5"), 1)
        self.assertNotIn("\033", result.stdout)
        self.assertRegexIn(r"^epoch 5/5 ", (out / "rank-1.log").read_text())
        self.assertEqual(len(metrics_of(out)[0]), 40)
        self.assert_same_bits(out)

    def test_4_and_8_ranks_of_mpirun_have_the_bits_of_one_process(self):
        for ranks in [4, 8]:
            out = self.work / str(ranks)
            result = self.mpirun(ranks, out, *self.RUN)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assert_same_bits(out)

    def test_3_ranks_agree_to_rounding(self):
        out = self.work / "three"
        result = self.mpirun(3, out, *self.RUN)
        self.assertEqual(result.returncode, 0, result.stderr)
        for step, expected in zip(metrics_of(out)[0], metrics_of(self.one)[0], strict=True):
            self.assertLessEqual(abs(step["loss"] - expected["loss"]), 1e-5 * expected["loss"])
        tensors, expected = (read_safetensors(run / "last.safetensors")[0] for run in [out, self.one])
        for name, (_, _, data) in tensors.items():
            if name.startswith("optimizer."):
                continue
            values, wanted = (struct.unpack(f"<{len(b) // 4}f", b) for b in [data, expected[name][2]])
            distance = math.sqrt(sum((a - b) ** 2 for a, b in zip(values, wanted)))
            self.assertLessEqual(distance, 1e-4 * math.sqrt(sum(b * b for b in wanted)), name)

    def test_a_validation_that_is_no_number_names_the_layer_that_one_process_names(self):
        run = ["--lr", "1e30", "--max-steps", 1]
        named = [self.mpirun(ranks, self.work / str(ranks), *run) for ranks in [1, 4]]
        lines = [self.one_line(result, "validation is not a number after step 1, first in ") for result in named]
        self.assertEqual(*lines)

    def test_a_run_goes_on_with_another_number_of_ranks(self):
        self.assertEqual(self.mpirun(1, self.work / "whole", "--epochs", 3).returncode, 0)
        for before, after in [(2, 1), (1, 2)]:
            out = self.work / f"{before}-{after}"
            for ranks, options in [(before, ["--epochs", 1]), (after, ["--epochs", 3, "--resume"])]:
                result = self.mpirun(ranks, out, *options)
                self.assertEqual(result.returncode, 0, result.stderr)
            self.assertSameTensors(self.work / "whole/last.safetensors", out / "last.safetensors")
            self.assertEqual(metrics_of(self.work / "whole")[0], metrics_of(out)[0])


def environment_of(pid):
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return dict(item.split(b"=", 1) for item in file.read().split(b"\0") if b"=" in item)
    except OSError:
        return {}


def rank_of(folder, rank, seconds=60):
    """The process that is this rank of the run that writes `folder`, once it has a checkpoint."""
    until = time.monotonic() + seconds
    while not (folder / "last.safetensors").exists():
        assert time.monotonic() < until, "no checkpoint"
        time.sleep(0.05)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if words[0] == BAUTA.encode() and str(folder).encode() in words:
            environment = environment_of(pid)
            numbers = [environment.get(name, b"").split(b" ")[0]
                       for name in [b"OMPI_COMM_WORLD_RANK", b"SLURM_PROCID", b"BAUTA_PEERS"]]
            if str(rank).encode() in numbers:
                return int(pid)
    raise AssertionError(f"no rank {rank}")


def kill(pid):
    os.kill(pid, signal.SIGKILL)


def stop(pid):
    os.kill(pid, signal.SIGSTOP)


def ptrace(request, pid):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(ctypes.c_long(request), ctypes.c_long(pid), None, None) == 0:
        return
    error = ctypes.get_errno()
    if error == errno.EPERM:
        raise unittest.SkipTest("a thread cannot be stopped here: no permission")
    raise OSError(error, os.strerror(error))


def convolutions():
    """Where the program's convolutions lie: pairs of addresses, before it is loaded."""
    symbols = subprocess.run(["nm", "--demangle", "--print-size", "--defined-only", BAUTA],
                             check=True, capture_output=True, text=True).stdout
    found = re.findall(r"^(\w+) (\w+) [TtW] .*conv_relu_pool::", symbols, flags=re.M)
    return [(int(begin, 16), int(begin, 16) + int(size, 16)) for begin, size in found]


def address_of(pid):
    """Where in the program the first thread of a stopped process is; None in a system call, such as one that waits."""
    with open(f"/proc/{pid}/task/{pid}/syscall") as file:
        words = file.read().split()
    with open(f"/proc/{pid}/maps") as file:
        loaded = next(int(line.split("-")[0], 16) for line in file if line.rstrip().endswith(BAUTA))
    return int(words[2], 16) - loaded if words[0] == "-1" else None


def hang(pid):
    """Stops the first thread of a process in a convolution, while the others go on, until the process ends."""
    seize, interrupt, go_on = 0x4206, 0x4207, 7
    places = convolutions()
    ptrace(seize, pid)
    until = time.monotonic() + 60
    while True:
        assert places and time.monotonic() < until, "the rank is never in a convolution"
        ptrace(interrupt, pid)
        os.waitpid(pid, 0)
        at = address_of(pid)
        if at is not None and any(begin <= at < end for begin, end in places):
            break
        ptrace(go_on, pid)
        time.sleep(0.001)
    until = time.monotonic() + 100
    while os.waitpid(pid, os.WNOHANG) == (0, 0):  # its parent learns of the end only after its tracer
        assert time.monotonic() < until, "a rank hangs and nobody notices"
        time.sleep(0.1)


# What is said of a rank that each befalls. The limit of a batch grows with how long they take.
FAULTS = {kill: "died", stop: "hangs: nothing was heard of it for 10 s",
          hang: r"hangs: it has finished no batch for (\d+) s"}


class StrikesTest(RanksTest):
    RUN = ["--epochs", 300, "--lr", "1e-3", "--save-every", 5]

    def strike(self, rank, fault, launcher):
        """Starts a run, has the fault befall one of its ranks once there is a checkpoint, and waits for the end."""
        out = self.work / f"{launcher}-{fault.__name__}-{rank}"
        devices = self.command(out, *self.RUN, "--devices", 2)
        process = self.start(devices if launcher == "devices"
                             else [*MPIRUN, "-np", "2", *self.command(out, *self.RUN)])
        pid = rank_of(out, rank)
        began = time.monotonic()
        fault(pid)
        result = self.finish(process)
        took = time.monotonic() - began
        self.assertNotEqual(result.returncode, 0)
        line = self.one_line(result)
        host = re.escape(os.uname().nodename)
        said = re.search(rf"bauta: error: rank {rank} {FAULTS[fault]} \(host {host}\): go on with: ", line)
        self.assertTrue(said, line)
        self.assertLess(took, 10 + int(said[1]) if fault is hang else 30)
        command = line.split("go on with: ")[1]
        again = " ".join(["bauta", *devices[1:]]) if launcher == "devices" else "mpirun -np 2 bauta train "
        self.assertTrue(command.startswith(again) and command.endswith(" --resume"), line)
        read_safetensors(out / "last.safetensors")


class FaultsTest:
    """Faults, whoever started the ranks."""
    def test_a_rank_that_is_killed_or_stopped_ends_the_run_within_30_s_with_one_line(self):
        cases = [(rank, fault, launcher) for launcher in self.LAUNCHERS for fault in [kill, stop] for rank in [0, 1]]
        with ThreadPoolExecutor(len(cases)) as pool:  # they mostly wait
            strikes = [(case, pool.submit(self.strike, *case)) for case in cases]
        for case, strike in strikes:
            with self.subTest(case=case):
                strike.result()

    def test_when_the_process_that_started_the_ranks_dies_they_end_too(self):
        out = self.work / "run"
        process = self.start(self.command(out, *self.RUN, "--devices", 2))
        rank = rank_of(out, 0)
        process.kill()
        until = time.monotonic() + 30
        while environment_of(rank) and time.monotonic() < until:
            time.sleep(0.1)
        self.assertEqual(environment_of(rank), {})
        error = process.files[1]
        while os.fstat(error.fileno()).st_size == 0 and time.monotonic() < until:  # mpirun may still hold the line
            time.sleep(0.1)
        self.one_line(self.finish(process), "bauta: error: the process that started the ranks died")

    def test_a_signal_stops_all_ranks_with_a_checkpoint(self):
        out = self.work / "run"
        process = self.start(self.command(out, *self.RUN, "--devices", 2))
        rank_of(out, 0)
        process.send_signal(signal.SIGINT)
        result = self.finish(process)
        self.assertEqual(result.returncode, 130, result.stderr)
        self.assertRegexIn(r"^stopped after step \d+; the checkpoint is ", result.stdout)
        self.assertRegexIn(r"^go on with: bauta train .* --devices 2 --resume$", result.stdout)


class Faults(FaultsTest, StrikesTest):
    LAUNCHERS = ["devices", "mpirun"]

    def test_a_rank_whose_memory_runs_out_says_so_before_another_says_that_it_died(self):
        command = self.command(self.work / "run", *self.RUN)
        command[command.index("--batch") + 1] = "2048"
        small = ["sh", "-c", 'ulimit -v 1000000; exec "$@"', "sh"]
        result = self.finish(self.start([*MPIRUN, "-np", 1, *command, ":", "-np", 1, *small, *command]))
        self.assertNotEqual(result.returncode, 0)
        lines = [l for l in result.stderr.splitlines() if l.startswith("bauta: ")]
        self.assertEqual(len(lines), 2, result.stderr)
        self.assertEqual(lines[0], "bauta: error: there is not enough memory: use a smaller --batch, or a machine with more")
        self.assertIn("bauta: error: rank 1 died", lines[1])

    def test_a_run_whose_rank_was_killed_goes_on_to_the_bits_of_one_that_was_not(self):
        run = ["--epochs", 12, "--lr", "1e-3", "--save-every", 5]
        self.ok(*self.command(self.work / "whole", *run)[1:])
        process = self.start(self.command(self.work / "killed", *run, "--devices", 2))
        os.kill(rank_of(self.work / "killed", 0), signal.SIGKILL)
        line = self.one_line(self.finish(process))
        command = line.split("go on with: bauta ")[1].split()
        self.assertEqual(self.finish(self.start([BAUTA, *command])).returncode, 0)
        for file in ["best.safetensors", "last.safetensors"]:
            self.assertSameTensors(self.work / "whole" / file, self.work / "killed" / file)


class HungRank(StrikesTest):
    def test_a_rank_whose_computing_hangs_while_its_process_lives_ends_the_run_with_one_line(self):
        self.strike(1, hang, "devices")  # rank 0 would often be stopped where it saves, which takes what it takes


class RanksOnSimt(FaultsTest, StrikesTest):
    """Ranks that bauta starts itself, as it does where they are to compute on GPUs."""
    OPTIONS = ["--device", "simt", "--batch", 2, "--val", 0, "--threads", 1]
    RUN = ["--epochs", 300, "--save-every", 1]
    LAUNCHERS = ["devices"]

    def test_the_losses_are_those_of_one_process_to_rounding_and_rank_0_alone_speaks(self):
        run = ["--max-steps", 2]
        self.ok(*self.command(self.work / "one", *run)[1:])
        result = self.finish(self.start(self.command(self.work / "two", *run, "--devices", 2)))
        self.assertEqual((result.returncode, re.sub(r"^epoch .*\n", "", result.stderr, flags=re.M)), (0, ""))
        self.assertRegex(result.stdout, r"^device simt .*, 1 thread, 2 ranks\n123 images to train on, ")
        self.assertRegexIn(r"^device simt ", (self.work / "two/rank-1.log").read_text())
        for step, expected in zip(metrics_of(self.work / "two")[0], metrics_of(self.work / "one")[0], strict=True):
            self.assertLessEqual(abs(step["loss"] - expected["loss"]), 1e-5 * expected["loss"])


class Refusals(RanksTest):
    def refused(self, command, *words, code=1, env=None):
        result = self.finish(self.start(command)) if env is None else subprocess.run(
            command, capture_output=True, text=True, env=env)
        self.assertEqual(result.returncode, code, result.stderr)
        self.one_line(result, "bauta: error: ", *words)
        return result

    def test_a_number_of_devices_out_of_range(self):
        for devices in [0, 9]:
            self.refused(self.command(self.work / "run", "--devices", devices), f"--devices {devices}", "1 to 8", code=2)

    def test_a_batch_smaller_than_the_number_of_ranks(self):
        small = self.command(self.work / "run", "--batch", 1)
        small.remove("12"), small.remove("--batch")
        self.refused([*small, "--devices", 2], "a batch of 1 cannot be shared among 2 ranks", "--batch", code=2)
        self.refused([*MPIRUN, "-np", 2, *small], "a batch of 1 cannot be shared among 2 ranks", "--batch", code=2)

    def test_gpus_that_there_are_not(self):
        if run("info", "--device", "cuda").returncode == 0:
            self.skipTest("this is about a machine without a GPU; no GPU is missing here")
        self.refused(self.command(self.work / "run", "--device", "cuda", "--devices", 2), "(--device cuda)",
                     "or use --device cpu")

    def test_no_mpirun(self):
        self.refused(self.command(self.work / "run", "--devices", 2), "mpirun", "install openmpi-bin",
                     env={"PATH": "/nowhere"})

    def test_an_mpirun_that_starts_nothing(self):
        fake = self.work / "mpirun"
        fake.write_text("#!/bin/sh\nexit 7\n")
        fake.chmod(0o755)
        self.refused(self.command(self.work / "run", "--devices", 2), "exit code 7 before any rank",
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
        self.refused(self.command(self.work / "run", "--devices", 2, "--lr", "1e30"), "the loss is not a number at step")

    def test_a_folder_that_is_not_empty(self):
        (self.work / "run").mkdir()
        (self.work / "run/thesis.txt").write_text("years")
        self.refused(self.command(self.work / "run", "--devices", 2), self.work / "run", code=2)
        self.assertEqual([p.name for p in (self.work / "run").iterdir()], ["thesis.txt"])


class BenchEpoch(unittest.TestCase):
    def test_the_parts_of_an_epoch_add_up_and_ranks_are_set_against_one_and_the_model(self):
        result = run("bench", "epoch", "--devices", "cpu,cpu:2,cuda:8", "--steps", 5, "--threads", 1, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        found = json.loads(result.stdout)
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

    def test_gpus_that_are_not_at_hand_are_marked_as_projected_with_what_was_assumed(self):
        if run("info", "--device", "cuda").returncode == 0:
            return
        result = run("bench", "epoch", "--devices", "cuda:8", "--steps", 5)
        self.assertRegex(result.stdout, r"\ncuda:8 .* PROJECTED, not measured: 8 x this cpu\n")
        why = run("info", "--device", "cuda").stderr.removeprefix("bauta: error: ").split(" (--device")[0]
        self.assertIn(f"\ncuda:8 is projected, for it is not at hand ({why}): ", result.stdout)
        self.assertRegex(result.stdout, r"\ncuda:8 is projected, .* both assumed\n")
        self.assertIn("study, best epoch", result.stdout)

    def test_nothing_is_left_among_the_temporary_files(self):
        with tempfile.TemporaryDirectory() as folder:
            result = run("bench", "epoch", "--devices", "cpu:2", "--steps", 1, "--threads", 1,
                         env={**os.environ, "TMPDIR": folder})
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual([name for name in os.listdir(folder) if name.startswith("bauta")], [])

    def test_no_folder_for_temporary_files(self):
        result = run("bench", "epoch", "--devices", "cpu:2", "--steps", 1, env={**os.environ, "TMPDIR": "/nowhere"})
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertRegex(result.stderr, r"bauta: error: there is no folder for temporary files: [^\n]+ \(TMPDIR\): set it to [^\n]+\n$")

    def test_all_of_an_epoch_has_no_number_of_steps(self):
        result = run("bench", "epoch", "--full", "--steps", 5)
        self.assertEqual(result.returncode, 2)
        self.assertEqual(result.stderr, "bauta: error: --steps excludes --full (bauta bench epoch): see bauta bench epoch --help\n")

    def test_what_is_no_list_of_devices(self):
        for devices, batch in [("gpu", 32), ("cpu:9", 32), ("cpu:x", 32), ("cpu:3", 2)]:
            result = run("bench", "epoch", "--devices", devices, "--batch", batch)
            self.assertEqual(result.returncode, 2, result.stderr)
            self.assertRegex(result.stderr, r"^bauta: error: [^\n]+: use [^\n]+\n$")


# What mpirun starts a host's daemon with, in place of ssh: the host's name is its address.
AGENT = """#!/bin/sh
host=$1; shift
exec ip netns exec {prefix}b unshare --uts sh -c "hostname host-b; $*"
"""


class TwoHosts(RanksTest):
    """Two network namespaces with a cable between them stand in for two hosts."""

    # Without these mpirun itself waits 8 minutes for a host that is gone.
    KEEPALIVE = ["--mca", "oob_tcp_keepalive_time", "5", "--mca", "oob_tcp_keepalive_intvl", "2",
                 "--mca", "oob_tcp_keepalive_probes", "3"]

    def setUp(self):
        super().setUp()
        self.prefix = f"bauta{os.getpid()}"
        a, b = self.prefix + "a", self.prefix + "b"
        cable = [f"ip netns add {a}", f"ip netns add {b}",
                 f"ip link add veth{os.getpid()} netns {a} type veth peer name eth0 netns {b}",
                 f"ip -n {a} addr add 10.213.0.1/24 dev veth{os.getpid()}", f"ip -n {b} addr add 10.213.0.2/24 dev eth0",
                 *[f"ip -n {n} link set {d} up" for n, d in
                   [(a, "lo"), (b, "lo"), (a, f"veth{os.getpid()}"), (b, "eth0")]],
                 f"ip netns exec {b} unshare --uts true"]
        self.addCleanup(self.remove_hosts)
        for command in cable:
            try:
                result = subprocess.run(command.split(), capture_output=True, text=True)
            except FileNotFoundError as error:
                self.skipTest(f"two hosts cannot be made here: {error}")
            if result.returncode != 0:
                self.skipTest(f"two hosts cannot be made here: {command}: {result.stderr.strip()}")
        self.agent = self.work / "agent"
        self.agent.write_text(AGENT.format(prefix=self.prefix))
        self.agent.chmod(0o755)

    def remove_hosts(self):
        for host in [self.prefix + "a", self.prefix + "b"]:
            # A host that was cut off keeps mpirun's daemon, which waits for ever.
            pids = subprocess.run(["ip", "netns", "pids", host], capture_output=True, text=True).stdout
            for pid in pids.split():
                os.kill(int(pid), signal.SIGKILL)
            subprocess.run(["ip", "netns", "del", host], capture_output=True)

    def start_on_both(self, out, *more):
        return self.start(["ip", "netns", "exec", self.prefix + "a", "unshare", "--uts", "sh", "-c",
                           'hostname host-a; exec "$@"', "sh", *MPIRUN, "--host", "10.213.0.1,10.213.0.2", "-np", "2",
                           "--mca", "plm_rsh_agent", str(self.agent), "--mca", "oob_tcp_if_include", "10.213.0.0/24",
                           "--mca", "btl_tcp_if_include", "10.213.0.0/24", *self.KEEPALIVE, *self.command(out, *more)])

    def test_the_run_has_the_bits_of_one_process(self):
        run = ["--epochs", 2, "--lr", "1e-3"]
        self.ok(*self.command(self.work / "one", *run)[1:])
        result = self.finish(self.start_on_both(self.work / "two", *run))
        self.assertEqual(result.returncode, 0, result.stderr)
        for file in ["best.safetensors", "last.safetensors"]:
            self.assertSameTensors(self.work / "one" / file, self.work / "two" / file)
        self.assertEqual(metrics_of(self.work / "one")[0], metrics_of(self.work / "two")[0])

    def test_a_rank_that_is_killed_and_a_host_that_is_cut_off_end_the_run_with_one_line(self):
        for number, how in [(signal.SIGKILL, "rank 1 died (host host-b)"), (None, "rank 1 hangs: ")]:
            with self.subTest(how=how):
                out = self.work / how.split()[2].strip(":")
                process = self.start_on_both(out, *Faults.RUN)
                rank = rank_of(out, 1)
                if number:
                    os.kill(rank, number)
                else:
                    subprocess.run(["ip", "-n", self.prefix + "b", "link", "set", "eth0", "down"], check=True)
                began = time.monotonic()
                line = self.one_line(self.finish(process))
                self.assertLess(time.monotonic() - began, 30)
                self.assertIn(how, line)
                self.assertTrue(line.endswith(" --resume"), line)
