"""What layers hold, where they are, what of them is in view, and which are ours; no window is needed."""
