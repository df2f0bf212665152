"""What README.md and other documents say is true: this folder spans all rooms that they speak of."""
