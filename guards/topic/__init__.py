"""Keeping an assistant to its topics, by examples of what is and what is not one of them."""
