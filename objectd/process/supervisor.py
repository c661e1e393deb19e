"""The supervisor: keeps one metadata owner and a number of workers running.

Whoever dies is replaced. Each worker has an incarnation, which the owner takes for it, and
which is fenced when the worker has been reaped; a new owner is told which incarnations live.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from objectd.process import control
from objectd.process.children import Child, ChildFailed
from objectd.process.control import Begin, Event

__all__ = ["DEATHS_MAX", "Place", "Supervisor", "restart_delay"]

DEATHS_MAX = 8
"""Of so many in a row, each soon after the last, it is given up."""

SETTLED_SECONDS = 1.0
"""Who is ready for so long has not died in a row with those before."""

READY_SECONDS_MAX = 300.0
"""Who is not ready by then hangs, and is killed."""

PING_SECONDS = 10.0
PINGS_MAX = 6
"""Who leaves so many unanswered is stuck, and is killed: nobody else would end it, and it keeps
its share of the connections. What is counted is pings, not time, of which we may have been
stopped for longer ourselves."""

WORKER_STOP_SECONDS = 1.0
OWNER_STOP_SECONDS = 1.5
"""To stop in, beside the time to drain, before it is killed."""

_DELAY_SECONDS_MIN = 0.1
_DELAY_SECONDS_MAX = 5.0

_log = Logger()


@attrs.define(eq=False)
class Place:
    """Where one child at a time works, with these listening sockets."""

    role: str
    name: str
    sockets: Sequence[int] = ()
    child: Child | None = None
    ready_at: float | None = None
    deaths: int = 0
    restart: IDelayedCall | None = None

    def cancel_restart(self) -> None:
        if self.restart is not None:
            _cancel(self.restart)


class Supervisor:
    """`begin` makes what a child of this role is told first, given the incarnations that live;
    `spawn` makes the child a process that has these sockets.

    `give_up` is called when the server cannot go on; a start that fails raises instead.
    """

    def __init__(
        self,
        owner_sockets: Sequence[int],
        worker_sockets: Sequence[Sequence[int]],
        *,
        spawn: Callable[..., None],
        begin: Callable[[str, Sequence[int]], Begin],
        clock: IReactorTime,
        announce: Callable[[str], object],
        give_up: Callable[[Exception], None],
    ) -> None:
        self._owner = Place(control.OWNER, "owner", owner_sockets)
        self._workers = [
            Place(control.WORKER, f"worker-{number}", sockets)
            for number, sockets in enumerate(worker_sockets, 1)
        ]
        self._spawn_process = spawn
        self._begin = begin
        self._clock = clock
        self._announce = announce
        self._give_up = give_up
        self._children: dict[Child, Place] = {}
        self._waiting_for_end: list[tuple[str, Deferred[None]]] = []
        self._starting: Deferred[None] | None = None
        self._stopping = False
        self._pinging: IDelayedCall | None = None
        self._awaiting: list[Child] = []
        self._incarnations: dict[Child, int] = {}
        self._unfenced: set[int] = set()

    async def start(self) -> None:
        """Spawn all; return when all are ready. Raises `ChildFailed`."""
        self._starting = Deferred()
        for place in (self._owner, *self._workers):
            self._fill(place)
        await self._starting
        self._starting = None
        self._pinging = self._clock.callLater(PING_SECONDS, self._ping)

    async def stop(self, drain_seconds: float) -> None:
        """End the workers, and then the owner; whoever does not end in time is killed."""
        self._stopping = True
        if self._pinging is not None:
            _cancel(self._pinging)
        for place in (self._owner, *self._workers):
            place.cancel_restart()
        await self._end(control.WORKER, drain_seconds, drain_seconds + WORKER_STOP_SECONDS)
        await self._end(control.OWNER, 0.0, OWNER_STOP_SECONDS)

    def tell_workers(self, command: control.Command) -> None:
        for child in self._all(control.WORKER):
            child.tell(command)

    async def replace_workers(self) -> None:
        """One after the other, each when its successor is ready; the old ones end when their
        connections do. Raises `ChildFailed` when a successor fails, and leaves it at that."""
        for place in self._workers:
            successor = self._spawn(place)
            is_ready = await successor.became_ready
            if self._stopping:
                return
            if not is_ready:
                raise ChildFailed(successor.failure or f"a new {place.name} does not start")
            place.cancel_restart()
            if place.child is not None:
                place.child.tell(control.Stop(None))
            self._settle(place, successor)

    # Children come and go

    def _fill(self, place: Place) -> None:
        self._settle(place, self._spawn(place))

    def _settle(self, place: Place, child: Child) -> None:
        place.child = child
        place.ready_at = self._clock.seconds() if child.is_ready else None

    def _spawn(self, place: Place) -> Child:
        child = Child(place.role, place.name, self)
        self._children[child] = place
        self._spawn_process(child, sockets=place.sockets)
        child.tell(self._begin(place.role, list(self._incarnations.values())))
        if place.role == control.WORKER:
            self._awaiting.append(child)
            self._ask_owner(control.TakeIncarnation())
        killing = self._clock.callLater(READY_SECONDS_MAX, child.kill)
        child.became_ready.addCallback(_cancelling(killing))
        return child

    def told(self, child: Child, event: Event) -> None:
        """Of `Concerned`."""
        match event:
            case control.Ready():
                self._is_ready(child)
            case control.Announce():
                self._announce(event.line)
            case control.Incarnation():
                self._give(event.number)
            case control.Fenced():
                self._unfenced.discard(event.incarnation)

    def ended(self, child: Child, how: str) -> None:
        """Of `Concerned`."""
        place = self._children.pop(child)
        if child in self._awaiting:
            self._awaiting.remove(child)
        if child in self._incarnations:
            self._fence(self._incarnations.pop(child))
        self._tell_of_end(place.role)
        if self._stopping or child.is_stopping or place.child is not child:
            return
        place.child = None
        if self._starting is not None and child.failure:
            self._fail(ChildFailed(child.failure))
        else:
            self._replace(place, how)

    def _replace(self, place: Place, how: str) -> None:
        now = self._clock.seconds()
        if place.ready_at is not None and now - place.ready_at >= SETTLED_SECONDS:
            place.deaths = 0
        place.deaths += 1
        if place.deaths >= DEATHS_MAX:
            self._fail(ChildFailed(f"{place.name} {how}, for the {place.deaths}th time in a row"))
            return
        _log.error("{name} {how}; it is replaced", name=place.name, how=how)
        place.restart = self._clock.callLater(restart_delay(place.deaths), self._fill, place)

    def _is_ready(self, child: Child) -> None:
        place = self._children[child]
        if place.child is child:
            place.ready_at = self._clock.seconds()
        if place is self._owner:
            self._owner_is_ready()
        if self._starting is not None and not self._starting.called and self._all_are_ready():
            self._starting.callback(None)

    def _all_are_ready(self) -> bool:
        return all(
            place.child is not None and place.child.is_ready
            for place in (self._owner, *self._workers)
        )

    def _fail(self, error: ChildFailed) -> None:
        if self._starting is None:
            self._give_up(error)
        elif not self._starting.called:
            self._starting.errback(error)

    def _ping(self) -> None:
        for child in [child for child in self._children if child.is_ready]:
            if child.unanswered >= PINGS_MAX:
                _log.error("{name} does not answer, and is killed", name=child.name)
                child.kill()
            else:
                child.ping()
        self._pinging = self._clock.callLater(PING_SECONDS, self._ping)

    def _all(self, role: str) -> list[Child]:
        return [child for child in self._children if child.role == role]

    async def _end(self, role: str, drain_seconds: float, seconds_max: float) -> None:
        ending = self._all(role)
        for child in ending:
            child.tell(control.Stop(drain_seconds))
        killing = self._clock.callLater(seconds_max, _kill, ending)
        if ending:
            waiting: Deferred[None] = Deferred()
            self._waiting_for_end.append((role, waiting))
            await waiting
        _cancel(killing)

    def _tell_of_end(self, role: str) -> None:
        if not self._all(role):
            waiting = [each for each in self._waiting_for_end if each[0] == role]
            for each in waiting:
                self._waiting_for_end.remove(each)
                each[1].callback(None)

    # Incarnations

    def _ask_owner(self, command: control.Command) -> None:
        """Whatever an owner that dies leaves undone is asked of the next one."""
        owner = self._owner.child
        if owner is not None and owner.is_ready:
            owner.tell(command)

    def _owner_is_ready(self) -> None:
        for _ in self._awaiting:
            self._ask_owner(control.TakeIncarnation())
        for number in self._unfenced:
            self._ask_owner(control.Fence(number))

    def _give(self, number: int) -> None:
        if not self._awaiting:
            self._fence(number)  # who waited for it is gone
            return
        child = self._awaiting.pop(0)
        self._incarnations[child] = number
        child.tell(control.Incarnation(number))

    def _fence(self, number: int) -> None:
        self._unfenced.add(number)
        self._ask_owner(control.Fence(number))


def restart_delay(deaths: int) -> float:
    """Seconds to wait after so many deaths in a row: the first is made good at once."""
    if deaths <= 1:
        return 0.0
    return float(min(_DELAY_SECONDS_MIN * 2 ** (deaths - 2), _DELAY_SECONDS_MAX))


def _kill(children: Iterable[Child]) -> None:
    for child in children:
        child.kill()


def _cancel(call: IDelayedCall) -> None:
    if call.active():
        call.cancel()


def _cancelling(call: IDelayedCall) -> Callable[[bool], bool]:
    def cancel(is_ready: bool) -> bool:
        _cancel(call)
        return is_ready

    return cancel
