"""A Runnable whose work is asynchronous, used from synchronous code as well."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Literal, TypeVar, overload

from langchain_core.runnables import Runnable, RunnableConfig

Input = TypeVar("Input")
Output = TypeVar("Output")
T = TypeVar("T")


class AsyncFirst(Runnable[Input, Output]):
    """Gives subclasses that have ``ainvoke`` the synchronous calls, each in a loop of its own.

    Where a loop is running in this thread already, a synchronous call would block it: that is
    refused with a ``RuntimeError`` that names the call to use instead.
    """

    def invoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Output:  # noqa: A002 - the overridden name
        """See :meth:`ainvoke`."""
        with _runner("ainvoke") as runner:
            return runner.run(self.ainvoke(input, config, **kwargs))

    def stream(
        self,
        input: Input,  # noqa: A002 - the overridden name
        config: RunnableConfig | None = None,
        **kwargs: Any | None,
    ) -> Iterator[Output]:
        """See :meth:`astream`. Work goes on only while a piece is waited for."""
        return _drawn(self.astream(input, config, **kwargs), "astream")

    def batch(
        self,
        inputs: list[Input],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any | None,
    ) -> list[Output]:
        """See :meth:`abatch`. One loop, no threads: guards need not be safe across threads."""
        work = self.abatch(inputs, config, return_exceptions=return_exceptions, **kwargs)
        try:
            runner = _runner("abatch")
        except RuntimeError:
            work.close()
            raise
        with runner:
            return runner.run(work)

    @overload
    def batch_as_completed(
        self,
        inputs: Sequence[Input],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: Literal[False] = False,
        **kwargs: Any,
    ) -> Iterator[tuple[int, Output]]: ...

    @overload
    def batch_as_completed(
        self,
        inputs: Sequence[Input],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: Literal[True],
        **kwargs: Any,
    ) -> Iterator[tuple[int, Output | Exception]]: ...

    def batch_as_completed(
        self,
        inputs: Sequence[Input],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> Iterator[tuple[int, Output | Exception]]:
        """See :meth:`abatch_as_completed`."""
        results: AsyncIterator[Any] = self.abatch_as_completed(
            inputs,
            config,
            return_exceptions=return_exceptions,  # type: ignore[call-overload] # both are ours
            **kwargs,
        )
        return _drawn(results, "abatch_as_completed")


def _runner(instead: str) -> "asyncio.Runner":
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.Runner()
    raise RuntimeError(
        f"a synchronous call would block the event loop that is running here; await {instead}"
        "() instead, or make the call in a thread: await asyncio.to_thread(...)"
    )


def _drawn(pieces: AsyncIterator[T], instead: str) -> Iterator[T]:
    with _runner(instead) as runner:
        try:
            while True:
                try:
                    yield runner.run(_next(pieces))
                except StopAsyncIteration:
                    return
        finally:
            close = getattr(pieces, "aclose", None)
            if close is not None:
                runner.run(close())


async def _next(pieces: AsyncIterator[T]) -> T:
    return await anext(pieces)
