"""Ctrl-C while documents are run: once, to stop after the document at hand; twice, to stop at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from loguru import logger

from alas_metric.errors import FatalError

T = TypeVar("T")


class Interruption:
    """Whether the user has asked the run to stop.

    Args:
        advice: how a run that was stopped goes on; ends the message.
    """

    def __init__(self, advice: str) -> None:
        self.advice = advice
        self.asked = False

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """Let the first SIGINT of the block only set `asked`; the second does what it does elsewhere.

        Nothing is changed outside of the main thread, which alone gets signals, and where SIGINT is ignored (``nohup``)
        or somebody else's.
        """
        main = threading.current_thread() is threading.main_thread()
        if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            yield
            return
        signal.signal(signal.SIGINT, self._first)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _first(self, _number: int, _frame: Any) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        logger.warning("ALAS: interrupted; the run stops after this document. Once more stops it at once.")

    def between(self, steps: Iterable[T]) -> Iterator[T]:
        """Yield what is to be done, one step after the other.

        Raises:
            FatalError: Before the next step, or after the last, once the run is asked to stop.
        """
        for step in steps:
            self._check()
            yield step
        self._check()

    def _check(self) -> None:
        if self.asked:
            raise FatalError(f"interrupted after a whole document. {self.advice}")
