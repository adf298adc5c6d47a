"""What a run owes the machine it runs on: that everything of it ends with it."""
