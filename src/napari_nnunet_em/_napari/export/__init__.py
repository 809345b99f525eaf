"""The Export dock: a layer or a file written in another format."""
