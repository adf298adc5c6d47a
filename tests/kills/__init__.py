"""Kills at aimed moments: what strikes, and a run in small."""
