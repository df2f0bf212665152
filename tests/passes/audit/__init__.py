"""The initializer again, in other worlds."""
