"""The Objects table dock: the objects of a labels layer, looked at, chosen, deleted and exported."""
