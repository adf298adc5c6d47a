@outage @use.with_stores=visible
Feature: An outage refuses exactly the operations that need the failed service
  The contract says for every operation which services it needs. While one of them fails, those
  operations are refused in time and name the service; all others succeed.

  Background:
    Given the collection "handbook"

  @N5 @N6 @G6 @critical @key.qdrant-outage-refuses-only-dependents @fault.<fault>
  Scenario Outline: Without Qdrant only the operations that need it are refused: <fault>
    Given every operation has something to work on
    When <fault>
    And an administrator calls every operation at the same moment
    Then every operation answers within the refusal limit, or within its own limit where that is shorter
    And every operation succeeds except:
      | operation             | outcome                                                   | dependency |
      | create collection     | <refusal>                                                 | qdrant     |
      | delete collection     | <refusal>                                                 | qdrant     |
      | get collection status | <refusal>                                                 | qdrant     |
      | validate collection   | <refusal>                                                 | qdrant     |
      | insert vector         | <refusal>                                                 | qdrant     |
      | batch vectors         | <refusal>                                                 | qdrant     |
      | search vectors        | <refusal>                                                 | qdrant     |
      | get vector            | <refusal>                                                 | qdrant     |
      | update vector         | <refusal>                                                 | qdrant     |
      | delete vector         | <refusal>                                                 | qdrant     |
      | get readiness         | succeeded or dependency-unavailable or dependency-timeout |            |
      | cancel job            | succeeded or job-not-cancellable                          |            |
    When Qdrant recovers
    Then within the recovery limit every service is used again

    Examples: its process fails
      | fault                        | refusal                                      |
      | Qdrant crashes               | dependency-unavailable                       |
      | Qdrant shuts down gracefully | dependency-unavailable                       |
      | Qdrant freezes               | dependency-unavailable or dependency-timeout |

    Examples: its connection fails
      | fault                                              | refusal                                      |
      | the connection to Qdrant is cut                    | dependency-unavailable                       |
      | the connection to Qdrant is reset by every request | dependency-unavailable or dependency-timeout |
      | the connection to Qdrant blackholes all traffic    | dependency-unavailable or dependency-timeout |
      | the connection to Qdrant drops every response      | dependency-unavailable or dependency-timeout |
      | the connection to Qdrant truncates every response  | dependency-unavailable or dependency-timeout |

    Examples: its connection is too slow
      | fault                                             | refusal                                      |
      | the connection to Qdrant trickles responses       | dependency-unavailable or dependency-timeout |
      | the connection to Qdrant is slower than its limit | dependency-unavailable or dependency-timeout |

  @N5 @N6 @G6 @critical @key.postgresql-outage-refuses-only-dependents @fault.<fault>
  Scenario Outline: Without PostgreSQL only the operations that need it are refused: <fault>
    Given every operation has something to work on
    When <fault>
    And an administrator calls every operation at the same moment
    Then every operation answers within the refusal limit, or within its own limit where that is shorter
    And every operation succeeds except:
      | operation             | outcome                                                   | dependency |
      | list collections      | <refusal>                                                 | postgresql |
      | create collection     | <refusal>                                                 | postgresql |
      | get collection        | <refusal>                                                 | postgresql |
      | update collection     | <refusal>                                                 | postgresql |
      | delete collection     | <refusal>                                                 | postgresql |
      | get collection status | <refusal>                                                 | postgresql |
      | list vectors          | <refusal>                                                 | postgresql |
      | validate collection   | <refusal>                                                 | postgresql |
      | insert vector         | <refusal>                                                 | postgresql |
      | batch vectors         | <refusal>                                                 | postgresql |
      | get vector            | <refusal>                                                 | postgresql |
      | update vector         | <refusal>                                                 | postgresql |
      | delete vector         | <refusal>                                                 | postgresql |
      | list jobs             | <refusal>                                                 | postgresql |
      | submit job            | <refusal>                                                 | postgresql |
      | get job status        | <refusal>                                                 | postgresql |
      | cancel job            | <refusal>                                                 | postgresql |
      | get readiness         | succeeded or dependency-unavailable or dependency-timeout |            |
    When PostgreSQL recovers
    Then within the recovery limit every service is used again

    Examples: its process fails
      | fault                            | refusal                                      |
      | PostgreSQL crashes               | dependency-unavailable                       |
      | PostgreSQL shuts down gracefully | dependency-unavailable                       |
      | PostgreSQL freezes               | dependency-unavailable or dependency-timeout |

    Examples: its connection fails
      | fault                                                  | refusal                                      |
      | the connection to PostgreSQL is cut                    | dependency-unavailable                       |
      | the connection to PostgreSQL is reset by every request | dependency-unavailable or dependency-timeout |
      | the connection to PostgreSQL blackholes all traffic    | dependency-unavailable or dependency-timeout |
      | the connection to PostgreSQL drops every response      | dependency-unavailable or dependency-timeout |
      | the connection to PostgreSQL truncates every response  | dependency-unavailable or dependency-timeout |

    Examples: its connection is too slow
      | fault                                                 | refusal                                      |
      | the connection to PostgreSQL trickles responses       | dependency-unavailable or dependency-timeout |
      | the connection to PostgreSQL is slower than its limit | dependency-unavailable or dependency-timeout |

  @N5 @N6 @G6 @critical @key.redis-outage-refuses-only-dependents @fault.<fault>
  Scenario Outline: Without Redis only the invalidation of the cache is refused: <fault>
    Given every operation has something to work on
    When <fault>
    And an administrator calls every operation at the same moment
    Then every operation answers within the refusal limit, or within its own limit where that is shorter
    And every operation succeeds except:
      | operation        | outcome                          | dependency |
      | invalidate cache | <refusal>                        | redis      |
      | cancel job       | succeeded or job-not-cancellable |            |
    When Redis recovers
    Then within the recovery limit every service is used again

    Examples: its process fails
      | fault                       | refusal                                      |
      | Redis crashes               | dependency-unavailable                       |
      | Redis shuts down gracefully | dependency-unavailable                       |
      | Redis freezes               | dependency-unavailable or dependency-timeout |

    Examples: its connection fails
      | fault                                             | refusal                                      |
      | the connection to Redis is cut                    | dependency-unavailable                       |
      | the connection to Redis is reset by every request | dependency-unavailable or dependency-timeout |
      | the connection to Redis blackholes all traffic    | dependency-unavailable or dependency-timeout |
      | the connection to Redis drops every response      | dependency-unavailable or dependency-timeout |
      | the connection to Redis truncates every response  | dependency-unavailable or dependency-timeout |

    Examples: its connection is too slow
      | fault                                            | refusal                                      |
      | the connection to Redis trickles responses       | dependency-unavailable or dependency-timeout |
      | the connection to Redis is slower than its limit | dependency-unavailable or dependency-timeout |

  @N5 @N6 @G6 @critical @key.embedding-outage-refuses-only-dependents @fault.<fault>
  Scenario Outline: Without the embedding service only new embeddings are refused: <fault>
    Given every operation has something to work on
    When <fault>
    And an administrator calls every operation at the same moment
    Then every operation answers within the refusal limit, or within its own limit where that is shorter
    And every operation succeeds except:
      | operation                     | outcome                          | dependency |
      | generate embedding            | <refusal>                        | embedding  |
      | generate embedding batch      | <refusal>                        | embedding  |
      | generate embedding with model | <refusal>                        | embedding  |
      | insert vector                 | <refusal>                        | embedding  |
      | batch vectors                 | <refusal>                        | embedding  |
      | search vectors                | <refusal>                        | embedding  |
      | update vector                 | <refusal>                        | embedding  |
      | cancel job                    | succeeded or job-not-cancellable |            |
    When the embedding service recovers
    Then within the recovery limit every service is used again

    Examples: its process fails
      | fault                         | refusal                |
      | the embedding service crashes | dependency-unavailable |

    Examples: its connection fails
      | fault                                                             | refusal                                      |
      | the connection to the embedding service is cut                    | dependency-unavailable                       |
      | the connection to the embedding service is reset by every request | dependency-unavailable or dependency-timeout |
      | the connection to the embedding service blackholes all traffic    | dependency-unavailable or dependency-timeout |
      | the connection to the embedding service truncates every response  | dependency-unavailable or dependency-timeout |

    Examples: its connection is too slow
      | fault                                                      | refusal                                      |
      | the connection to the embedding service trickles responses | dependency-unavailable or dependency-timeout |

  @N5 @N6 @G6 @critical @key.providers-outage-refuses-only-dependents @fault.<fault>
  Scenario Outline: Without the providers only requests to them are refused: <fault>
    Given every operation has something to work on
    When <fault>
    And an administrator calls every operation at the same moment
    Then every operation answers within the refusal limit, or within its own limit where that is shorter
    And every operation succeeds except:
      | operation           | outcome                          | dependency |
      | embed with provider | <refusal>                        |            |
      | cancel job          | succeeded or job-not-cancellable |            |
    When the providers recovers
    Then within the recovery limit every service is used again

    Examples: their process fails
      | fault                 | refusal                                                                    |
      | the providers crashes | provider-unavailable or provider-timeout or provider-error or circuit-open |

    Examples: their connection fails
      | fault                                                     | refusal                                                                    |
      | the connection to the providers is cut                    | provider-unavailable or provider-timeout or provider-error or circuit-open |
      | the connection to the providers is reset by every request | provider-unavailable or provider-timeout or provider-error or circuit-open |
      | the connection to the providers blackholes all traffic    | provider-unavailable or provider-timeout or provider-error or circuit-open |
      | the connection to the providers truncates every response  | provider-unavailable or provider-timeout or provider-error or circuit-open |

    Examples: their connection is too slow
      | fault                                              | refusal                                                                    |
      | the connection to the providers trickles responses | provider-unavailable or provider-timeout or provider-error or circuit-open |

  @key.allowed-latency-changes-nothing @fault.<fault>
  Scenario Outline: A response that is late but within its limit changes nothing: <fault>
    Given every operation has something to work on
    When <fault>
    And an administrator calls every operation at the same moment
    Then every operation answers within the refusal limit, or within its own limit where that is shorter
    And every operation succeeds except:
      | operation  | outcome                          |
      | cancel job | succeeded or job-not-cancellable |
    And every answer shows:
      | field    | value           |
      | degraded | absent or empty |
    When all faults end
    Then within the recovery limit every service is used again

    Examples:
      | fault                                                            |
      | the connection to Qdrant is slow within its limit                |
      | the connection to PostgreSQL is slow within its limit            |
      | the connection to Redis is slow within its limit                 |
      | the connection to the embedding service is slow within its limit |
      | the connection to the providers is slow within its limit         |

  @N5 @N6 @G6
  Scenario: Without Qdrant and Redis only the operations that need one of them are refused
    Given every operation has something to work on
    When the connection to Qdrant is cut
    And the connection to Redis blackholes all traffic
    And an administrator calls every operation at the same moment
    Then every operation answers within the refusal limit, or within its own limit where that is shorter
    And every operation succeeds except:
      | operation             | outcome                                                   |
      | create collection     | dependency-unavailable or dependency-timeout              |
      | delete collection     | dependency-unavailable or dependency-timeout              |
      | get collection status | dependency-unavailable or dependency-timeout              |
      | validate collection   | dependency-unavailable or dependency-timeout              |
      | insert vector         | dependency-unavailable or dependency-timeout              |
      | batch vectors         | dependency-unavailable or dependency-timeout              |
      | search vectors        | dependency-unavailable or dependency-timeout              |
      | get vector            | dependency-unavailable or dependency-timeout              |
      | update vector         | dependency-unavailable or dependency-timeout              |
      | delete vector         | dependency-unavailable or dependency-timeout              |
      | invalidate cache      | dependency-unavailable or dependency-timeout              |
      | get readiness         | succeeded or dependency-unavailable or dependency-timeout |
      | cancel job            | succeeded or job-not-cancellable                          |
    When all faults end
    Then within the recovery limit every service is used again

  @N5 @N6 @G6
  Scenario: Without the embedding service and PostgreSQL only the operations that need one of them are refused
    Given every operation has something to work on
    When the connection to the embedding service is cut
    And the connection to PostgreSQL blackholes all traffic
    And an administrator calls every operation at the same moment
    Then every operation answers within the refusal limit, or within its own limit where that is shorter
    And every operation succeeds except:
      | operation                     | outcome                                                   |
      | generate embedding            | dependency-unavailable or dependency-timeout              |
      | generate embedding batch      | dependency-unavailable or dependency-timeout              |
      | generate embedding with model | dependency-unavailable or dependency-timeout              |
      | insert vector                 | dependency-unavailable or dependency-timeout              |
      | batch vectors                 | dependency-unavailable or dependency-timeout              |
      | search vectors                | dependency-unavailable or dependency-timeout              |
      | update vector                 | dependency-unavailable or dependency-timeout              |
      | list collections              | dependency-unavailable or dependency-timeout              |
      | create collection             | dependency-unavailable or dependency-timeout              |
      | get collection                | dependency-unavailable or dependency-timeout              |
      | update collection             | dependency-unavailable or dependency-timeout              |
      | delete collection             | dependency-unavailable or dependency-timeout              |
      | get collection status         | dependency-unavailable or dependency-timeout              |
      | list vectors                  | dependency-unavailable or dependency-timeout              |
      | validate collection           | dependency-unavailable or dependency-timeout              |
      | get vector                    | dependency-unavailable or dependency-timeout              |
      | delete vector                 | dependency-unavailable or dependency-timeout              |
      | list jobs                     | dependency-unavailable or dependency-timeout              |
      | submit job                    | dependency-unavailable or dependency-timeout              |
      | get job status                | dependency-unavailable or dependency-timeout              |
      | cancel job                    | dependency-unavailable or dependency-timeout              |
      | get readiness                 | succeeded or dependency-unavailable or dependency-timeout |
    When all faults end
    Then within the recovery limit every service is used again

  @N5 @N6 @G6
  Scenario: Without Redis and the embedding service only the operations that need one of them are refused
    Given every operation has something to work on
    When the connection to Redis is cut
    And the connection to the embedding service blackholes all traffic
    And an administrator calls every operation at the same moment
    Then every operation answers within the refusal limit, or within its own limit where that is shorter
    And every operation succeeds except:
      | operation                     | outcome                                      |
      | invalidate cache              | dependency-unavailable or dependency-timeout |
      | generate embedding            | dependency-unavailable or dependency-timeout |
      | generate embedding batch      | dependency-unavailable or dependency-timeout |
      | generate embedding with model | dependency-unavailable or dependency-timeout |
      | insert vector                 | dependency-unavailable or dependency-timeout |
      | batch vectors                 | dependency-unavailable or dependency-timeout |
      | search vectors                | dependency-unavailable or dependency-timeout |
      | update vector                 | dependency-unavailable or dependency-timeout |
      | cancel job                    | succeeded or job-not-cancellable             |
    When all faults end
    Then within the recovery limit every service is used again
