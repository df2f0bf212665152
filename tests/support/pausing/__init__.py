"""Programs that are paused at random places: what they do afterwards must be what they would have done."""
