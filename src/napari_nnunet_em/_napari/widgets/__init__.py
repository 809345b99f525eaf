"""Dock widgets: they show, ask and forward; decisions are made in the modules beside this package."""
