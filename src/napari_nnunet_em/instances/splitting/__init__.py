"""Splitting objects that touch, object by object, so that no block shows in the outcome."""
