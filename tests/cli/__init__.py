"""The command as users run it: a process, its files, what it says, how it ends."""
