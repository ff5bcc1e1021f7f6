"""bauta train on two hosts."""
import os
import signal
import subprocess
import time

from bauta_cli import metrics_of
from test_faults import StrikesTest, rank_of
from test_ranks import MPIRUN, RanksTest


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
                process = self.start_on_both(out, *StrikesTest.RUN)
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
