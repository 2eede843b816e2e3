"""Who may do what: identities, how passwords are checked, and which rule of ``http.accessControl`` decides.

Pure rules over the configuration: no I/O, no clock, no HTTP. The gateway asks them.
"""
