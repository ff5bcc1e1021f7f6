"""bauta train under srun, against a Slurm of one machine that the test starts itself."""
import os
import random
import shutil
import signal
import socket
import subprocess
import time

from bauta_cli import metrics_of, read_safetensors
from test_faults import rank_of
from test_ranks import RanksTest

# Tasks need no cores of their own, so that one will do.
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
AuthInfo=socket={folder}/munge.socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
ReturnToService=2
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
NodeName={host} NodeAddr=127.0.0.1 CPUs=1
PartitionName=all Nodes={host} Default=YES
"""


def free_ports(count):
    """Ports that no outgoing connection takes before a daemon does: below those that the system hands out."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as file:
        end = int(file.read().split()[0])
    ports = []
    while len(ports) < count:
        port = random.randrange(1024, end)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        if port not in ports:
            ports.append(port)
    return ports


class Slurm(RanksTest):
    SRUN = ["srun", "--mpi=pmix", "-n", "2", "--overcommit"]

    def setUp(self):
        super().setUp()
        missing = [program for program in ["munged", "slurmctld", "slurmd", "srun"] if not shutil.which(program)]
        if missing or os.geteuid() != 0:
            self.skipTest(f"Slurm's daemons cannot run here: {', '.join(missing) + ' missing' if missing else 'not root'}")
        host, self.cluster = socket.gethostname().split(".")[0], self.work / "slurm"
        for folder in ["state", "spool"]:
            (self.cluster / folder).mkdir(parents=True)
        (self.cluster / "munge.key").write_bytes(os.urandom(128))
        (self.cluster / "munge.key").chmod(0o400)
        configuration = self.cluster / "slurm.conf"
        configuration.write_text(CONFIGURATION.format(host=host, folder=self.cluster, ports=free_ports(2)))
        os.environ["SLURM_CONF"] = str(configuration)
        self.addCleanup(os.environ.pop, "SLURM_CONF")
        plugins = subprocess.run(["srun", "--mpi=list"], capture_output=True, text=True)
        if "pmix" not in plugins.stdout + plugins.stderr:
            self.skipTest("this Slurm has no pmix, by which Open MPI's ranks find each other")
        self.start_daemon("munged", "--foreground", "--force",
                          *[f"--{what}={self.cluster}/munge.{what.split('-')[0]}"
                            for what in ["key-file", "socket", "pid-file", "log-file", "seed-file"]])
        self.wait_until("munge is there", (self.cluster / "munge.socket").exists)
        self.start_daemon("slurmctld", "-D")
        self.start_daemon("slurmd", "-D")
        self.wait_until("the node is idle", lambda: self.states() == "idle")

    def start_daemon(self, *command):
        """Starts a daemon that ends with the test, before those that were started earlier."""
        with open(self.cluster / f"{command[0]}.log", "wb") as log:
            daemon = subprocess.Popen(command, stdout=log, stderr=log)
        self.addCleanup(self.end, daemon)

    def end(self, daemon):
        daemon.terminate()
        try:
            daemon.wait(timeout=10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def states(self):
        return subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True).stdout.strip()

    def wait_until(self, what, reached):
        until = time.monotonic() + 30
        while not reached():
            logs = {log.name: log.read_text(errors="replace")[-500:] for log in self.cluster.glob("*.log")}
            self.assertLess(time.monotonic(), until, f"not so: {what}\n{logs}")
            time.sleep(0.1)

    def test_two_tasks_have_the_bits_of_one_process(self):
        run = ["--epochs", 1, "--lr", "1e-3"]
        self.ok(*self.command(self.work / "one", *run)[1:])
        result = self.finish(self.start([*self.SRUN, *self.command(self.work / "two", *run)]))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"^device .*, 1 thread, 2 ranks\n")
        for file in ["best.safetensors", "last.safetensors"]:
            self.assertSameTensors(self.work / "one" / file, self.work / "two" / file)
        self.assertEqual(metrics_of(self.work / "one")[0], metrics_of(self.work / "two")[0])

    def test_a_task_that_is_killed_ends_the_run_with_one_line(self):
        out = self.work / "killed"
        process = self.start([*self.SRUN, *self.command(out, "--epochs", 300, "--lr", "1e-3", "--save-every", 5)])
        os.kill(rank_of(out, 1), signal.SIGKILL)
        began = time.monotonic()
        result = self.finish(process)
        self.assertLess(time.monotonic() - began, 30)
        self.assertNotEqual(result.returncode, 0)
        line = self.one_line(result, f"bauta: error: rank 1 died (host {os.uname().nodename}): go on with: ",
                             "go on with: srun --mpi=pmix -n 2 bauta train ")
        self.assertTrue(line.endswith(" --resume"), line)
        read_safetensors(out / "last.safetensors")
