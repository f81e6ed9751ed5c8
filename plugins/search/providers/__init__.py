"""Where ``web_search`` looks: one module for each."""
