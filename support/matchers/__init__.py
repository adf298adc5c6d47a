"""Matchers whose mismatch text is the diagnosis."""
