"""What an actor can ask of the platform, in words: the requests that the sentences are made of.

``an editor deletes "menu"`` is an actor and a request. The same request may be made several times, by many
at the same moment, while something fails, or in another collection: those are sentences; what is asked is
defined once, here.
"""

from support.vocabulary.requests import (
    collections as collections,
)
from support.vocabulary.requests import (
    corpora as corpora,
)
from support.vocabulary.requests import (
    documents as documents,
)
from support.vocabulary.requests import (
    embeddings as embeddings,
)
from support.vocabulary.requests import (
    hostile as hostile,
)
from support.vocabulary.requests import (
    jobs as jobs,
)
from support.vocabulary.requests import (
    limits as limits,
)
from support.vocabulary.requests import (
    malformed as malformed,
)
from support.vocabulary.requests import (
    operations as operations,
)
from support.vocabulary.requests import (
    platform as platform,
)
from support.vocabulary.requests import (
    repeating as repeating,
)
from support.vocabulary.requests import (
    search as search,
)
from support.vocabulary.requests.grammar import ANY as ANY
from support.vocabulary.requests.grammar import KINDS as KINDS
from support.vocabulary.requests.grammar import Request as Request
from support.vocabulary.requests.grammar import parse as parse
from support.vocabulary.requests.making import aside as aside
from support.vocabulary.requests.making import at_once as at_once
from support.vocabulary.requests.making import during as during
from support.vocabulary.requests.making import in_turn as in_turn
from support.vocabulary.requests.making import keep as keep
from support.vocabulary.requests.making import make as make
from support.vocabulary.requests.making import of_table as of_table
from support.vocabulary.requests.making import prepare as prepare
from support.vocabulary.requests.making import repeat as repeat
from support.vocabulary.requests.making import with_each as with_each
