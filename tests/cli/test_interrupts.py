"""The first signal asks, the second Ctrl-C ends."""

from __future__ import annotations

import contextlib
import signal
import threading

import pytest

from napari_nnunet_em.cli.interrupts import stop_on_signals
from napari_nnunet_em.progress import CancelToken


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_cancels_and_says_so_once(number: signal.Signals) -> None:
    token, said = CancelToken(), []
    with stop_on_signals(token, lambda: said.append("stop")):
        signal.raise_signal(number)
        assert token.cancelled
        signal.raise_signal(signal.SIGTERM)
    assert said == ["stop"]


def test_the_second_ctrl_c_ends_at_once() -> None:
    token = CancelToken()
    with stop_on_signals(token, lambda: None):
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_handlers_are_put_back_even_after_an_error() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with contextlib.suppress(ValueError), stop_on_signals(CancelToken(), lambda: None):
        assert signal.getsignal(signal.SIGINT) is not before[0]
        raise ValueError("inside")
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_other_threads_install_nothing() -> None:
    seen = []

    def work() -> None:
        with stop_on_signals(CancelToken(), lambda: None):
            seen.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
