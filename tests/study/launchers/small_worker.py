"""A worker for tests of the local launcher that starts at once: its shard's number says what it does."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from multiprocessing.connection import Connection

ENDS, STILLBORN, KILLED, RAISES, WAITS, EXITS, LEFT = 0, 90, 91, 92, 93, 94, 95


def main() -> None:
    pipe = Connection(int(sys.argv[2]))

    def say(**message: object) -> None:
        pipe.send_bytes(json.dumps(message).encode())

    def told() -> dict[str, object]:
        return json.loads(pipe.recv_bytes())

    message = told()
    if message.get("shard") == STILLBORN:
        sys.exit(3)
    say(ready=True)
    while "shard" in message:
        number = message["shard"]
        say(shard=number, member_steps=7)
        if number == KILLED:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == EXITS:
            sys.exit(5)
        if number == LEFT and os.fork() == 0:
            time.sleep(40)  # a child that holds the pipe open
            os._exit(0)
        if number == LEFT:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == RAISES:
            say(shard=number, trouble="storage", sentence="the disk is full.")
        elif number == WAITS:
            message = told()
            say(shard=number, ended=True)
            continue
        else:
            say(shard=number, ended=False)
        try:
            message = told()
        except EOFError:
            return


if __name__ == "__main__":
    main()
