"""Command line: parses, calls the pipeline, draws progress. Importing it loads nothing heavy."""

from napari_nnunet_em.cli.app import main

__all__ = ["main"]
