"""A dense-only Qdrant server: Qdrant's own engine (qdrant-edge) behind the REST interface of Qdrant 1.20.

The official clients work unchanged over HTTP. Missing on purpose: gRPC, snapshots, cluster, sparse, named and
multi vectors, quantisation, fusion, recommendations, text and geo filters, strict mode, the background
optimizer (queries are exact). Where Qdrant would serve such a request, the node answers 501.
"""
