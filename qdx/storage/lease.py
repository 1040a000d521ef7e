"""The lock of a run directory: a lease that one process holds and a dead one loses.

`lock` holds who the holder is; its modification time is the heartbeat. On the holder's own machine
the process table says whether the holder lives. Elsewhere, and in another container, only the
heartbeat can. Flock is not used: it is unreliable on NFS.

A stale `lock` is never deleted, because between looking and deleting another process may have
replaced it by a live one. Its successor instead links its own lease to `lock.after-<token of the
stale lease>`, which one process alone can do, makes sure that `lock` still is the stale one, and
renames its lease over it. A successor that dies in between is succeeded in the same way. Tokens are
never used twice, so once `lock` has changed nobody can succeed the old lease any more.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import socket
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import final

import psutil

from qdx.core.errors import LockedRunError
from qdx.storage.files import remove, write_all

LOCK = "lock"
STALE_S = 60.0  # an older heartbeat is a dead holder's; a busy file server is late by seconds
HEARTBEAT_S = 10.0  # six beats may be lost before that
_SAME_START_S = 2.0  # psutil knows the boot time to the second
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


@dataclass(frozen=True)
class Holder:
    """Who wrote a lease.

    Attributes:
        host: Name of the machine.
        machine: Boot and process namespace: where process ids mean the same as here.
        pid: Process id.
        started_s: When the process started, in seconds after boot, which no change of the clock
            moves.
        token: Unlike any other lease's.
    """

    host: str
    machine: str
    pid: int
    started_s: float
    token: str


@final
class Lease:
    """A held lock, kept alive by a thread."""

    def __init__(self, root: Path, holder: Holder) -> None:
        """Keep alive what `acquire` has put in place."""
        self._path = root / LOCK
        self._holder = holder
        # Through the descriptor the beat reaches our own file, even when another process has taken
        # the name.
        self._fd = os.open(self._path, os.O_RDONLY)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="qdx-lease", daemon=True)
        self._thread.start()

    @classmethod
    def acquire(cls, root: Path) -> Lease:
        """Take the lock of a run directory.

        Raises:
            LockedRunError: A live process holds it.
        """
        holder = _myself()
        claim = root / f"{LOCK}.claim-{holder.token}"
        try:
            while True:
                _write_claim(claim, holder)  # again in each round: a winner may have swept it away
                if _publish(claim, root / LOCK) or _succeed(root, claim):
                    break
        finally:
            remove(claim)
        lease = cls(root, holder)
        _sweep(root)
        return lease

    def check(self) -> None:
        """Make sure the lock is still ours.

        Raises:
            LockedRunError: This process stood still for so long that another took over.
        """
        found = _read(self._path)
        if found is None or found[0].token != self._holder.token:
            if not found:
                raise LockedRunError(
                    f"{self._path}: expected the lock of this process (pid {self._holder.pid}), "
                    "found none: it was removed. The last commit stands; resume the run."
                )
            raise LockedRunError(
                f"{self._path}: expected this process (pid {self._holder.pid}) to hold the lock, "
                f"found {_describe(found[0])}. It gave no sign of life for {STALE_S:.0f} s and "
                "lost the run; end it, the other one goes on."
            )

    def release(self) -> None:
        """Give the lock back; a forked child leaves it to its parent."""
        if self._stop.is_set() or os.getpid() != self._holder.pid:
            return
        self._stop.set()
        self._thread.join()
        found = _read(self._path)
        if found and found[0].token == self._holder.token:
            remove(self._path)
        os.close(self._fd)

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_S):
            with suppress(OSError):
                os.utime(self._fd)


def is_held(root: Path) -> bool:
    """Whether a live process holds the lock of a run directory; takes no lock, writes nothing."""
    found = _read(root / LOCK)
    while found and (heir := _read(_after(root, found[0]))):
        found = heir
    return found is not None and _is_alive(found[0], time.time() - found[1])


def _succeed(root: Path, claim: Path) -> bool:
    """Take over from a dead holder; False to look again.

    Raises:
        LockedRunError: The holder lives.
    """
    first = last = _read(root / LOCK)
    if first is None or last is None:
        return False
    while heir := _read(_after(root, last[0])):
        last = heir
    with suppress(FileNotFoundError):  # the claim was swept away, or what it became was
        _refuse_living(root, last, now=claim.stat().st_mtime)
        after = _after(root, last[0])
        if not _publish(claim, after):
            return False
        present = _read(root / LOCK)
        if present and present[0].token == first[0].token:
            os.rename(after, root / LOCK)
            return True
        remove(after)
    return False


def _after(root: Path, holder: Holder) -> Path:
    return root / f"{LOCK}.after-{holder.token}"


def _refuse_living(root: Path, found: tuple[Holder, float], *, now: float) -> None:
    holder, beat = found
    # `now` is the modification time of a file written just before: the file server's clock, as the
    # beat.
    silence = now - beat
    if not _is_alive(holder, silence):
        return
    what = "Wait for it or stop it"
    if (holder.machine, holder.pid) == (_machine(), os.getpid()):
        what = "That is this process: close the run where it is open"
    if holder.machine != _machine():
        what += f"; if it is dead, try again in {max(1, STALE_S - silence):.0f} s"
    raise LockedRunError(
        f"{root}: expected a run nobody writes to, got one locked by {_describe(holder)} "
        f"(heartbeat {max(0.0, silence):.0f} s ago). {what}. Readers such as "
        "`qdx inspect` need no lock."
    )


def _is_alive(holder: Holder, silence: float) -> bool:
    if (holder.host, holder.machine) != (socket.gethostname(), _machine()):
        return silence <= STALE_S
    try:
        process = psutil.Process(holder.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return abs(_started_s(process) - holder.started_s) < _SAME_START_S
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def _write_claim(claim: Path, holder: Holder) -> None:
    fd = os.open(claim, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        write_all(fd, json.dumps(asdict(holder)).encode(), offset=0)
        os.fsync(fd)
    finally:
        os.close(fd)


def _publish(claim: Path, target: Path) -> bool:
    """Give the claim a second name unless that name is taken."""
    try:
        os.link(claim, target)
    except (FileExistsError, FileNotFoundError):
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _publish_without_links(claim, target)
    return True


def _publish_without_links(claim: Path, target: Path) -> bool:
    # Some network and USB file systems know no hard links. Others may see the file empty for an
    # instant; an unreadable lease counts as alive until its heartbeat is old.
    try:
        data = claim.read_bytes()
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except (FileExistsError, FileNotFoundError):
        return False
    try:
        write_all(fd, data, offset=0)
    finally:
        os.close(fd)
    return True


def _read(path: Path) -> tuple[Holder, float] | None:
    """The holder in a lease file and its last beat; None where there is no file."""
    try:
        with open(path, "rb") as file:
            status, data = os.fstat(file.fileno()), file.read()
    except FileNotFoundError:
        return None
    try:
        return Holder(**json.loads(data)), status.st_mtime
    except (ValueError, TypeError):
        unknown = Holder("unknown host", "", -1, 0.0, f"unreadable-{status.st_ino}")
        return unknown, status.st_mtime


def _sweep(root: Path) -> None:
    """Remove what dead claimants left; safe for the holder alone."""
    now = (root / LOCK).stat().st_mtime
    for path in [*root.glob(f"{LOCK}.after-*"), *root.glob(f"{LOCK}.claim-*")]:
        found = _read(path)
        if found and (
            path.name.startswith(f"{LOCK}.after-") or not _is_alive(found[0], now - found[1])
        ):
            remove(path)


def _myself() -> Holder:
    started_s = _started_s(psutil.Process())
    return Holder(socket.gethostname(), _machine(), os.getpid(), started_s, secrets.token_hex(8))


def _started_s(process: psutil.Process) -> float:
    return float(process.create_time() - psutil.boot_time())


def _machine() -> str:
    boot, namespace = "", ""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    with suppress(OSError):
        namespace = os.readlink("/proc/self/ns/pid")
    return f"{boot} {namespace}".strip()


def _describe(holder: Holder) -> str:
    return f"process {holder.pid} on {holder.host}"
