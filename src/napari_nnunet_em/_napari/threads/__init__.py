"""Work beside the window: how it is started, watched and stopped, and what it must not disturb."""
