"""Reading every copy again, slowly: what has rotted goes into quarantine, what is gone is missed before somebody pulls it."""
