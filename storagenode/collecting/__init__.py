"""Online garbage collection, as one storage node does it for its own copies (ARCHITECTURE 3b)."""
