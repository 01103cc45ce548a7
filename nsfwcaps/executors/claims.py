"""`--part i/n`: which parts of a stage are at work, and which are done.

    <workdir>/.parts/<stage>-<i>-of-<n>.json

A claim is touched every few seconds while its part is at work. One that is older belongs to a
process that has died. It also says what the part agreed on, and which phases it has finished; the
driver's call, without `--part`, reads that and removes the claims at the end. Ages are measured by
the clock of the file system, since those of the machines may differ.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from nsfwcaps import observers
from nsfwcaps.errors import ModelError, StorageError
from nsfwcaps.executors.order import Order
from nsfwcaps.files import write_atomically
from nsfwcaps.sharing import Part

FOLDER = ".parts"
_PROBE = ".now-"
_BEAT_S = 10.0
STALE_S = 60.0
_MOST_SHOWN = 8


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A part of a stage."""

    order: Order
    part: Part
    host: str
    pid: int
    at_work: bool
    """Whether its process means to go on; it may have died."""
    agreed: Mapping[str, Any] | None = None
    done: tuple[str, ...] = ()
    """Phases of which it has made all its shards."""
    age_s: float = field(default=0.0, compare=False)

    @property
    def alive(self) -> bool:
        """Whether its process is at work, as far as can be seen from here."""
        if not self.at_work or self.age_s > STALE_S:
            return False
        return self.host != socket.gethostname() or _runs(self.pid)

    def compare(self, order: Order) -> None:
        """Refuse to go on with a stage that this part has made otherwise.

        Raises:
            ModelError: weights, code or settings differ.
        """
        try:
            self.order.compare(order)
        except ModelError as error:
            if self.alive:
                raise
            raise ModelError(
                f"{error}, or forget part {self.part}, which has ended, with --overwrite"
            ) from None


class Claims:
    """The claims on one stage of a run."""

    def __init__(self, workdir: Path, stage: str) -> None:
        self._folder, self._stage = workdir / FOLDER, stage

    def all(self) -> list[Claim]:
        """Read all claims; damaged ones are left out."""
        observers.of(self._folder).refresh(self._folder)
        now = self._now()
        found = []
        for path in sorted(self._folder.glob(f"{self._stage}-*-of-*.json")):
            with suppress(OSError, ValueError, TypeError, KeyError):
                values = json.loads(path.read_bytes())
                values |= {"order": Order(**values["order"]), "part": Part(**values["part"])}
                values |= {"done": tuple(values["done"]), "age_s": now - path.stat().st_mtime}
                found.append(Claim(**values))
        return found

    def forget_others(self, order: Order) -> None:
        """Remove claims of parts that have ended, if they were made otherwise.

        Their shards stay: whoever needs them finds them by their keys.
        """
        self._remove(
            self._path(claim.part).name
            for claim in self.all()
            if not claim.alive and not claim.order.is_like(order)
        )

    @contextmanager
    def made(self, order: Order, part: Part) -> Iterator[OpenClaim]:
        """Claim a part for as long as the context lasts.

        Raises:
            ModelError: other parts are made with other options, code or weights.
            StorageError: another process makes this part, or parts of another number of them.
        """
        found = self.all()
        others = [claim for claim in found if claim.part != part]
        same = next((claim for claim in found if claim.part == part), None)
        if same is not None and same.alive:
            raise StorageError(
                f"part {part} of {order.stage} is made by another process, {same.pid} on "
                f"{same.host}; give each process a part of its own"
            )
        for claim in others:
            if claim.alive and claim.part.count != part.count:
                raise StorageError(
                    f"part {claim.part} of {order.stage} is at work on {claim.host}, so this "
                    f"cannot be part {part}: give all the same number of parts"
                )
            if claim.alive or claim.done:
                claim.compare(order)
        like = [claim for claim in others if claim.order.is_like(order)]
        known = next((claim.agreed for claim in like if claim.agreed is not None), None)
        claim = Claim(
            order=order,
            part=part,
            host=socket.gethostname(),
            pid=os.getpid(),
            at_work=True,
            agreed=known,
        )
        held = OpenClaim(self._path(part), claim)
        held.write()
        with held.beating():
            yield held

    def remove(self) -> None:
        """Remove all claims, once the stage is complete."""
        self._remove(path.name for path in self._folder.glob(f"{self._stage}-*-of-*.json"))
        for probe in self._folder.glob(f"{_PROBE}*"):  # of processes that were killed
            probe.unlink(missing_ok=True)
        with suppress(OSError):
            self._folder.rmdir()  # fails unless empty

    def _remove(self, files: Iterable[str]) -> None:
        names = [*files]
        for name in names:
            (self._folder / name).unlink(missing_ok=True)
        observers.of(self._folder).discarded(self._folder, names)

    def _path(self, part: Part) -> Path:
        return self._folder / f"{self._stage}-{part.index + 1}-of-{part.count}.json"

    def _now(self) -> float:
        """Return the time of the file system; that of this machine where it cannot be written."""
        if not self._folder.is_dir():
            return time.time()
        probe = self._folder / f"{_PROBE}{socket.gethostname()}-{os.getpid()}"
        with suppress(OSError):
            probe.write_bytes(b"")
            now = probe.stat().st_mtime
            probe.unlink(missing_ok=True)
            return now
        return time.time()


class OpenClaim:
    """A claim of this process."""

    def __init__(self, path: Path, claim: Claim) -> None:
        self._path, self.claim = path, claim
        self._alone = threading.Lock()

    def change(self, **changes: Any) -> None:
        """Note what the part has done."""
        self.claim = replace(self.claim, **changes)
        self.write()

    def write(self) -> None:
        """Write the claim."""
        values = asdict(self.claim)
        del values["age_s"]
        with self._alone:
            write_atomically(self._path, json.dumps(values, sort_keys=True).encode())
            observers.of(self._path).wrote(self._path)

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Touch the claim from time to time; note at the end that nobody is at work."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(_BEAT_S):
                with self._alone, suppress(OSError, StorageError):
                    self._path.touch(exist_ok=True)
                    observers.of(self._path).wrote(self._path)

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self.change(at_work=False)


def parts_at_work(workdir: Path) -> list[Claim]:
    """Return the claims of all stages of a run whose processes are at work."""
    folder = workdir / FOLDER
    observers.of(folder).refresh(folder)
    stages = {path.name.partition("-")[0] for path in folder.glob("*-of-*.json")}
    return [
        claim for stage in sorted(stages) for claim in Claims(workdir, stage).all() if claim.alive
    ]


def summary(workdir: Path, stage: str) -> str | None:
    """Describe the parts of a stage in one line; None without any."""
    claims = Claims(workdir, stage).all()
    if not claims:
        return None
    counts = sorted({claim.part.count for claim in claims})
    ordered = sorted(claims, key=lambda claim: (claim.part.count, claim.part.index))
    told = [_state(claim) for claim in ordered]
    more = f" and {len(told) - _MOST_SHOWN:,} more" if len(told) > _MOST_SHOWN else ""
    return f"parts of {' and '.join(map(str, counts))}: {', '.join(told[:_MOST_SHOWN])}{more}"


def _state(claim: Claim) -> str:
    if claim.alive:
        return f"{claim.part} at work on {claim.host}"
    return f"{claim.part} made {claim.done[-1]}" if claim.done else f"{claim.part} stopped"


def _runs(pid: int) -> bool:
    """Whether a process of this machine exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
