"""The image: all that a board runs, in one file."""
