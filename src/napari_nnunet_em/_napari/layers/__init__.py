"""What layers hold and where they are; no window is needed."""
