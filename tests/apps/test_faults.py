"""Ranks that die or hang: the run ends with one line, and goes on."""
import ctypes
import errno
import os
import pathlib
import re
import signal
import subprocess
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from bauta_cli import BAUTA, metrics_of, read_safetensors
from test_ranks import MPIRUN, RanksTest


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
    STRIKES = [(rank, fault) for fault in [kill, stop] for rank in [0, 1]]
    SIGNALS = [signal.SIGINT, signal.SIGHUP, signal.SIGUSR1]

    def test_a_rank_that_is_killed_or_stopped_ends_the_run_within_30_s_with_one_line(self):
        cases = [(*strike, launcher) for launcher in self.LAUNCHERS for strike in self.STRIKES]
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

    def stop(self, out, command, signal_number):
        process = self.start(command)
        rank_of(out, 0)
        process.send_signal(signal_number)
        result = self.finish(process)
        self.assertRegexIn(r"^stopped after step \d+; the checkpoint is ", result.stdout)
        return result

    def test_a_signal_stops_all_ranks_with_a_checkpoint(self):
        for signal_number in self.SIGNALS:
            with self.subTest(signal_number):
                out = self.work / f"run-{signal_number}"
                result = self.stop(out, self.command(out, *self.RUN, "--devices", 2), signal_number)
                self.assertEqual(result.returncode, 130, result.stderr)
                self.assertRegexIn(r"^go on with: bauta train .* --devices 2 --resume$", result.stdout)


class Faults(FaultsTest, StrikesTest):
    LAUNCHERS = ["devices", "mpirun"]

    def test_mpirun_hands_a_signal_on_and_is_in_the_command_to_go_on_with(self):
        out = self.work / "run"
        result = self.stop(out, [*MPIRUN, "-np", 2, *self.command(out, *self.RUN)], signal.SIGUSR1)
        self.assertRegexIn(r"^go on with: mpirun -np 2 bauta train .* --resume$", result.stdout)

    def test_a_signal_that_comes_before_the_ranks_are_there_stops_them_too(self):
        for signal_number in [signal.SIGINT, signal.SIGTERM]:
            with self.subTest(signal_number):
                process = self.start(self.command(self.work / f"run-{signal_number}", *self.RUN, "--devices", 2))
                while not pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text():
                    self.assertIsNone(process.poll())
                process.send_signal(signal_number)
                result = self.finish(process)
                self.assertEqual(result.returncode, 130, result.stderr)
                self.assertRegexIn(r"^stopped after step 1; the checkpoint is ", result.stdout)

    def test_a_failure_is_one_as_well_where_the_ends_of_children_are_ignored(self):
        command = self.command(self.work / "run", "--devices", 2, data=self.work / "none")
        result = subprocess.run(command, capture_output=True, text=True,
                                preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        self.assertEqual(result.returncode, 1, result.stderr)

    def test_a_rank_whose_memory_runs_out_says_so_before_another_says_that_it_died(self):
        many = self.work / "many"
        self.ok("data", "make", "--out", many, "--with-mask", 1300, "--without-mask", 1300)
        command = self.command(self.work / "run", *self.RUN, data=many)
        command[command.index("--batch") + 1] = "2048"
        small = ["sh", "-c", 'ulimit -v 1000000; exec "$@"', "sh"]
        result = self.finish(self.start([*MPIRUN, "-np", 1, *command, ":", "-np", 1, *small, *command]))
        self.assertNotEqual(result.returncode, 0)
        lines = [l for l in result.stderr.splitlines() if l.startswith("bauta: ")]
        self.assertEqual(len(lines), 2, result.stderr)
        self.assertEqual(lines[0], "bauta: error: there is not enough memory: use a smaller --batch where that is an option, or a machine with more")
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
    STRIKES = [(0, kill), (1, stop)]  # not all: the first checkpoint takes a while
    SIGNALS = [signal.SIGINT]

    def test_the_losses_are_those_of_one_process_to_rounding_and_rank_0_alone_speaks(self):
        run = ["--max-steps", 2]
        self.ok(*self.command(self.work / "one", *run)[1:])
        result = self.finish(self.start(self.command(self.work / "two", *run, "--devices", 2)))
        self.assertEqual((result.returncode, re.sub(r"^epoch .*\n", "", result.stderr, flags=re.M)), (0, ""))
        self.assertRegex(result.stdout, r"^device simt .*, 1 thread, 2 ranks\n123 images to train on, ")
        self.assertRegexIn(r"^device simt ", (self.work / "two/rank-1.log").read_text())
        for step, expected in zip(metrics_of(self.work / "two")[0], metrics_of(self.work / "one")[0], strict=True):
            self.assertLessEqual(abs(step["loss"] - expected["loss"]), 1e-5 * expected["loss"])
