"""Files to layers, and layers to files: what napari asks a plugin for."""
