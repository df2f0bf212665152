"""What preinit promises. Folders are those of `preinit/`; others say here what they are for; `support/` is what tests share."""
