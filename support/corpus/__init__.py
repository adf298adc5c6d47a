"""The two bodies of real text: a knowledge base with questions, and passages of Python's reference."""
