"""A real sshd on 127.0.0.1 with keys of its own, and a slow line to put before it."""

from __future__ import annotations

import getpass
import os
import selectors
import shlex
import shutil
import socket
import subprocess
import threading
import time
from collections import deque
from pathlib import Path

from e2e.terminal import wait_until

QUEUE_SECONDS = 0.1
"""How much the line itself holds; what is more waits with the sender."""

SSHD = shutil.which("sshd") or next((p for p in ("/usr/sbin/sshd",) if os.path.exists(p)), None)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Sshd:
    """The server; a context manager that ends it and its sessions."""

    def __init__(self, place: Path) -> None:
        self.place, self.port = place, free_port()
        for name in ("host", "user"):
            key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(place / name)]
            subprocess.run(key, check=True, stdin=subprocess.DEVNULL)
        shutil.copy(place / "user.pub", place / "authorized")
        (place / "authorized").chmod(0o600)
        if os.getuid() == 0:
            # Where the server separates its privileges.
            os.makedirs("/run/sshd", exist_ok=True)
        (place / "config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {place}/host\n"
            f"AuthorizedKeysFile {place}/authorized\nStrictModes no\nUsePAM no\n"
            f"PasswordAuthentication no\nPermitRootLogin yes\nPidFile none\nPrintMotd no\n"
            "PermitUserEnvironment no\nClientAliveInterval 1\nClientAliveCountMax 2\n"
        )

    def __enter__(self) -> Sshd:
        self.log = (self.place / "log").open("w")
        self.process = subprocess.Popen(
            [str(SSHD), "-D", "-e", "-f", str(self.place / "config")], stderr=self.log
        )
        wait_until(self._answers, 10.0, (self.place / "log").read_text())
        return self

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def __exit__(self, *exception: object) -> None:
        self.process.terminate()
        self.process.wait(10)
        self.log.close()

    def command(
        self, remote: dict[str, str], *arguments: str, port: int | None = None
    ) -> list[str]:
        """`ssh -tt` with an environment and a command."""
        settings = [f"{k}={v}" for k, v in remote.items() if k not in ("PATH", "HOME", "TERM")]
        line = shlex.join(["env", f"PATH={remote['PATH']}", *settings, *arguments])
        return [
            *("ssh", "-tt", "-q", "-p", str(port or self.port), "-i", str(self.place / "user")),
            *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
            *("-o", "IdentitiesOnly=yes", "-F", "/dev/null"),
            f"{getpass.getuser()}@127.0.0.1",
            f"cd {shlex.quote(os.getcwd())} && {line}",
        ]


class SlowLine:
    """A TCP proxy of so many bits a second each way and some delay; counts the bytes to the client."""

    def __init__(self, port: int, bits: float = 1e6, delay: float = 0.02) -> None:
        self.target, self.rate, self.delay = port, bits / 8.0, delay
        self.down = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.2)
        self.port = int(self._listener.getsockname()[1])
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> SlowLine:
        self._threads[0].start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(2)
        self._listener.close()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            server = socket.create_connection(("127.0.0.1", self.target))
            for source, sink, counted in ((client, server, False), (server, client, True)):
                # Small buffers: a line that queues megabytes in the kernel is not slow but late.
                source.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
                sink.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
                thread = threading.Thread(
                    target=self._pump, args=(source, sink, counted), daemon=True
                )
                self._threads.append(thread)
                thread.start()

    def _pump(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        """Pass data on, each piece once the line has had time for it and the delay is over."""
        ready = selectors.DefaultSelector()
        ready.register(source, selectors.EVENT_READ)
        under_way: deque[tuple[float, bytes]] = deque()
        free_at = time.monotonic()
        while not self._over.is_set():
            wait = max(0.0, under_way[0][0] - time.monotonic()) if under_way else 0.2
            try:
                if free_at - time.monotonic() < QUEUE_SECONDS:
                    if ready.select(wait):
                        data = source.recv(1460)
                        if not data:
                            break
                        free_at = max(free_at, time.monotonic()) + len(data) / self.rate
                        under_way.append((free_at + self.delay, data))
                else:
                    time.sleep(min(wait, 0.01))
                while under_way and under_way[0][0] <= time.monotonic():
                    data = under_way.popleft()[1]
                    sink.sendall(data)
                    self.down += len(data) if counted else 0
            except OSError:
                break
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
