"""Help, version, and what happens when the command line is wrong."""
import os
import unittest

from bauta_cli import run

COMMANDS = [["train"], ["eval"], ["classify"], ["info"], ["bench"], ["bench", "train"],
            ["bench", "epoch"], ["bench", "kernels"], ["data"], ["data", "make"],
            ["data", "pack"]]


class Help(unittest.TestCase):
    def test_every_page_ends_in_examples_that_begin_with_the_command(self):
        for command in [[], *COMMANDS]:
            with self.subTest(command=command):
                result = run(*command, "--help")
                self.assertEqual(result.returncode, 0, result.stderr)
                examples = result.stdout.split("Examples:\n")
                self.assertEqual(len(examples), 2, result.stdout)
                self.assertIn("  " + " ".join(["bauta", *command]) + " ", examples[1])

    def test_the_version_is_one_line(self):
        result = run("--version")
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stdout, r"^bauta \d+\.\d+\.\d+\n$")


    def test_a_page_that_cannot_be_written_is_an_error(self):
        for page in ["--help", "--version"]:
            with open("/dev/full", "w") as full:
                result = run(page, stdout=full)
            self.assertEqual(result.returncode, 1)
            self.assertIn("bauta: error: the results could not be written (standard output)", result.stderr)


class WrongCommandLines(unittest.TestCase):
    def assert_usage_error(self, *args, saying):
        result = run(*args)
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertRegex(result.stderr, r"^bauta: error: [^\n]+ \([^\n]+\): (did you mean \S+\? )?see bauta[ a-z]* --help\n$")
        self.assertIn(saying, result.stderr)

    def test_no_subcommand(self):
        self.assert_usage_error(saying="a subcommand is missing (bauta)")

    def test_an_unknown_subcommand(self):
        self.assert_usage_error("tran", saying="unknown subcommand tran (bauta)")

    def test_an_unknown_option(self):
        self.assert_usage_error("info", "--colour", saying="unknown argument --colour (bauta info)")

    def test_unknown_arguments_are_told_in_their_order(self):
        self.assert_usage_error("info", "--bogus", "1", "extra", saying="unknown arguments --bogus 1 extra (bauta info)")

    def test_a_missing_option(self):
        self.assert_usage_error("train", "--data", "x", saying="--out is required (bauta train)")

    def test_a_number_that_is_none(self):
        self.assert_usage_error("train", "--data", "x", "--out", "y", "--lr", "much", saying="'much' is not a number (--lr)")

    def test_a_switch_with_a_value(self):
        self.assert_usage_error("train", "--data", "x", "--out", "y", "--no-shuffle=3", saying="it takes no value (--no-shuffle)")

    def test_a_whole_number_that_is_none_or_out_of_range(self):
        run = ["train", "--data", "x", "--out", "y"]
        make = ["data", "make", "--out", "y"]
        for command, option, low, high in [
                (run, "--epochs", 1, 2**31 - 1), (run, "--seed", 0, 2**64 - 1), (run, "--threads", 1, 1024),
                (run, "--devices", 1, 8), (make, "--seed", 0, 2**64 - 1), (make, "--with-mask", 0, 2**31 - 1),
                (["bench", "train"], "--batch", 1, 65536), (["bench", "epoch"], "--steps", 0, 2**31 - 1)]:
            for given in [low - 1, high + 1, "1.5", "0x10", "1e3", "many"]:
                self.assert_usage_error(*command, f"{option}={given}",
                                        saying=f"'{given}' is not a whole number from {low} to {high} ({option})")

    def test_a_word_that_is_not_among_the_choices(self):
        self.assert_usage_error("train", "--data", "x", "--out", "y", "--augment", "wild", saying="(--augment)")

    def test_a_threshold_that_is_not_from_0_to_1(self):
        for command in [["eval", "--data", "x", "--weights", "y"], ["classify", "--weights", "y", "x.jpg"]]:
            for given in ["2", "-0.1", "nan", "inf", "half"]:
                self.assert_usage_error(*command, f"--threshold={given}",
                                        saying=f"'{given}' is not a number from 0 to 1 (--threshold)")

    def test_data_sets_are_made_by_the_cpu_alone(self):
        for command in [["data", "make", "--out", "y"], ["data", "pack", "--data", "x", "--out", "y"]]:
            for option, value in [("--device", "cuda"), ("--kernels", "vendor"), ("--precision", "bf16")]:
                self.assert_usage_error(*command, option, value, saying=f"unknown arguments {option} {value}")

    def test_a_misspelt_word_is_named_with_what_it_looks_like(self):
        self.assert_usage_error("trian", saying="unknown subcommand trian (bauta): did you mean train? see bauta --help")
        self.assert_usage_error("train", "--dta", "x", "--out", "y",
                                saying="unknown arguments --dta x (bauta train): did you mean --data? see bauta train --help")
        self.assert_usage_error("train", "--data", "x", "--out", "y", "--epochs", "1", "--epochs", "2",
                                saying="given more than once (--epochs)")

    def test_a_launcher_is_for_training_alone(self):
        ranks = os.environ | {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0"}
        for command, options in [("eval", ["--weights", "x", "--data", "y"]), ("data make", ["--out", "x"]),
                                 ("classify", ["--weights", "x", "y.jpg"]), ("bench train", [])]:
            result = run(*command.split(), *options, env=ranks)
            self.assertEqual((result.returncode, result.stdout), (2, ""))
            self.assertEqual(result.stderr, "bauta: error: mpirun -np 2 has started this several times, and each process "
                                            f"would do all of the work (bauta {command}): start it by itself\n")
        other = run("eval", "--weights", "x", "--data", "y", env=ranks | {"OMPI_COMM_WORLD_RANK": "1"})
        self.assertEqual((other.returncode, other.stderr), (2, ""))

    def test_no_threads(self):
        self.assert_usage_error("info", "--threads", "0", saying="(--threads)")


class Devices(unittest.TestCase):
    def test_the_first_line_says_the_device_or_why_a_gpu_was_not_taken(self):
        result = run("info", "--device", "cpu")
        self.assertRegex(result.stdout, r"runs on +device cpu, ISA ")
        result = run("info")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"runs on +device (cuda \(|cpu \(auto: [a-zA-Z][^\n]+\), ISA )")

    def test_a_gpu_that_cannot_be_had_is_an_error_naming_the_fix(self):
        result = run("info", "--device", "cuda")
        if result.returncode == 0:
            self.assertIn("device cuda (", result.stdout)
            return
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, r"^bauta: error: [^\n]+ \(--device cuda\): [^\n]+, or use --device cpu\n$")

    def test_bf16_on_a_cpu_is_an_error_naming_the_fix(self):
        result = run("info", "--device", "cpu", "--precision", "bf16")
        self.assertEqual(result.returncode, 2)
        self.assertEqual(result.stderr, "bauta: error: the CPU computes in fp32 alone (--precision bf16): "
                                        "use --precision fp32, or --device cuda on a machine with a GPU\n")
        result = run("info", "--precision", "bf16")
        if result.returncode == 0:
            self.assertRegex(result.stdout, r"runs on +device cuda \([^\n]+, precision bf16, ")
        else:
            self.assertRegex(result.stderr, r"\(--precision bf16(, where auto took the CPU: [^\n]+)?\): [^\n]+\n$")

    def test_a_vendors_kernels_without_a_gpu_are_an_error_naming_the_fix(self):
        for device in ["cpu", "simt"]:
            result = run("info", "--device", device, "--kernels", "vendor")
            if "this build has no simt" in result.stderr:
                continue
            self.assertEqual(result.returncode, 2)
            self.assertEqual(result.stderr, "bauta: error: cuDNN and cuBLASLt run only on a GPU (--kernels vendor): "
                                            "use --kernels hand, or --device cuda on a machine with a GPU\n")
        result = run("info", "--kernels", "vendor")
        if result.returncode == 0:
            self.assertRegex(result.stdout, r"runs on +device cuda \([^\n]+, kernels vendor \(cuDNN 9\.[^\n]+\), precision fp32, ")
        else:
            self.assertRegex(result.stderr, r"^bauta: error: [^\n]+\n$")
            self.assertIn("use --kernels hand", result.stderr)

    def test_a_vendors_kernels_in_bf16_need_a_gpu_too(self):
        result = run("info", "--kernels", "vendor", "--precision", "bf16")
        if result.returncode == 0:
            self.assertRegex(result.stdout, r", kernels vendor \(cuDNN 9\.[^\n]+\), precision bf16, ")
        else:
            self.assertRegex(result.stderr, r"^bauta: error: [^\n]+ \(--(kernels vendor|precision bf16)[^\n]*\): [^\n]+\n$")

    def test_an_instruction_set_that_there_is_not_is_an_error(self):
        result = run("info", env={"BAUTA_ISA": "avx1024"})
        self.assertEqual(result.returncode, 2)
        self.assertIn("avx1024", result.stderr)
