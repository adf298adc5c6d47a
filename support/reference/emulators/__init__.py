"""Emulators of the nine external AI providers: their wire formats, and a record of what reached them.

Requests, answers and headers, and the errors for a bad key, an unknown model, a rate limit and a batch
ceiling follow each provider's official SDK, its published documentation, recorded traffic and quoted error
messages, as known in November 2026; exceptions are marked "not documented". For rarer complaints (a malformed
field, an unknown path, overload and failure) the shape is the provider's, but code and wording are often
ours: nothing should depend on them. Not emulated: streaming, pictures, quotas that fill up by themselves.
"""
