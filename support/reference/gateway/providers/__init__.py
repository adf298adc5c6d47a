"""The nine external AI providers as the gateway's callers see them: one request, one set of errors."""

from support.reference.gateway.providers.orders import (
    CallAttempt,
    Delivery,
    EmbedOrder,
    ProviderConfig,
    ProviderProblem,
)
from support.reference.gateway.providers.router import ProviderRouter

__all__ = ["CallAttempt", "Delivery", "EmbedOrder", "ProviderConfig", "ProviderProblem", "ProviderRouter"]
