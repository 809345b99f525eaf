"""The plugin for napari: a folder for each dock, and for what docks share (docs/design/rooms.md)."""
