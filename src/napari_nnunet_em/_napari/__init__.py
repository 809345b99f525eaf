"""The _napari room."""
