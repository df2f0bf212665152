"""Views of a Report. Nothing is computed here."""
