"""Side-by-side figures against the other servers. Not installed; run from a checkout."""
