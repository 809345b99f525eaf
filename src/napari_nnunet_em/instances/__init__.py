"""The instances room."""
