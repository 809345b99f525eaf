"""The Objects dock: objects tuned on what is in view, then made in the whole volume."""
