"""Who asks, and whether it may: passwords, tokens and rights, at the door of the gateway."""
