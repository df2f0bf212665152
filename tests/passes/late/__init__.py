"""What an instance brings itself: its environment, its arguments."""
