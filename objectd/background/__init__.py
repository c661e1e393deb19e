"""Work that goes on while nobody asks for it."""
