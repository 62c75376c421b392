"""Jobs as they go: what is read of them, again and again, and how it is drawn on a terminal."""
