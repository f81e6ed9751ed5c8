"""Training of the embedded classifier; needs the ``train`` dependency group, never imported by
the guard."""
