"""Opening the model that a window chose; for a thread, because the first one loads torch and nnU-Net."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from napari_nnunet_em._napari.segment.words import short_licence
from napari_nnunet_em._napari.threads.libraries import load_libraries, loading
from napari_nnunet_em.errors import ModelError
from napari_nnunet_em.model import (
    ModelBundle,
    ModelChoice,
    find_models,
    install_model,
    list_models,
    remove_model,
)

STILL_OPENING = "The model is still being read; try again in a moment."


@dataclass(frozen=True)
class ChosenModel:
    """A model as chosen, and what came of opening it.

    Attributes
    ----------
    path : str
        Name of an installed model, or a path.
    configuration : str or None
        Which model of several at that path.
    trust : bool
        Whether it may run code.
    bundle : ModelBundle or None
        The opened model.
    problem : str
        Why there is none.
    choices : tuple of ModelChoice
        All models at that path, where there are several.
    """

    path: str
    configuration: str | None = None
    trust: bool = False
    bundle: ModelBundle | None = None
    problem: str = STILL_OPENING
    choices: tuple[ModelChoice, ...] = ()

    @property
    def opening(self) -> bool:
        """Whether it is still being read."""
        return self.bundle is None and self.problem == STILL_OPENING

    @property
    def class_names(self) -> tuple[str, ...]:
        """Foreground classes, as far as known: an installed model states its target before it is opened."""
        if self.bundle is not None:
            return tuple(c.name for c in self.bundle.classes)
        return tuple(s.target for s in list_models() if s.name == self.path)

    @property
    def licence(self) -> str:
        """The licence in a sentence."""
        known = [s.licence for s in list_models() if s.name == self.path]
        return known[0] if known or self.bundle is None else short_licence(self.bundle.licence)


@loading()
def open_model(chosen: ChosenModel) -> ChosenModel:
    """Open a chosen model; where the path holds several and none was named, the first of them."""
    choices: tuple[ModelChoice, ...] = ()
    configuration = chosen.configuration
    known = {summary.name: summary.root for summary in list_models()}
    place = known.get(chosen.path, Path(chosen.path))
    try:
        if place.exists():
            found = find_models(place, trust=chosen.trust)
            choices = found if len(found) > 1 else ()
        if configuration is None and len(choices) > 1:
            configuration = choices[0].full_name
        bundle = ModelBundle.open(chosen.path, configuration=configuration, trust=chosen.trust)
    except ModelError as error:
        return ChosenModel(chosen.path, configuration, chosen.trust, None, str(error), choices)
    return ChosenModel(chosen.path, configuration, chosen.trust, bundle, "", choices)


@dataclass(frozen=True)
class Installation:
    """A model to be installed or removed, and what came of it.

    Attributes
    ----------
    source : str
        Path of what is installed, or name of what is removed.
    remove : bool
        Whether it is removed.
    name : str
        Name of the model, where it went well.
    problem : str
        Why it did not.
    """

    source: str
    remove: bool = False
    name: str = ""
    problem: str = ""


def change_installed(wanted: Installation) -> Installation:
    """Install or remove a model; for a thread, because files are copied and checkpoints read."""
    load_libraries()
    try:
        if wanted.remove:
            remove_model(wanted.source)
            return replace(wanted, name=wanted.source)
        return replace(wanted, name=install_model(wanted.source))
    except ModelError as error:
        return replace(wanted, problem=str(error))
