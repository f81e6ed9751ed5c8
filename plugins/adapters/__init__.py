"""Tools of other makes as plugins, and Corral's tools for other agents.

Whatever comes from outside is taken at its worst: what a server says about its own tools loosens
nothing, only the operator does.
"""
