"""What a build gives back: files of outputs, reports that are read again."""
