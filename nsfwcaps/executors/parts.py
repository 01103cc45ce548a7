"""`--part i/n`: this process makes its share of a stage's missing shards, beside the other parts.

    claim ─▶ phase ─ make the share ─▶ done ─ wait, where the next phase needs all parts of this one

A part waits only for parts that are at work. Otherwise it ends and says which ones are left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsfwcaps.artifacts import StageFolder, StageRecord
from nsfwcaps.executors.claims import Claim, Claims, OpenClaim
from nsfwcaps.executors.executor import same
from nsfwcaps.executors.order import Order
from nsfwcaps.executors.worker import Worker
from nsfwcaps.progress import Progress
from nsfwcaps.sharing import Part
from nsfwcaps.stage import Stage

_LOOK_S = 0.5
_MOST_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class PartResult:
    """What became of a part of a stage."""

    stage: str
    part: Part
    phase: str | None = None
    """Phase after which it had to stop, as other parts have not made theirs; None: it is done."""
    left: tuple[str, ...] = ()
    """Parts that have not made their share, such as `2/8`."""

    @property
    def line(self) -> str:
        """One line for display, with what to do next."""
        done = f"{self.stage:<8} part {self.part}"
        if not self.left:
            return f"{done}: all parts are made; run the same command once without --part"
        named = _listed(self.left)
        if self.phase is None:
            return f"{done}: its share is made; left: parts {named}, then once without --part"
        return (
            f"{done}: its share of {self.phase} is made; what follows needs parts {named}: run "
            "them, then this part again"
        )


def make_part(
    stage: Stage,
    settings: Any,
    workdir: Path,
    inputs: Mapping[str, StageRecord],
    part: Part,
    progress: Progress,
    *,
    alone: Callable[[], AbstractContextManager[None]],
    overwrite: bool = False,
) -> PartResult:
    """Make one part of a stage.

    It is claimed while nobody else can begin: `alone` is a lock for that. `overwrite` forgets
    parts that have ended and were made with other options, code or weights.

    Raises:
        StorageError: another process makes this part.
        ModelError: the other parts are made with other options, code or weights.
    """
    module = stage.load_shares()
    order = Order.of(stage.name, settings, workdir, inputs)
    claims = Claims(workdir, stage.name)
    folder = StageFolder(workdir / stage.name)
    folder.look_again()
    with ExitStack() as stack:
        with alone():
            if overwrite:
                claims.forget_others(order)
            claim = stack.enter_context(claims.made(order, part))
        worker = Worker(order, claim.claim.agreed)
        _agree(claims, claim, worker)
        settled = module.settled(settings, worker.agreed)
        for phase in module.phases(settled, folder, inputs):
            name = f"{stage.name}: {phase.name}, part {part}"
            with progress.task(name, phase.rows_of(part), unit=phase.unit) as advance:
                worker.make(phase.name, part, advance)
            claim.change(done=(*claim.claim.done, phase.name))
            if phase.then_wait and (left := _wait(claims, claim.claim, phase.name, progress)):
                return PartResult(stage=stage.name, part=part, phase=phase.name, left=_names(left))
            folder.look_again()
        left = _without(claims, claim.claim, claim.claim.done)
    return PartResult(stage=stage.name, part=part, left=_names(left))


def agreed_by_parts(claims: Sequence[Claim], order: Order) -> Mapping[str, Any] | None:
    """Return what parts of a stage have agreed on; None if there are none.

    Raises:
        ModelError: the parts were made with other options, code or weights.
    """
    made = [claim for claim in claims if claim.agreed is not None]
    for claim in made:
        claim.compare(order)
    return same((f"part {claim.part}", claim.agreed or {}) for claim in made) if made else None


def _agree(claims: Claims, claim: OpenClaim, worker: Worker) -> None:
    """Compare with the other parts of the same run, and note what this one has."""
    own = claim.claim
    claim.change(agreed=worker.agreed)
    others = [
        (f"part {each.part}", each.agreed)
        for each in claims.all()
        if each.agreed is not None and each.part != own.part and _is_beside(each, own)
    ]
    same([*others, ("this part", worker.agreed)])


def _wait(claims: Claims, own: Claim, phase: str, progress: Progress) -> list[Part]:
    """Wait until all parts have made a phase; return those that nobody is making."""
    said = False
    while True:
        left = _without(claims, own, (phase,))
        alive = {claim.part for claim in claims.all() if claim.alive}
        if not left or not alive.issuperset(left):
            return [part for part in left if part not in alive]
        if not said:
            progress.note(f"{own.order.stage}: waiting for parts {_listed(_names(left))}")
            said = True
        time.sleep(_LOOK_S)


def _without(claims: Claims, own: Claim, phases: Sequence[str]) -> list[Part]:
    """Return the parts that have not made all of some phases."""
    made = {
        claim.part
        for claim in claims.all()
        if _is_beside(claim, own) and set(phases) <= set(claim.done)
    }
    count = own.part.count
    return [Part(number, count) for number in range(count) if Part(number, count) not in made]


def _is_beside(claim: Claim, own: Claim) -> bool:
    """Whether a claim is on a part of the same run of the stage, cut in the same way."""
    return claim.order.fingerprint == own.order.fingerprint and claim.part.count == own.part.count


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def _names(parts: Sequence[Part]) -> tuple[str, ...]:
    return tuple(map(str, parts))
