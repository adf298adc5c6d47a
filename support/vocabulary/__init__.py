"""The words of the features as functions: each does one thing to the platform and returns its answer."""
