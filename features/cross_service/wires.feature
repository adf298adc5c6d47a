@use.with_stores=visible @use.with_providers=visible
Feature: Between the services
  What an answer says about the services behind it is checked where it happened: in the requests that they
  received, in the connections that were opened, and in the gateway's metrics.

  Background:
    Given the collection "handbook"

  @key.services-receive-request-id
  Scenario: Every service receives the id of the request, and the embedding service how long the gateway waits
    Given the requests to Qdrant are recorded
    And the requests to the embedding service are recorded
    When an editor stores the document "minutes" with the text "The minutes of the meeting of {unique}." with:
      | option     | value          |
      | request id | at-trace-wires |
    Then the request succeeds
    And Qdrant received:
      | kind     | number     | request id     |
      | requests | at least 1 | at-trace-wires |
      | writes   | exactly 1  | at-trace-wires |
    And the embedding service received:
      | kind     | number    | request id     | deadline                     |
      | requests | exactly 1 | at-trace-wires | within the embedding timeout |

  @key.batch-is-one-request-per-service
  Scenario: A batch costs each service one request
    Given the requests to Qdrant are recorded
    And the requests to the embedding service are recorded
    When an editor stores 25 documents in one batch
    Then every item succeeds as "created" in version 1
    And the embedding service received:
      | kind     | number    | texts |
      | requests | exactly 1 | 25    |
    And Qdrant received:
      | kind   | number    | points |
      | writes | exactly 1 | 25     |

  @G4 @key.cache-hit-calls-no-service
  Scenario: A cached result costs no other service a request
    Given a reader searches for "when can I eat"
    And the requests to Qdrant are recorded
    And the requests to the embedding service are recorded
    When a reader searches for "when can I eat"
    Then the result was served from the cache
    And Qdrant received:
      | kind     | number |
      | requests | no     |
    And the embedding service received:
      | kind     | number |
      | requests | no     |

  @N8 @key.caller-key-not-forwarded
  Scenario: No service is shown a key that is not its own
    Given the requests to Qdrant are recorded
    And the requests to the embedding service are recorded
    When an editor stores the document "minutes" with the text "The minutes of the meeting of {unique}."
    Then the request succeeds
    And Qdrant received:
      | kind                 | number     | keys of others |
      | requests             | at least 1 |                |
      | requests of any kind | at least 1 | empty          |
    And the embedding service received:
      | kind                 | number     | keys of others |
      | requests             | at least 1 |                |
      | requests of any kind | at least 1 | empty          |

  @key.connections-are-reused
  Scenario Outline: Many requests share a few connections to <server>
    Given the documents:
      | id      | text                             |
      | minutes | The minutes of the last meeting. |
    And the requests to <server> are recorded
    When these requests are made:
      | actor    | request                                                    | times |
      | a reader | searches for "what was said at the meeting" with cache off | 30    |
      | a reader | reads "minutes" with vector on                             | 30    |
    Then every request succeeds
    And <server> received:
      | kind        | number    |
      | connections | at most 3 |

    Examples:
      | server                |
      | Qdrant                |
      | PostgreSQL            |
      | Redis                 |
      | the embedding service |

  @NFR-hop @key.slow-service-identified
  Scenario: A slow service is told from the others and is asked no more than once
    Given the documents:
      | id      | text                             |
      | minutes | The minutes of the last meeting. |
    When the connection to Qdrant delays responses by 150 ms
    And a reader searches for "what was said at the meeting" with cache off
    Then the answer shows:
      | field                    | value                   |
      | number of results        | 1                       |
      | Server-Timing.qdrant     | at least 150            |
      | Server-Timing.qdrant     | less than 300           |
      | Server-Timing.gateway    | less than 150           |
      | Server-Timing.postgresql | less than 150           |
      | Server-Timing.embedding  | less than 150           |
      | Server-Timing.redis      | absent or less than 150 |
      | Server-Timing.provider   | absent                  |
      | unaccounted time         | at most 0.1             |
    When Qdrant recovers
    And a reader searches for "what was said at the meeting" with cache off
    Then the answer shows:
      | field                | value         |
      | Server-Timing.qdrant | less than 150 |

  @key.every-response-counted
  Scenario: The metrics count every answer by its operation and status
    Given the requests to the gateway are recorded
    When an administrator calls every operation
    Then the metrics show:
      | metric                 | growth              |
      | gateway_requests_total | one for each answer |

  @key.every-metric-has-a-value
  Scenario: Every promised metric has a value
    When an administrator calls every operation
    Then the metrics show:
      | metric                                 | value   |
      | gateway_requests_total                 | present |
      | gateway_request_duration_seconds_count | present |
      | cache_requests_total                   | present |
      | cache_hit_rate                         | present |
      | cache_lookup_duration_seconds_count    | present |
      | cache_memory_usage_bytes               | present |
      | vector_operations_total                | present |
      | vector_operation_duration_seconds_count | present |
      | external_model_requests_total          | present |
      | external_model_latency_seconds_count   | present |
      | dependency_up                          | present |
      | circuit_breaker_state                  | present |
      | outbox_open_events                     | present |
      | jobs                                   | present |

  Scenario: The metrics count every request to a provider
    Given OpenAI answers the next request with a rate limit and a Retry-After of 1 s
    And the requests to the gateway are recorded
    When a reader asks OpenAI to embed "hello {unique}" and "world {unique}"
    Then the request succeeds
    And OpenAI received exactly 2 requests
    And the metrics show:
      | metric                        | model  | growth |
      | external_model_requests_total | OpenAI | 2      |

  @key.cache-hits-and-misses-counted
  Scenario: The metrics count hits and misses of the cache
    Given the requests to the gateway are recorded
    When a reader searches for "What has nobody asked in {unique}?" 2 times
    Then the metrics show:
      | metric               | operation | result | growth |
      | cache_requests_total | get       | miss   | 2      |
      | cache_requests_total | get       | hit    | 1      |

  @key.gateway-counters-match-requests
  Scenario: The metrics count every operation on documents once
    Given the requests to the gateway are recorded
    When an editor stores 5 documents
    And a reader searches for "question {n} of {unique}" 3 times
    Then the metrics show:
      | metric                  | operation | collection | growth |
      | vector_operations_total | insert    | handbook   | 5      |
      | vector_operations_total | search    | handbook   | 3      |

  Scenario: No answer tells what the platform is made of
    When an administrator calls every operation
    Then every answer shows:
      | field             | value  |
      | Server            | absent |
      | X-Powered-By      | absent |
      | Via               | absent |
      | X-Runtime         | absent |
      | X-AspNet-Version  | absent |
      | X-Backend         | absent |
