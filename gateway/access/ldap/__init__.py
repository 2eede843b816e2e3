"""Users in a directory (LDAP): looked up with a service account, and proven by a bind of their own."""
