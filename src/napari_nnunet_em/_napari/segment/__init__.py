"""The Segment dock: one job after the other, its preview, and its layers."""
