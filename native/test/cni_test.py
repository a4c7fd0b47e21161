#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""sluice-cni with a socket that plays the agent: cni_test.py CLIENT

What the agent makes of the requests is tested from Java (CniIT). Needs no root.
"""
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

CLIENT = None
CONFIGURATION = '{"cniVersion":"0.4.0","name":"net","type":"sluice"}'
RESULT = b'{"cniVersion":"0.4.0"}\n'
UNREAD = object()


def answer(status, body, headers=b""):
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n%s\r\n%s" % (status, len(body), headers, body)


class Agent(threading.Thread):
    """Reads one request after the other and gives each the next answer; None: hangs up; UNREAD: before reading."""

    def __init__(self, path, *answers):
        super().__init__(daemon=True)
        self.answers = answers
        self.requests = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.start()

    def run(self):
        for text in self.answers:
            connection, _ = self.listener.accept()
            with connection:
                if text is UNREAD:
                    connection.recv(1)
                    continue
                self.requests.append(self.read(connection))
                if text is not None:
                    connection.sendall(text)
        self.listener.close()

    @staticmethod
    def read(connection):
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(65536)
        head, _, body = received.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        while len(body) < int(fields["Content-Length"]):
            body += connection.recv(65536)
        return head.decode().split("\r\n")[0], fields, json.loads(body)


class CniTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.socket = os.path.join(self.directory.name, "sluice.sock")
        self.spool = os.path.join(self.directory.name, "cni")

    def tearDown(self):
        self.directory.cleanup()

    def call(self, command, stdin=CONFIGURATION, program=None, **environment):
        variables = {"CNI_COMMAND": command, "CNI_CONTAINERID": "c1", "CNI_NETNS": "/run/netns/c1",
                     "CNI_IFNAME": "eth0", "CNI_ARGS": "A=1", "CNI_PATH": "/opt/cni/bin",
                     "SLUICE_SOCKET": self.socket}
        variables.update(environment)
        data = stdin if isinstance(stdin, bytes) else stdin.encode()
        done = subprocess.run([program or CLIENT], input=data, env=variables, capture_output=True,
                              timeout=60)
        self.assertNotIn(b"Sanitizer", done.stderr)
        return done.returncode, done.stdout

    def error(self, *arguments, **named):
        code, out = self.call(*arguments, **named)
        self.assertEqual(1, code, out)
        return json.loads(out)

    def spooled(self):
        found = []
        for name in sorted(os.listdir(self.spool)) if os.path.isdir(self.spool) else []:
            with open(os.path.join(self.spool, name)) as file:
                found.append(json.load(file))
        return found

    def test_everything_is_handed_to_the_agent_and_its_answer_printed(self):
        """Fails if a variable, or a byte of the input, does not arrive."""
        agent = Agent(self.socket, answer(200, RESULT))
        stdin = CONFIGURATION + ' \t\n"\\\x01\u20ac'
        self.assertEqual((0, RESULT), self.call("ADD", stdin))
        line, fields, body = agent.requests[0]
        self.assertEqual("POST /v1/cni HTTP/1.1", line)
        self.assertEqual("application/json", fields["Content-Type"])
        self.assertEqual(
            {"plugin": "sluice", "command": "ADD", "containerId": "c1", "netns": "/run/netns/c1",
             "ifname": "eth0", "args": "A=1", "path": "/opt/cni/bin", "config": stdin}, body)

    def test_a_cni_error_is_printed_as_it_is(self):
        """Fails if the exit code of an error is 0."""
        body = b'{"cniVersion":"0.4.0","code":7,"msg":"no"}'
        Agent(self.socket, answer(422, body))
        self.assertEqual((1, body), self.call("ADD"))

    def test_the_name_of_the_program_says_which_plugin(self):
        """Fails if sluice-bridge is taken for the port mapper."""
        for name, plugin in (("sluice-bridge", "sluice-bridge"), ("portmap", "sluice")):
            path = os.path.join(self.directory.name, name)
            shutil.copy(CLIENT, path)
            agent = Agent(self.socket, answer(200, b""))
            self.assertEqual((0, b""), self.call("DEL", program=path))
            self.assertEqual(plugin, agent.requests[0][2]["plugin"])
            os.unlink(self.socket)

    def test_an_answer_in_crumbs_is_read_whole(self):
        """Fails if the first part of an answer is taken for all of it."""
        body = b'{"x":"' + b"y" * 300000 + b'"}'
        whole = answer(200, body)

        class Slow(Agent):
            def run(self):
                connection, _ = self.listener.accept()
                with connection:
                    self.read(connection)
                    for start in range(0, len(whole), 20011):
                        connection.sendall(whole[start:start + 20011])
                        time.sleep(0.002)
                self.listener.close()

        Slow(self.socket)
        self.assertEqual((0, body), self.call("ADD"))

    def test_versions_are_told_without_an_agent(self):
        """Fails if VERSION needs the agent, or answers in another version than it was asked in."""
        code, out = self.call("VERSION")
        self.assertEqual(0, code)
        self.assertEqual({"cniVersion": "0.4.0",
                          "supportedVersions": ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]},
                         json.loads(out))
        self.assertEqual("1.1.0", json.loads(self.call("VERSION", "")[1])["cniVersion"])

    def test_an_unknown_command_is_refused(self):
        """Fails if a command goes to the agent, or into the spool, that nobody knows."""
        for command in ("", "FOO", "add", "ADD\n"):
            error = self.error(command)
            self.assertEqual(4, error["code"])
            self.assertEqual("0.4.0", error["cniVersion"])
        self.assertEqual([], self.spooled())

    def test_with_the_agent_away_each_verb_says_so(self):
        """Fails if an ADD that was not carried out looks like one."""
        for command, code in (("ADD", 11), ("CHECK", 11), ("GC", 11), ("STATUS", 50)):
            error = self.error(command)
            self.assertEqual(code, error["code"])
            self.assertIn(self.socket, error["msg"])
            self.assertIn("sluice agent", error["details"])
        self.assertEqual([], self.spooled())

    def test_with_the_agent_away_a_del_waits_for_it(self):
        """Fails if DEL fails, or is forgotten, or waits twice."""
        for _ in range(2):
            self.assertEqual((0, b""), self.call("DEL"))
        self.assertEqual((0, b""), self.call("DEL", CNI_CONTAINERID="c2"))
        self.assertEqual(["c1", "c2"], sorted(one["containerId"] for one in self.spooled()))
        self.assertEqual(["DEL"] * 2, [one["command"] for one in self.spooled()])
        self.assertEqual(CONFIGURATION, self.spooled()[0]["config"])
        self.assertEqual(0o700, os.stat(self.spool).st_mode & 0o777)
        for name in os.listdir(self.spool):
            self.assertRegex(name, r"^[0-9a-f]{16}\.json$")
            self.assertEqual(0o600, os.stat(os.path.join(self.spool, name)).st_mode & 0o777)

    def test_a_del_waits_in_a_directory_that_was_not_there(self):
        """Fails if DEL fails before the first start of the agent."""
        self.socket = os.path.join(self.directory.name, "run", "sluice.sock")
        self.assertEqual((0, b""), self.call("DEL"))
        self.assertTrue(os.path.isdir(os.path.join(self.directory.name, "run", "cni")))

    def test_an_agent_that_dies_over_a_del_finds_it_later(self):
        """Fails if a DEL is lost that the agent has read and not answered."""
        Agent(self.socket, None, None)
        self.assertEqual((0, b""), self.call("DEL"))
        self.assertEqual(1, len(self.spooled()))

    def test_an_agent_that_has_just_started_is_asked_again(self):
        """Fails if a DEL waits although an agent is there that has found the spool empty."""
        agent = Agent(self.socket, None, answer(200, b""))
        self.assertEqual((0, b""), self.call("DEL"))
        agent.join(10)
        self.assertEqual(["DEL", "DEL"], [one[2]["command"] for one in agent.requests])

    def test_an_agent_that_is_overwhelmed_gets_the_del_later(self):
        """Fails if a full agent makes a container impossible to remove, or DEL waits for it."""
        full = answer(503, b'{"title":"Too many connections"}')
        agent = Agent(self.socket, full, full, answer(200, b""))
        self.assertEqual((0, b""), self.call("DEL"))
        self.assertEqual(1, len(self.spooled()))
        self.assertEqual(2, len(agent.requests))

    def test_an_agent_that_is_overwhelmed_is_asked_again(self):
        """Fails if an ADD fails at once because other containers start, or what is left of it."""
        full = answer(503, b'{"title":"Too many connections"}')
        for verb in ("ADD", "CHECK", "GC", "STATUS"):
            agent = Agent(self.socket, full, UNREAD, full, answer(200, RESULT))
            self.assertEqual((0, RESULT), self.call(verb))
            agent.join(10)
            self.assertEqual([verb] * 3, [one[2]["command"] for one in agent.requests])
            os.unlink(self.socket)

    def test_an_agent_that_stays_overwhelmed_is_given_up(self):
        """Fails if a full agent is asked for ever, or what it says is lost."""
        full = answer(503, b'{"title":"Too many connections"}')
        Agent(self.socket, *[full] * 1000)
        for verb, code in (("ADD", 11), ("STATUS", 50)):
            error = self.error(verb, SLUICE_CNI_TIMEOUT="2")
            self.assertEqual(code, error["code"])
            self.assertIn("Too many", error["details"])

    def test_what_is_no_answer_of_an_agent_is_an_error(self):
        """Fails if half an answer is printed, or a refusal taken for a result."""
        for text, code in ((answer(403, b"no"), 100), (answer(200, RESULT)[:-1], 11),
                           (b"SSH-2.0-OpenSSH_9.2\r\n", 11), (None, 11)):
            Agent(self.socket, text)
            self.assertEqual(code, self.error("ADD")["code"], text)
            os.unlink(self.socket)

    def test_an_agent_that_hangs_is_given_up(self):
        """Fails if a runtime waits for ever."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.socket)
        listener.listen()
        before = time.monotonic()
        error = self.error("ADD", SLUICE_CNI_TIMEOUT="1")
        self.assertEqual(11, error["code"])
        self.assertIn("timed out", error["msg"])
        self.assertEqual((0, b""), self.call("DEL", SLUICE_CNI_TIMEOUT="1"))
        self.assertLess(time.monotonic() - before, 10)
        self.assertEqual(1, len(self.spooled()))
        listener.close()

    def test_input_that_cannot_be_a_configuration_is_refused_here(self):
        """Fails if more than 1 MiB, or bytes that are no text, are sent on or kept."""
        self.assertEqual(6, self.error("ADD", "x" * (1024 * 1024 + 1))["code"])
        self.assertEqual(6, self.error("DEL", "x" * (40 * 1024 * 1024))["code"])
        self.assertEqual(6, self.error("DEL", b'{"name":"\xff"}')["code"])
        error = self.error("DEL", CNI_ARGS=os.fsdecode(b"\xc3("))
        self.assertEqual(4, error["code"])
        self.assertIn("CNI_ARGS", error["msg"])
        self.assertEqual([], self.spooled())

    def test_a_socket_path_that_cannot_be_one_is_refused(self):
        """Fails if a long path is cut, or a relative one tried."""
        for path in ("relative.sock", "/" + "x" * 107):
            error = self.error("ADD", SLUICE_SOCKET=path)
            self.assertEqual(4, error["code"])
            self.assertEqual(path, error["details"])
        self.assertEqual(11, self.error("ADD", SLUICE_SOCKET="/" + "x" * 106)["code"])

    def test_a_spool_that_others_can_write_is_not_used(self):
        """Fails if requests are left where somebody else could leave some."""
        os.mkdir(self.spool, 0o700)
        os.chmod(self.spool, 0o770)
        self.assertEqual(11, self.error("DEL")["code"])
        os.rmdir(self.spool)
        os.symlink(self.directory.name, self.spool)
        self.assertEqual(11, self.error("DEL")["code"])

    def test_the_spool_is_bounded(self):
        """Fails if an agent that never comes back lets deletions fill the memory."""
        os.mkdir(self.spool, 0o700)
        for number in range(4095):
            open(os.path.join(self.spool, "%d.json" % number), "w").close()
        self.assertEqual((0, b""), self.call("DEL"))
        self.assertEqual(11, self.error("DEL", CNI_CONTAINERID="c2")["code"])
        self.assertEqual(4096, len(os.listdir(self.spool)))
        for name in os.listdir(self.spool):
            os.unlink(os.path.join(self.spool, name))
        with open(os.path.join(self.spool, "big.json"), "w") as file:
            file.truncate(64 * 1024 * 1024)
        self.assertEqual(11, self.error("DEL")["code"])
        self.assertEqual(["big.json"], os.listdir(self.spool))


if __name__ == "__main__":
    CLIENT = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=0)
