"""Insecure code in replies: found by rules on the stream, by data flow afterwards."""
