"""What docks are put together from: fields of declared settings, rows, panels and dialogs."""
