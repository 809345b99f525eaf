"""How many tiles a device runs at once, found by trying."""

from __future__ import annotations

from collections.abc import Callable

# A batch twice as large has to be at least this much faster per tile.
_WORTHWHILE = 0.97


def find_batch_size(
    seconds_per_tile: Callable[[int], float | None], largest: int
) -> tuple[int, float | None]:
    """Double the batch for as long as tiles get faster.

    Parameters
    ----------
    seconds_per_tile : callable
        Tries a batch of so many tiles; None where memory does not allow it.
    largest : int
        Where to stop.

    Returns
    -------
    batch_size : int
        At least 1.
    seconds : float or None
        Per tile in such batches; None where not even one tile could be tried.
    """
    best, fastest = 1, seconds_per_tile(1)
    while fastest is not None and best * 2 <= largest:
        seconds = seconds_per_tile(best * 2)
        if seconds is None or seconds > fastest * _WORTHWHILE:
            break
        best, fastest = best * 2, seconds
    return best, fastest
