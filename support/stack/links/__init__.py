"""Fault links: a small TCP proxy process that speaks Toxiproxy's HTTP control API.

Two additions to the original: a toxic's JSON tells ``hits``, how often it has touched something, and a
proxy's JSON tells ``traffic``: connections accepted, chunks received from clients, connections cut by
disabling. A client that does not know them ignores them.
"""
