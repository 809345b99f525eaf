"""The whole chain on a sample volume with known truth: what a newcomer runs first."""

from napari_nnunet_em.demo.report import DemoReport
from napari_nnunet_em.demo.run import run_demo
from napari_nnunet_em.demo.sample import DemoSample

__all__ = ["DemoReport", "DemoSample", "run_demo"]
