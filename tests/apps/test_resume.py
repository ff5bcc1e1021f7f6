"""Stopping, killing and resuming runs of bauta train."""
import itertools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import time

from bauta_cli import BAUTA, NOT_WRITTEN, CliTest


class ResumeTest(CliTest):
    WITH_MASK, WITHOUT_MASK = 60, 60
    OPTIONS = ["--batch", "4", "--epochs", "3", "--lr", "1e-3", "--augment", "light", "--save-every", "7"]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pack = cls.folder / "faces.safetensors"
        cls.whole = cls.folder / "whole"
        for command in [["data", "pack", "--data", cls.faces, "--out", cls.pack], cls.command(cls.whole)]:
            began = time.monotonic()
            subprocess.run([BAUTA, *map(str, command)], check=True, capture_output=True)
            cls.seconds = time.monotonic() - began

    @classmethod
    def command(cls, out, *more):
        return ["train", "--data", cls.pack, "--out", out, *cls.OPTIONS, *more]

    def start(self, out, *more, **kwargs):
        return subprocess.Popen([BAUTA, *map(str, self.command(out, *more))], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, **kwargs)


class Killed(ResumeTest):
    def test_at_random_moments_then_resumed_ends_with_the_same_bits(self):
        moments = random.Random(20)
        for attempt in range(3):
            out = self.work / f"run{attempt}"
            for _ in range(4):
                process = self.start(out, "--resume")
                time.sleep(moments.uniform(0, 0.8 * self.seconds))
                process.kill()
                process.communicate()
            self.ok(*self.command(out, "--resume"))
            self.assertSameRun(self.whole, out)

    def test_before_its_first_checkpoint_then_resumed_starts_afresh(self):
        out = self.work / "run"
        result = self.ok(*self.command(out, "--resume"))
        self.assertRegexIn(f"^no checkpoint in {re.escape(str(out))}: starting at step 1$", result.stdout)
        self.assertSameRun(self.whole, out)


class Interrupted(ResumeTest):
    def stop(self, signal_number):
        out = self.work / "run"
        process = self.start(out)
        # The line about the images comes once the signals are caught.
        while "images to train on" not in process.stdout.readline():
            self.assertIsNone(process.poll())
        process.send_signal(signal_number)
        stdout, stderr = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 130, stderr)
        return out, stdout

    def test_by_ctrl_c_it_says_how_to_go_on_and_does(self):
        out, stdout = self.stop(signal.SIGINT)
        self.assertRegex(stdout, r"stopped after step \d+; the checkpoint is " + re.escape(f"{out}/last.safetensors"))
        command = next(l for l in stdout.splitlines() if l.startswith("go on with: bauta "))
        words = command.removeprefix("go on with: bauta ").split()
        self.assertEqual(words[-1], "--resume")
        self.ok(*words)
        self.assertSameRun(self.whole, out)

    def test_by_sigterm_or_a_lost_terminal_it_leaves_a_checkpoint_too(self):
        for signal_number in [signal.SIGTERM, signal.SIGHUP]:
            with self.subTest(signal_number):
                out, _ = self.stop(signal_number)
                self.assertTrue((out / "last.safetensors").exists())
                shutil.rmtree(out)

    def test_by_ctrl_c_that_ended_the_reader_of_its_words_too_it_leaves_a_checkpoint(self):
        process = self.start(self.work / "run")
        while "images to train on" not in process.stdout.readline():
            self.assertIsNone(process.poll())
        process.stdout.close()
        process.send_signal(signal.SIGINT)
        process.wait(timeout=120)
        self.assertEqual((process.returncode, process.stderr.read().count(NOT_WRITTEN)), (130, 1))
        process.stderr.close()
        self.assertTrue((self.work / "run/last.safetensors").exists())

    def test_a_signal_that_it_was_started_to_ignore_does_not_stop_it(self):
        nohup, in_the_background_of_a_script = signal.SIGHUP, signal.SIGINT
        for ignored, devices in itertools.product([nohup, in_the_background_of_a_script], [(), ("--devices", 2)]):
            with self.subTest(ignored=ignored, devices=devices):
                process = self.start(self.work / "run", *devices,
                                     preexec_fn=lambda ignored=ignored: signal.signal(ignored, signal.SIG_IGN))
                while "images to train on" not in process.stdout.readline():
                    self.assertIsNone(process.poll())
                process.send_signal(ignored)
                process.communicate(timeout=120)
                self.assertEqual(process.returncode, 0)
                shutil.rmtree(self.work / "run")


class SecondSignals(CliTest):
    WITH_MASK, WITHOUT_MASK = 250, 250

    def stopping(self, signal_number):
        """A run that has just said that it stops, in a step that takes a while."""
        command = [BAUTA, "train", "--data", self.faces, "--out", self.work / "run", "--batch", "450", "--epochs", "20",
                   "--threads", "1"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while "images to train on" not in process.stdout.readline():
            self.assertIsNone(process.poll())
        process.send_signal(signal_number)
        while "stopping at the next step" not in process.stderr.readline():
            self.assertIsNone(process.poll())
        return process

    def later(self, process, seconds, signal_number):
        process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        process.send_signal(signal_number)
        process.send_signal(signal.SIGCONT)
        return process.communicate(timeout=120)

    def test_soon_after_the_first_they_are_one_with_it(self):
        process = self.stopping(signal.SIGTERM)
        stdout, stderr = self.later(process, 0.1, signal.SIGTERM)
        self.assertEqual(process.returncode, 130)
        self.assertIn("stopped after step", stdout)
        self.assertNotIn("stopping", stderr)

    def test_later_they_end_the_run_at_once(self):
        process = self.stopping(signal.SIGINT)
        self.later(process, 0.6, signal.SIGTERM)
        self.assertEqual(process.returncode, -signal.SIGTERM)


class WhatMayChange(CliTest):
    def setUp(self):
        super().setUp()
        self.out = self.work / "run"

    def content(self, folder):
        return {f.name: f.read_bytes() for f in folder.iterdir()}

    def test_epochs_may_grow_and_threads_and_save_every_change(self):
        self.train(self.work / "whole", "--epochs", 3)
        self.train(self.out, "--epochs", 1, "--threads", 1)
        self.train(self.out, "--epochs", 3, "--threads", 2, "--save-every", 2, "--resume")
        self.assertSameTensors(self.work / "whole/last.safetensors", self.out / "last.safetensors")

    def test_anything_else_is_refused_by_name_and_changes_nothing(self):
        self.train(self.out)
        before = self.content(self.out)
        for option, value in [("--lr", "1e-3"), ("--seed", "1"), ("--val", "0.2"), ("--epochs", "1"),
                              ("--augment", "light"), ("--optimizer", "sgd")]:
            with self.subTest(option=option):
                epochs = () if option == "--epochs" else ("--epochs", 2)
                self.fails("train", "--data", self.faces, "--out", self.out, "--batch", 8, *epochs, "--resume", option,
                           value, code=2, saying=option.removeprefix("--"))
        self.assertEqual(before, self.content(self.out))

    def test_what_is_left_out_is_as_the_run_was_started(self):
        for options in [["--lr", "1e-3", "--augment", "light", "--schedule", "cosine", "--val", 0.2, "--seed", 3],
                        ["--optimizer", "sgd", "--momentum", 0.5, "--class-weights", "1,2", "--no-shuffle"]]:
            with self.subTest(options=options):
                out = self.work / options[0]
                self.train(out, *options)
                killed = self.as_killed_before_its_first_checkpoint(out)
                result = self.ok("train", "--data", self.faces, "--out", killed, "--resume")
                self.assertSameTensors(out / "last.safetensors", killed / "last.safetensors")
                line, = re.findall("^as the run was started: (.*)$", result.stdout, re.M)
                named = {"--epochs", "--batch", *(o for o in options if str(o).startswith("--"))}
                self.assertEqual(set(line.split(", ")), named)

    def test_what_is_said_again_is_not_taken_over(self):
        self.train(self.out, "--lr", "1e-3", "--epochs", 1)
        result = self.train(self.out, "--lr", "1e-3", "--epochs", 2, "--resume")
        self.assertNotIn("as the run was started", result.stdout)

    def test_without_a_checkpoint_the_run_in_the_folder_is_held_against_the_options(self):
        self.train(self.out)
        killed = self.as_killed_before_its_first_checkpoint(self.out)
        before = self.content(killed)
        self.fails("train", "--data", self.faces, "--out", killed, "--batch", 8, "--epochs", 2, "--resume", "--lr",
                   "1e-3", code=2, saying=["lr", killed / "config.json"])
        self.assertEqual(before, self.content(killed))

    def test_a_run_whose_checkpoint_was_taken_away_is_not_begun_anew(self):
        self.train(self.out)
        (self.out / "last.safetensors").unlink()
        before = self.content(self.out)
        self.fails("train", "--data", self.work / "no-such-data", "--out", self.out, "--resume", code=2,
                   saying=["the checkpoint is missing, of a run that has done 2 epochs", self.out / "last.safetensors"])
        self.assertEqual(before, self.content(self.out))

    def test_metrics_that_were_taken_away_are_missed(self):
        self.train(self.out)
        (self.out / "metrics.jsonl").unlink()
        self.fails("train", "--data", self.faces, "--out", self.out, "--resume",
                   saying=["the file is missing", self.out / "metrics.jsonl"])

    def test_another_instruction_set_goes_on_and_is_told(self):
        self.train(self.out, env=os.environ | {"BAUTA_ISA": "portable"})
        there = self.train(self.out, "--epochs", 3, "--resume", env=os.environ | {"BAUTA_ISA": "portable"})
        self.assertRegexIn(r"^resumed after step \d+$", there.stdout)
        isas = json.loads(self.ok("info", "--json").stdout)["isas"]
        if len(isas) > 1:
            other = self.train(self.out, "--epochs", 4, "--resume", env=os.environ | {"BAUTA_ISA": isas[-1]})
            self.assertRegexIn(r"^resumed after step \d+, computed by bauta [0-9.]+, cpu portable, fp32: "
                               r"from here on the bits differ$", other.stdout)

    def test_a_folder_of_something_else_is_refused_before_the_data_are_opened(self):
        self.out.mkdir()
        (self.out / "metrics.jsonl").write_text("years of work")
        self.fails("train", "--data", self.work / "no-such-data", "--out", self.out, "--resume", code=2,
                   saying=["holds no run", self.out])
        self.assertEqual((self.out / "metrics.jsonl").read_text(), "years of work")

    def test_epochs_may_not_grow_under_a_cosine_schedule(self):
        self.train(self.out, "--epochs", 1, "--schedule", "cosine")
        self.fails("train", "--data", self.faces, "--out", self.out, "--batch", 8, "--epochs", 2, "--schedule",
                   "cosine", "--resume", code=2, saying="epochs")

    def test_other_data_are_refused(self):
        self.train(self.out)
        copy = self.copy_of_faces()
        self.images(copy)[0].unlink()
        self.fails("train", "--data", copy, "--out", self.out, "--batch", 8, "--epochs", 2, "--resume", code=2,
                   saying="data")

    def test_a_finished_run_has_nothing_left_to_do(self):
        self.train(self.out)
        before = (self.out / "metrics.jsonl").read_bytes()
        self.train(self.out, "--resume")
        self.assertEqual(before, (self.out / "metrics.jsonl").read_bytes())
