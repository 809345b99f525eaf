"""Answers for tiles that hold a single value, kept so that blank space costs one tile."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")

# Padding, and one or two grey values of blank borders.
_KEPT = 4


class ConstantTiles(Generic[Answer]):
    """The last few answers, by the value of each channel.

    Parameters
    ----------
    predict : callable
        Makes the answer for a tile whose channels hold these values throughout.
    """

    def __init__(self, predict: Callable[[tuple[float, ...]], Answer]) -> None:
        self._predict = predict
        self._answers: OrderedDict[tuple[float, ...], Answer] = OrderedDict()

    def get(self, values: tuple[float, ...]) -> Answer:
        """The answer for a tile of these values, predicted when it is asked for the first time."""
        if values not in self._answers:
            self._answers[values] = self._predict(values)
            if len(self._answers) > _KEPT:
                self._answers.popitem(last=False)
        self._answers.move_to_end(values)
        return self._answers[values]
