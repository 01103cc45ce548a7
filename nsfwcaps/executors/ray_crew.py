"""Workers of a Ray cluster, as the driver sees them.

A worker that dies is replaced by a new actor, on any node with room. Ray's own restarts are not
used: a restarted actor has lost its model and its stage, so it would have to be opened again in any
case, and Ray would count its deaths for all jobs together.

Actors are not detached: they end with the driver, however it ends. One that finds no place at first
may find one later, as on a cluster that grows on demand, and joins then.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nsfwcaps.errors import DeviceError, InputError
from nsfwcaps.executors.executor import MOST_DEATHS, Crew, Job, JobProgress, died, same, take_next
from nsfwcaps.executors.order import Order
from nsfwcaps.executors.ray_member import ActorLostError, Member, State
from nsfwcaps.executors.ray_places import Places
from nsfwcaps.executors.supply import Supply
from nsfwcaps.files import write_atomically

PLACED_S = 45.0
"""How long workers may wait for a place before a line says so."""
_LOOK_S = 1.0
_LEAVE_S = 5.0
_TOKEN = ".ray-token"


class UnseenError(InputError):
    """No worker sees what the stage reads outside of the run's folder."""


class RayCrew(Crew):
    """Actors that have opened a stage, or are about to."""

    def __init__(
        self,
        order: Order,
        places: Places,
        note: Callable[[str], None],
        *,
        shared: bool | None = None,
        placed_s: float = PLACED_S,
    ) -> None:
        """Start no actor yet; `shared` says whether they see the run's folder, if it is known."""
        self.size = places.workers
        self.agreed: Mapping[str, Any] = {}
        self._decided = False
        self._order, self._places, self._note = order, places, note
        self._shared, self._placed_s = shared, placed_s
        self._token, self._content = Path(order.workdir) / _TOKEN, secrets.token_bytes(16)
        self._supply = Supply(order)
        self._members: list[Member] = []
        self._deaths = Counter[Job | None]()
        self._left: list[Job] = []
        self._said = False

    def start(self) -> None:
        """Start all actors; wait until one has opened the stage.

        Raises:
            DeviceError: no worker finds a place, or workers end as they begin.
            UnseenError: no worker sees what the stage reads.
            NsfwcapsError: as a worker does, or workers differ.
        """
        write_atomically(self._token, self._content)
        places = [self._places.place() for _ in range(self.size)]
        self._members = [self._started(place, number) for number, place in enumerate(places)]
        while not self._in(State.FREE):
            for _ in self._step():
                pass

    def make(self, jobs: Sequence[Job]) -> Iterator[JobProgress]:
        """Give each actor a job at a time; the answers come in any order."""
        self._left, self._deaths = list(jobs), Counter()
        while self._left or self._in(State.BUSY):
            for member in self._in(State.FREE) if self._left else ():
                if self._left:
                    yield from self._begin(member, take_next(self._left, member.held))
            yield from self._step()

    def stop(self) -> None:
        """End all actors."""
        left = [call for member in self._members if (call := member.leave()) is not None]
        if left:
            self._places.ray.wait(left, num_returns=len(left), timeout=_LEAVE_S)
        for member in self._members:
            member.end()
            self._places.give_back(member.place)
        self._token.unlink(missing_ok=True)

    def _started(self, place: Any, number: int) -> Member:
        member = Member(self._places, place, number)
        member.look(self._token, self._content, self._shared)
        return member

    def _in(self, state: State) -> list[Member]:
        return [member for member in self._members if member.state is state]

    def _step(self) -> Iterator[JobProgress]:
        """Wait for answers, and act on them."""
        self._open_next()
        calls = {member.call: member for member in self._members if member.call is not None}
        if calls:
            ready, _ = self._places.ray.wait([*calls], timeout=_LOOK_S)
            for call in ready:
                yield from self._heard(calls[call])
        self._watch_places()

    def _heard(self, member: Member) -> Iterator[JobProgress]:
        try:
            answer = member.answer()
        except ActorLostError as error:
            yield from self._replaced(member, str(error))
            return
        except InputError as error:
            if member.state is not State.OPENING:
                raise
            self._dismiss(member, error)
            return
        if member.state is State.ASKED:
            member.seen(answer)
        elif member.state is State.OPENING:
            self._opened(member, answer)
        else:
            yield member.made(answer, self._supply)

    def _open_next(self) -> None:
        """Have actors open the stage: the first one alone, for what it decides."""
        for member in self._in(State.SEEN):
            if not self._decided and self._in(State.OPENING):
                return
            try:
                agreed = self.agreed if self._decided else None
                member.open(self._order, agreed, self._supply)
            except ActorLostError as error:
                for _ in self._replaced(member, str(error)):
                    pass

    def _opened(self, member: Member, agreed: Mapping[str, Any]) -> None:
        if not self._decided:
            self.agreed, self._decided = agreed, True
        same([("the first worker", self.agreed), (member.name, agreed)])
        member.state, member.call = State.FREE, None

    def _begin(self, member: Member, job: Job) -> Iterator[JobProgress]:
        try:
            member.begin(job, self._supply)
        except ActorLostError as error:
            yield from self._replaced(member, str(error))

    def _replaced(self, member: Member, why: str) -> Iterator[JobProgress]:
        """Put a new actor in the place of one that is gone, and its job back."""
        job = member.job
        self._deaths[job] += 1
        if self._deaths[job] == MOST_DEATHS:
            if job is not None:
                raise died(job, MOST_DEATHS, why)
            raise DeviceError(
                f"{MOST_DEATHS} Ray workers ended as they began ({why}), often because memory was "
                "too small; use fewer workers"
            )
        member.end()  # Ray may have lost sight of an actor that lives
        self._members[self._members.index(member)] = self._started(member.place, member.number)
        if job is not None:
            self._left.insert(0, job)
            yield JobProgress(job=job, rows=-member.rows, done=False)

    def _dismiss(self, member: Member, error: InputError) -> None:
        """Go on without a worker that does not see what the stage reads."""
        member.leave()
        member.end()
        self._places.give_back(member.place)
        self._members.remove(member)
        if not self._members:
            raise UnseenError(str(error)) from None
        self._note(f"{self._order.stage}: going on without {error}")

    def _watch_places(self) -> None:
        """Say once that workers have no place; give up if none has."""
        now = time.monotonic()
        late = [m for m in self._in(State.ASKED) if now - m.asked_at > self._placed_s]
        if not late or (self._said and len(late) < len(self._members)):
            return
        late = [member for member in late if not self._places.given(member.place)]
        if not late:
            return
        refused = self._places.refused(self._placed_s, len(late))
        if len(late) == len(self._members):
            raise DeviceError(
                f"{refused}; ask for less with --ray-cpus and --ray-gpus, or wait until other "
                "jobs of the cluster end"
            )
        if not self._said:
            self._said = True
            self._note(f"{self._order.stage}: {refused}; going on with those that did")
