"""The Evaluate dock: two labels layers compared."""
