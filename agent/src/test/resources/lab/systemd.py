"""Plays systemd for one service with FileDescriptorStoreMax=1, Restart=always and RestartSec=1:
takes what the service says on NOTIFY_SOCKET, keeps the descriptor it leaves, starts it again when it
dies and hands the descriptor back. Tells of everything on standard output, with the number of the start.

    systemd.py DIRECTORY nothing|wrong COMMAND...      wrong: the first start is handed another socket
"""
import array
import os
import select
import signal
import socket
import sys
import time

directory, first_handed, command = sys.argv[1], sys.argv[2], sys.argv[3:]
path = directory + "/notify"
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.bind(path)
stored = None
if first_handed == "wrong":
    stored = socket.socketpair()[0].detach()


def start():
    pid = os.fork()
    if pid:
        return pid
    environment = dict(os.environ, NOTIFY_SOCKET=path)
    if stored is not None:
        os.dup2(stored, 3)
        os.set_inheritable(3, True)
        environment.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="sluice-table")
    os.execve(command[0], command, environment)


def say(*words):
    # At once: the service writes to the same pipe.
    os.write(1, (" ".join(map(str, ("start", number) + words)) + "\n").encode())


def hear(timeout_seconds):
    """One notification; false if none comes in time."""
    global stored
    if not select.select([notify], [], [], timeout_seconds)[0]:
        return False
    text, control, _, _ = notify.recvmsg(4096, socket.CMSG_SPACE(4))
    words = text.decode().split("\n")
    say("notify", *words)
    for level, kind, data in control:
        assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
        assert words == ["FDSTORE=1", "FDNAME=sluice-table"], words
        stored = array.array("i", data)[0]
    if "FDSTOREREMOVE=1" in words:
        os.close(stored)
        stored = None
    return True


told = []
signal.signal(signal.SIGTERM, lambda *_: told.append(signal.SIGTERM))
number = 0
while True:
    number += 1
    pid = start()
    say("process", pid)
    passed_on = False
    ended = 0
    while not ended:
        if told and not passed_on:
            os.kill(pid, signal.SIGTERM)
            passed_on = True
        hear(0.02)
        ended, status = os.waitpid(pid, os.WNOHANG)
    while hear(0):
        pass
    say("ended", os.waitstatus_to_exitcode(status))
    if told:
        break
    time.sleep(1)
