"""Judging images: uploads of users, and what an image model painted."""
