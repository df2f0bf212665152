"""Is an output what its input is after its initializer?"""
