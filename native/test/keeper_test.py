#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""sluice-keeper with commands that play the agent: keeper_test.py KEEPER

What it does for a real agent and its table is tested from Java (KeeperIT). Needs root.
"""
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

NETLINK_NETFILTER = 12
KEEPER = None

# Appends to a file what it was started with, one line a start, and lives until it is told to end.
AGENT = r'''
import os, signal, socket, sys, time
s = socket.socket(fileno=os.dup(3))
fds = sorted(int(fd) for fd in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + fd))
fds.remove(s.fileno())
with open(sys.argv[1], "a") as out:
    print(os.getpid(), os.environ["LISTEN_PID"], os.environ["LISTEN_FDS"], os.environ["LISTEN_FDNAMES"],
          int(s.family), s.proto, s.getsockname()[0], os.readlink("/proc/self/fd/3").replace(" ", ""),
          ",".join(map(str, fds)), len(signal.pthread_sigmask(signal.SIG_BLOCK, [])), file=out)
time.sleep(1000)
'''


def wait_for(condition, what, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.005)
    raise AssertionError("not within %d s: %s" % (seconds, what))


def read(path):
    with open(path) as file:
        return file.read()


class KeeperTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.file = os.path.join(self.directory.name, "starts")
        self.running = []

    def tearDown(self):
        for keeper in self.running:
            try:
                os.killpg(keeper.pid, signal.SIGKILL)  # commands outlive their keeper
            except ProcessLookupError:
                pass
            keeper.wait(10)
            keeper.stderr.close()
        self.directory.cleanup()

    def starts(self):
        if not os.path.exists(self.file):
            return []
        return [line.split() for line in read(self.file).splitlines() if line]

    def keep(self, *command, before=(), options=(), **more):
        keeper = subprocess.Popen([*before, KEEPER, *options, *command], stdin=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True, start_new_session=True, **more)
        self.running.append(keeper)
        return keeper

    def agent(self, *args, **more):
        keeper = self.keep("/usr/bin/python3", "-c", AGENT, self.file, **more)
        wait_for(self.starts, "the first start")
        return keeper

    def shell(self, script, **more):
        return self.keep("sh", "-c", script, "sh", self.file, **more)

    def nth_start(self, n):
        wait_for(lambda: len(self.starts()) >= n, "start %d" % n)
        return self.starts()[n - 1]

    # Fails if LISTEN_PID is the keeper's, or if the socket is opened anew for each start.
    def test_each_command_gets_the_same_socket_in_systemds_words(self):
        keeper = self.agent()
        for n in range(1, 4):
            pid, listen_pid, count, names, family, protocol, port, inode, fds, blocked = self.nth_start(n)
            self.assertEqual(listen_pid, pid)
            self.assertEqual((count, names), ("1", "sluice-table"))
            self.assertEqual((family, protocol), (str(int(socket.AF_NETLINK)), str(NETLINK_NETFILTER)))
            self.assertEqual((port, inode), (str(keeper.pid), self.starts()[0][7]))
            self.assertEqual((fds, blocked), ("0,1,2,3", "0"))
            os.kill(int(pid), signal.SIGKILL)

    # Fails without close_range(), or if the socket is not open in the keeper itself.
    def test_holds_four_descriptors_whatever_it_was_started_with(self):
        with open(self.file + ".other", "w") as other:
            keeper = self.agent(pass_fds=[other.fileno()])
            self.assertEqual(sorted(os.listdir("/proc/%d/fd" % keeper.pid)), ["0", "1", "2", "3"])
            self.assertRegex(os.readlink("/proc/%d/fd/3" % keeper.pid), r"^socket:")

    # Fails if the socket can become descriptor 0, 1 or 2 of a command that was started without these.
    def test_standard_descriptors_that_are_closed_are_not_taken_by_the_socket(self):
        script = '"$0" /usr/bin/python3 -c "$1" "$2" <&- >&- 2>&- & echo $!; wait $!'
        with subprocess.Popen(["sh", "-c", script, KEEPER, AGENT, self.file], stdout=subprocess.PIPE,
                              text=True) as shell:
            pid = int(shell.stdout.readline())
            try:
                self.assertEqual(self.nth_start(1)[8], "0,1,2,3")
            finally:
                os.kill(pid, signal.SIGTERM)

    # Fails if a killed command is not started again, or not told of.
    def test_a_killed_command_is_started_again_at_once_and_told_of_in_one_line(self):
        keeper = self.agent()
        killed = int(self.nth_start(1)[0])
        began = time.monotonic()
        os.kill(killed, signal.SIGKILL)
        self.nth_start(2)
        self.assertLess(time.monotonic() - began, 1.5)
        keeper.terminate()
        self.assertRegex(keeper.communicate()[1],
                         r"^sluice-keeper: process %d was killed by signal 9 \(SIGKILL\) after \d+\.\d s; "
                         r"its table stays locked, starting again now\n$" % killed)

    # Fails if a pause is left out, does not double, or is not reset by a command that ran well.
    def test_pauses_grow_while_commands_die_young(self):
        keeper = self.shell('echo $(date +%s%N) >>"$1"; kill -9 $$')
        times = [int(self.nth_start(n)[0]) / 1e9 for n in range(1, 7)]
        keeper.kill()
        pauses = [after - before for before, after in zip(times, times[1:])]
        for pause, expected in zip(pauses, [0, 0.1, 0.2, 0.4, 0.8]):
            self.assertGreaterEqual(pause, expected)
            self.assertLess(pause, expected + 0.35)
        os.remove(self.file)
        keeper = self.shell('echo $(date +%s%N) >>"$1"; kill -9 $$', options=["--settled=0"])
        began = time.monotonic()
        self.nth_start(20)
        self.assertLess(time.monotonic() - began, 5)
        keeper.kill()

    # Fails if any of these exit codes leads to another start.
    def test_ends_with_the_code_of_a_command_that_ends_for_good(self):
        for code in [0, 1, 2, 4, 6, 129, 130, 143]:
            keeper = self.shell('echo x >>"$1"; exit %d' % code)
            self.assertEqual((keeper.wait(10), code), (code, code))
            self.assertEqual(keeper.stderr.read(), "")
        self.assertEqual(len(self.starts()), 8)
        keeper = self.keep("/nonexistent/agent")
        self.assertEqual(keeper.wait(10), 127)
        self.assertIn("cannot run /nonexistent/agent: No such file", keeper.stderr.read())

    # Fails if a rival that came in between makes the keeper give up; or if a wrong command line does not.
    def test_a_restart_that_fails_is_tried_again_unless_it_can_never_succeed(self):
        script = 'echo x >>"$1"; case $(wc -l <"$1") in 1) kill -9 $$;; 2) exit 4;; 3) exit 1;; *) exit %d;; esac'
        for code in [0, 2, 6]:
            if os.path.exists(self.file):
                os.remove(self.file)
            keeper = self.shell(script % code)
            self.assertEqual(keeper.wait(10), code)
            self.assertEqual(len(self.starts()), 4)
            said = keeper.stderr.read().splitlines()
            self.assertEqual(len(said), 3)
            self.assertRegex(said[1], r"ended with code 4 after .* starting again in 0\.1 s$")

    # Fails if a signal is not passed on, or if the command is started again although it was told to end.
    def test_passes_signals_on_and_ends_with_the_code_of_the_command(self):
        for number in [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]:
            if os.path.exists(self.file):
                os.remove(self.file)
            keeper = self.shell('trap "exit 7" TERM INT HUP; echo x >>"$1"; while :; do sleep 0.05; done')
            self.nth_start(1)
            keeper.send_signal(number)
            self.assertEqual(keeper.wait(10), 7)
        os.remove(self.file)
        keeper = self.agent()
        keeper.terminate()
        self.assertEqual(keeper.wait(10), 128 + signal.SIGTERM)

    # Fails if SIGTERM in a pause only counts after it.
    def test_ends_at_once_when_told_between_two_starts(self):
        keeper = self.shell('echo x >>"$1"; kill -9 $$')
        self.nth_start(6)  # The next pause is 1.6 s.
        time.sleep(0.2)
        began = time.monotonic()
        keeper.terminate()
        self.assertEqual(keeper.wait(10), 0)
        self.assertLess(time.monotonic() - began, 0.5)

    # Fails if SIGINT is waited for although the shell's "&" has it ignored.
    def test_leaves_ignored_what_was_ignored(self):
        keeper = self.agent(before=["env", "--ignore-signal=INT", "--ignore-signal=HUP"])
        keeper.send_signal(signal.SIGINT)
        keeper.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        self.assertIsNone(keeper.poll())
        keeper.terminate()
        self.assertEqual(keeper.wait(10), 128 + signal.SIGTERM)

    # Fails if the command is tied to the life of its keeper.
    def test_the_command_outlives_its_keeper(self):
        keeper = self.agent()
        pid = int(self.nth_start(1)[0])
        keeper.kill()
        keeper.wait(10)
        time.sleep(0.2)
        os.kill(pid, 0)

    # Fails if only its own child is waited for, or if SIGTERM is left to the default action.
    def test_as_process_1_it_reaps_orphans_and_can_be_ended(self):
        script = '(sleep 0.1 & sleep 0.2 & sleep 0.3 &) ; echo x >>"$1"; trap "exit 0" TERM; while :; do sleep 0.05; done'
        unshare = self.keep("sh", "-c", script, "sh", self.file,
                            before=["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"])
        self.nth_start(1)
        children = "/proc/%d/task/%d/children"
        keeper = int(wait_for(lambda: read(children % (unshare.pid, unshare.pid)), "the keeper"))

        def states():
            found = {}
            for child in read(children % (keeper, keeper)).split():
                try:
                    found[child] = re.search(r"\) (\S)", read("/proc/%s/stat" % child)).group(1)
                except FileNotFoundError:
                    pass
            return found

        wait_for(lambda: len(states()) == 1, "the orphans to be reaped")
        self.assertNotIn("Z", states().values())
        os.kill(keeper, signal.SIGTERM)
        self.assertEqual(unshare.wait(10), 0)

    # Fails if the arguments of the command stay visible as the keeper's.
    def test_who_looks_for_the_agent_by_its_arguments_does_not_find_the_keeper(self):
        keeper = self.agent()
        self.assertEqual(read("/proc/%d/cmdline" % keeper.pid).rstrip("\0"), KEEPER)

    # Fails if anything but a command and the one option is accepted.
    def test_usage(self):
        for arguments in [[], ["--settled=x", "true"], ["--settled=", "true"], ["--settled=-1", "true"], ["-h"]]:
            keeper = self.keep(*arguments)
            self.assertEqual(keeper.wait(10), 2)
            self.assertIn("usage: sluice-keeper", keeper.stderr.read())


if __name__ == "__main__":
    KEEPER = os.path.abspath(sys.argv.pop(1))
    unittest.main()
