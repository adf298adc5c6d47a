"""Mutants of the reference gateway: what a tool changes at random, the scenarios must notice."""
