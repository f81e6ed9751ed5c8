"""An OpenAI-compatible server around llama.cpp: several streams at once, aborted when abandoned.

llama-cpp-python brings a server of its own. It holds one lock for everything: while one reply is
generated, other replies, the list of models and token counts all wait; a reply nobody waits for
any more is only given up between two of its tokens, not while its prompt is read; and a prompt
over the window, when streaming, is an empty answer with status 200. A guarded turn needs none of
that to be so, hence this one, on the same library.
"""
