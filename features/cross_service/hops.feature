Feature: The services talk to each other
  One request crosses up to five services. Each hop must really happen, carry the request's id, take little
  time, and be told apart from the others when it fails.

  Background:
    Given the collection "handbook"

  @smoke @critical @use.with_stores=visible @key.accepted-vectors-reach-qdrant
  Scenario: What the gateway accepts arrives in Qdrant as it was sent
    Why it matters: this is the API to Qdrant communication, seen from the far side.

    When an editor stores the document "fire-drill" with the text "The fire drill takes place in March." with:
      | option              | value      |
      | metadata.department | facilities |
    Then the request succeeds as "created" in version 1
    And Qdrant and PostgreSQL agree on "fire-drill":
      | field               | value                                |
      | version             | 1                                    |
      | text                | The fire drill takes place in March. |
      | metadata.department | facilities                           |
    And Qdrant and PostgreSQL hold 1 document each

  @smoke @use.with_stores=visible @use.with_providers=visible @key.computed-embedding-is-stored
  Scenario: The embedding that the service computes is the one that is stored
    Why it matters: this is the embedding to storage flow.

    Given the requests to the embedding service are recorded
    When an editor stores the document "fire-drill" with the text "The fire drill of {unique} takes place in March."
    Then the request succeeds as "created"
    And the vector of "fire-drill" is the embedding of its text
    And the embedding service received:
      | kind     | number    | texts |
      | requests | exactly 1 | 1     |

  @use.with_providers=visible @key.request-id-in-every-log
  Scenario: A request's id is in the answer and in the log of every service that it reaches
    When an editor stores the document "minutes" with the text "The minutes of the meeting of {unique}." with:
      | option     | value            |
      | request id | at-trace-minutes |
    Then the answer shows:
      | field        | value            |
      | outcome      | created          |
      | X-Request-ID | at-trace-minutes |
    And within 3 s the log of the gateway contains "at-trace-minutes"
    And within 3 s the log of the embedding service contains "at-trace-minutes"

  @use.with_providers=visible
  Scenario: A request's id reaches the external provider
    When a reader asks OpenAI to embed "hello {unique}" with:
      | option     | value           |
      | request id | at-trace-openai |
    Then OpenAI received these requests as documented:
      | texts            | request id      |
      | "hello {unique}" | at-trace-openai |

  Scenario: A request without an id is given one
    When an editor stores the document "minutes" with the text "The minutes of the last meeting."
    Then the answer shows:
      | field        | value   |
      | outcome      | created |
      | X-Request-ID | a UUID  |

  @NFR-hop @key.server-timing-of-every-hop
  Scenario: The answer tells how long each hop took
    When an editor stores the document "minutes" with the text "The minutes of the meeting of {unique}."
    Then the answer shows:
      | field                    | value                       |
      | outcome                  | created                     |
      | Server-Timing.gateway    | at most Server-Timing.total |
      | Server-Timing.embedding  | at most Server-Timing.total |
      | Server-Timing.qdrant     | at most Server-Timing.total |
      | Server-Timing.postgresql | at most Server-Timing.total |
      | Server-Timing.total      | at most elapsed time        |

  @key.server-timing-of-query-embedding
  Scenario: A search tells how long its query was embedded, where there was something to embed
    Given the documents:
      | id      | text                             |
      | minutes | The minutes of the last meeting. |
    When a reader searches for "What was said in {unique}?"
    Then the answer shows:
      | field             | value                            |
      | number of results | 1                                |
      | embedding time ms | more than 0                      |
      | embedding time ms | at least Server-Timing.embedding |
      | embedding time ms | at most Server-Timing.embedding  |
    When a reader searches for a vector of 384 numbers
    Then the answer shows:
      | field             | value  |
      | number of results | 1      |
      | embedding time ms | absent |

  @NFR-hop @key.store-latency-within-limit
  Scenario: Qdrant and PostgreSQL answer the gateway in less than 50 ms
    Given the documents:
      | id      | text                             |
      | minutes | The minutes of the last meeting. |
    When these requests are made:
      | actor    | request                                                | times |
      | a reader | searches for "what was said at the meeting" with cache off | 30    |
      | a reader | reads "minutes" with vector on                         | 30    |
    Then every request succeeds
    And at least 50 % of the answers show:
      | field                    | value        |
      | Server-Timing.qdrant     | less than 50 |
      | Server-Timing.postgresql | less than 50 |
