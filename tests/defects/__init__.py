"""Seeded defects: realistic mistakes, each of which must turn the scenarios red that watch for it."""
