"""Gold in the shapes of other tools, each read and written in one file."""
