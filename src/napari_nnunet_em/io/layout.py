"""Which stored axis is z, y, x and c."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import dask.array as da
import numpy as np

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.io.finding import ArrayLike
from napari_nnunet_em.io.view import AxesView

CANONICAL = "czyx"


@dataclass(frozen=True)
class Layout:
    """The meaning of each stored axis.

    Attributes
    ----------
    letters : tuple of (str or None)
        z, y, x or c for each stored axis; None for an axis of length 1 that is dropped.
    """

    letters: tuple[str | None, ...]

    @property
    def axes(self) -> str:
        """The axes that stay, in the order c, z, y, x."""
        return "".join(letter for letter in CANONICAL if letter in self.letters)

    @property
    def dims(self) -> tuple[int, ...]:
        """The stored axis behind each entry of `axes`."""
        return tuple(self.letters.index(letter) for letter in self.axes)

    def apply(self, array: ArrayLike, chunks: Sequence[int] | None = None) -> ArrayLike:
        """The array with its axes as in `axes`: itself where nothing changes, else lazily rearranged."""
        if self.dims == tuple(range(len(self.letters))) and chunks is None:
            return array
        if isinstance(array, np.ndarray | da.Array):
            kept = array[tuple(slice(None) if letter else 0 for letter in self.letters)]
            order = sorted(self.dims)
            view: ArrayLike = kept.transpose([order.index(dim) for dim in self.dims])
            return view
        return AxesView(array, self.dims, chunks)


def settle_layout(shape: Sequence[int], named: str | None, given: str | None, origin: str) -> Layout:
    """Decide what the stored axes mean: the caller's word, else the metadata's, else the usual order.

    Parameters
    ----------
    shape : sequence of int
        Shape as stored.
    named : str or None
        Letters from metadata, one per axis, as in `Finding.axes`.
    given : str or None
        Letters from the caller: z, y, x, c in stored order. Stored axes of length 1 may be left out.
    origin : str
        Name of the volume, for messages.

    Raises
    ------
    InputError
        When the letters do not fit the shape, there are several time points, or too many axes.
    """
    if given is not None:
        return _layout_given(shape, given.lower(), origin)
    if named is not None:
        return _layout_named(shape, named, origin)
    if len(shape) < 2:
        raise InputError(
            f"{origin} has shape {tuple(shape)}, which is not an image: "
            "two to four axes are needed (y, x; z, y, x; or c, z, y, x)."
        )
    surplus = len(shape) - 4
    if surplus > 0 and math.prod(shape[:surplus]) != 1:
        raise InputError(
            f"{origin} has {len(shape)} axes, shape {tuple(shape)}, and nothing says which is which: "
            "take one part of at most four axes (c, z, y, x) and open that."
        )
    return Layout((None,) * max(surplus, 0) + tuple(CANONICAL[-min(len(shape), 4) :]))


def _layout_given(shape: Sequence[int], given: str, origin: str) -> Layout:
    letters = set(given)
    if not letters <= set(CANONICAL) or len(letters) != len(given) or not {"y", "x"} <= letters:
        raise InputError(
            f"The axes {given!r} given for {origin} cannot be used: write each of y and x, "
            "and z and c where the data have them, once and in stored order, for example zyx."
        )
    if len(given) == len(shape):
        return Layout(tuple(given))
    if len(given) == sum(n != 1 for n in shape):
        rest = iter(given)
        return Layout(tuple(next(rest) if n != 1 else None for n in shape))
    raise InputError(
        f"The axes {given!r} given for {origin} do not fit its shape {tuple(shape)}: "
        f"{len(given)} letters for {len(shape)} axes; write one letter per axis."
    )


def _layout_named(shape: Sequence[int], named: str, origin: str) -> Layout:
    sizes = list(zip(named, shape, strict=True))
    _refuse_time_series(shape, named, origin)
    # Axes that carry something and need a letter of ours: colour samples are channels, and what a
    # format calls "pages" or "unknown" takes the letters that are left, z before c.
    many = [letter for letter, n in sizes if n != 1]
    free = [x for x in "cz" if x not in many and not (x == "c" and "s" in many)]
    nameless = iter(free[len(free) - min(len(free), many.count("q")) :])
    letters: list[str | None] = []
    for letter, n in sizes:
        if n == 1:
            letters.append(letter if letter in CANONICAL and not _displaced(letter, many) else None)
        elif letter == "q":
            letters.append(next(nameless, None))
        else:
            letters.append("c" if letter == "s" else letter)
    surplus = many.count("q") > len(free) or ("c" in many and "s" in many)
    if surplus or not {"y", "x"} <= set(letters):
        raise InputError(
            f"{origin} has axes {named} and shape {tuple(shape)}, which do not fit c, z, y, x: "
            "save one part of it and open that, or say what each axis is, for example axes='zyx'."
        )
    return Layout(tuple(letters))


def _displaced(letter: str, many: Sequence[str]) -> bool:
    """Whether an axis of length 1 must give its letter to one that carries something."""
    nameless = many.count("q")
    if letter == "c":
        return "s" in many or nameless > ("z" not in many)
    return letter == "z" and nameless > 0


def _refuse_time_series(shape: Sequence[int], named: str, origin: str) -> None:
    times = shape[named.index("t")] if "t" in named else 1
    if times > 1:
        slices = named.replace("t", "z")
        hint = (
            ""
            if "z" in named or not set(slices) <= set(CANONICAL)
            else (f", or, if these are slices of a stack, open it with axes='{slices}'")
        )
        raise InputError(
            f"{origin} holds {times} time points (axes {named}, shape {tuple(shape)}), and one volume is "
            f"segmented at a time: save one time point and open that{hint}."
        )
