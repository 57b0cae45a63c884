"""Names of version 0.1 that have moved; the modules are removed in 0.3."""
