"""Several completions at once in one llama.cpp context, one token of each per step."""

import ctypes
from collections import deque
from dataclasses import dataclass, field

import llama_cpp
import numpy as np
import numpy.typing as npt

from assistant.engine.llamacpp.job import DecodeError, Drawn, Ending, Job
from assistant.engine.llamacpp.model import Model
from assistant.engine.llamacpp.sampler import Sampler

_READ_PER_STEP = 64
"""Prompt tokens read in one step: how long others wait for their next token, and how late an
abandoned prompt is dropped, is the time these take."""


@dataclass(eq=False, slots=True, kw_only=True)
class _Slot:
    """One sequence of the cache. ``held`` are the tokens whose cells it has; they outlive the
    job, for the next prompt that starts alike."""

    number: int
    held: list[int] = field(default_factory=list)
    job: Job | None = None
    pending: deque[int] = field(default_factory=deque)
    sampler: Sampler | None = None
    used: int = 0


class Slots:
    """The batch loop's state. Everything here belongs to one thread.

    Args:
        slots: completions at once; more wait.
        cells: tokens the cache holds for all of them together.
    """

    def __init__(self, model: Model, *, slots: int, cells: int, threads: int) -> None:
        self._model = model
        self._cells = cells
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = cells
        parameters.n_batch = parameters.n_ubatch = _READ_PER_STEP + slots
        parameters.n_seq_max = slots
        parameters.kv_unified = True
        parameters.n_threads = parameters.n_threads_batch = threads
        self._context = llama_cpp.llama_init_from_model(model.pointer, parameters)
        if not self._context:
            raise OSError("llama.cpp cannot make a context of this size")
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._batch = llama_cpp.llama_batch_init(_READ_PER_STEP + slots, 0, 1)
        self._slots = [_Slot(number=number) for number in range(slots)]
        self._clock = 0
        self.waiting: deque[Job] = deque()

    @property
    def running(self) -> int:
        """Completions under way."""
        return sum(slot.job is not None for slot in self._slots)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return not self.waiting and self.running == 0

    def step(self) -> None:
        """Take on what fits, run one batch, and deliver what came of it."""
        self._drop_abandoned()
        while self.waiting and self._admit(self.waiting[0]):
            self.waiting.popleft()
        drawing = self._fill()
        if self._batch.n_tokens == 0:
            return
        if llama_cpp.llama_decode(self._context, self._batch) != 0:
            self._fail()
            return
        for slot, index in drawing:
            self._draw(slot, index)

    def _drop_abandoned(self) -> None:
        for slot in self._slots:
            if slot.job is not None and slot.job.abandoned:
                self._release(slot)
        if any(job.abandoned for job in self.waiting):
            self.waiting = deque(job for job in self.waiting if not job.abandoned)

    def _admit(self, job: Job) -> bool:
        free = [slot for slot in self._slots if slot.job is None]
        taken = sum(slot.job.cells for slot in self._slots if slot.job is not None)
        if not free or taken + job.cells > self._cells:
            return False
        # The slot that remembers most of this prompt, else the one unused for longest.
        slot = max(free, key=lambda s: (_shared(s.held, job.tokens), -s.used))
        source = max(self._slots, key=lambda s: _shared(s.held, job.tokens))
        # The last token is read again in any case: its logits are where drawing starts.
        kept = min(_shared(source.held, job.tokens), len(job.tokens) - 1)
        if source is slot:
            self._forget(slot, kept)
        else:
            self._forget(slot, 0)
            llama_cpp.llama_memory_seq_cp(self._memory, source.number, slot.number, 0, kept)
        slot.held = job.tokens[:kept]
        self._make_room(taken + job.cells, slot)
        slot.sampler = Sampler(self._model, job.draw)
        slot.pending = deque(job.tokens[kept:])
        slot.job = job
        job.cached = kept
        return True

    def _make_room(self, needed: int, slot: _Slot) -> None:
        """Forget what idle slots remember, oldest first, until ``needed`` cells are there."""
        idle = sorted((s for s in self._slots if s.job is None and s is not slot), key=_last_use)
        remembered = sum(len(s.held) for s in idle)
        for other in idle:
            if needed + remembered <= self._cells:
                return
            remembered -= len(other.held)
            self._forget(other, 0)

    def _forget(self, slot: _Slot, kept: int) -> None:
        llama_cpp.llama_memory_seq_rm(self._memory, slot.number, kept, -1)
        del slot.held[kept:]

    def _fill(self) -> list[tuple[_Slot, int]]:
        """Put every slot's next tokens into the batch; who draws, and at which place of it."""
        self._batch.n_tokens = 0
        drawing = []
        room = _READ_PER_STEP
        # Those that write take one token each; readers share what is left.
        for slot in sorted(self._slots, key=lambda s: len(s.pending)):
            if slot.job is None:
                continue
            take = 1 if len(slot.pending) == 1 else min(len(slot.pending), room)
            room -= take if take > 1 else 0
            for _ in range(take):
                self._put(slot, slot.pending.popleft(), draws=not slot.pending)
            if take and not slot.pending:
                drawing.append((slot, self._batch.n_tokens - 1))
        return drawing

    def _put(self, slot: _Slot, token: int, *, draws: bool) -> None:
        batch, place = self._batch, self._batch.n_tokens
        batch.token[place] = token
        batch.pos[place] = len(slot.held)
        batch.n_seq_id[place] = 1
        batch.seq_id[place][0] = slot.number
        batch.logits[place] = draws
        batch.n_tokens = place + 1
        slot.held.append(token)

    def _draw(self, slot: _Slot, index: int) -> None:
        job = slot.job
        if job is None or slot.sampler is None:
            raise AssertionError("only a slot with a job draws")
        token = slot.sampler.sample(self._context, index)
        job.generated += 1
        if self._model.ends(token):
            self._finish(slot, job, Ending.STOP)
            return
        job.deliver(self._drawn(token, index, job.alternatives))
        if job.generated >= job.limit:
            self._finish(slot, job, Ending.LENGTH)
        else:
            slot.pending.append(token)

    def _drawn(self, token: int, index: int, alternatives: int | None) -> Drawn:
        text = self._model.text(token)
        if alternatives is None:
            return Drawn(text=text)
        logprobs = self._logprobs(index)
        best: list[int] = []
        if alternatives:
            some = np.argpartition(-logprobs, alternatives)[:alternatives]
            best = some[np.argsort(-logprobs[some])].tolist()
        return Drawn(
            text=text,
            logprob=float(logprobs[token]),
            top=tuple((self._model.text(t), float(logprobs[t])) for t in best),
        )

    def _logprobs(self, index: int) -> npt.NDArray[np.float64]:
        row = llama_cpp.llama_get_logits_ith(self._context, index)
        pointer = ctypes.cast(row, ctypes.POINTER(ctypes.c_float))
        logits = np.ctypeslib.as_array(pointer, (self._model.size,)).astype(np.float64)
        logits -= logits.max()
        logits -= np.log(np.exp(logits).sum())
        return logits

    def _finish(self, slot: _Slot, job: Job, ending: Ending) -> None:
        self._release(slot)
        job.deliver(job.ended(ending))

    def _release(self, slot: _Slot) -> None:
        slot.job = None
        slot.pending.clear()
        if slot.sampler is not None:
            slot.sampler.free()
            slot.sampler = None
        self._clock += 1
        slot.used = self._clock

    def _fail(self) -> None:
        """A batch that could not be run leaves the cache in doubt: nobody goes on from it."""
        for slot in self._slots:
            if slot.job is not None:
                job = slot.job
                self._release(slot)
                job.deliver(DecodeError("llama.cpp could not decode the batch"))
            self._forget(slot, 0)

    def close(self) -> None:
        """Give the memory back; nothing works afterwards."""
        for slot in self._slots:
            if slot.job is not None:
                self._release(slot)
        llama_cpp.llama_batch_free(self._batch)
        llama_cpp.llama_free(self._context)


def _last_use(slot: _Slot) -> int:
    return slot.used


def _shared(one: list[int], other: list[int]) -> int:
    """How many tokens both start with."""
    for index, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return index
    return min(len(one), len(other))
