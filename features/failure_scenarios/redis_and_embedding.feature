@outage @use.with_stores=visible
Feature: Redis or the embedding service fails
  Without Redis everything works, only slower; without the embedding service everything
  works that needs no new embedding.

  Background:
    Given the collection "handbook"
    And the documents:
      | id           | text                                |
      | safety-sheet | Wear gloves when handling the acid. |

  @critical @key.redis-crash-degrades-only
  Scenario: Without Redis every request succeeds, and readiness reports it as degraded
    When Redis crashes
    And these requests are made:
      | actor     | request                                             |
      | an editor | stores the document "menu" with the text "At noon." |
      | a reader  | searches for "how to handle acid"                   |
      | a reader  | reads "safety-sheet"                                |
      | an editor | deletes "safety-sheet"                              |
    Then every request succeeds
    And every answer arrives within the cache limit
    And every answer shows:
      | field   | value   |
      | X-Cache | not HIT |
    And within the health limit the answer to an anonymous caller who reads the readiness report shows:
      | field    | value            |
      | status   | ready            |
      | degraded | contains "redis" |
    When Redis recovers
    Then within the recovery limit every service is used again

  @key.frozen-redis-delays-nobody
  Scenario Outline: Every request succeeds within the cache limit: <fault>
    When <fault>
    And these requests are made:
      | actor     | request                                             |
      | an editor | stores the document "menu" with the text "At noon." |
      | a reader  | searches for "how to handle acid"                   |
      | a reader  | reads "safety-sheet"                                |
      | an editor | deletes "safety-sheet"                              |
    Then every request succeeds
    And every answer arrives within the cache limit
    And every answer shows:
      | field   | value   |
      | X-Cache | not HIT |
    When Redis recovers
    Then within the recovery limit every service is used again

    Examples:
      | fault         |
      | Redis freezes |

  @critical @key.redis-write-fault-changes-nothing
  Scenario Outline: Every request succeeds although Redis stores nothing: <fault>
    When <fault>
    And these requests are made:
      | actor     | request                                             |
      | an editor | stores the document "menu" with the text "At noon." |
      | a reader  | searches for "how to handle acid"                   |
      | a reader  | reads "safety-sheet"                                |
      | an editor | deletes "safety-sheet"                              |
    Then every request succeeds
    And every answer arrives within the cache limit
    And every answer shows:
      | field   | value   |
      | X-Cache | not HIT |
    When Redis recovers
    Then within the recovery limit every service is used again

    Examples:
      | fault                  |
      | Redis is out of memory |
      | Redis refuses writes   |
      | Redis holds back writes |

  Scenario: While Redis has no free connections every request succeeds
    When Redis has no free connections
    And these requests are made:
      | actor     | request                                             |
      | an editor | stores the document "menu" with the text "At noon." |
      | a reader  | searches for "how to handle acid"                   |
      | a reader  | reads "safety-sheet"                                |
      | an editor | deletes "safety-sheet"                              |
    Then every request succeeds
    And every answer arrives within the cache limit
    And within the health limit the answer to an anonymous caller who reads the readiness report shows:
      | field    | value            |
      | status   | ready            |
      | degraded | contains "redis" |
    When Redis recovers
    Then within the recovery limit every service is used again

  @key.rate-limit-holds-without-redis
  Scenario: A rate limit holds without Redis, which counts it
    Given a reader with a rate limit of 5 requests per minute
    And the connection to Redis is cut
    When the limited caller lists the models 8 times
    Then 5 requests succeed and 3 are refused with "rate-limited"
    When Redis recovers
    Then within the recovery limit every service is used again

  @N4 @G4
  Scenario Outline: A change that Redis cannot be told of is seen by the next search: <fault>
    Given a reader searches for "how to handle acid"
    And <fault>
    When an editor updates "safety-sheet" with text "The canteen serves soup."
    Then the request succeeds as "updated"
    When Redis recovers
    And a reader searches for "how to handle acid"
    Then the answer shows:
      | field          | value                    |
      | results.1.text | The canteen serves soup. |
    And the result is the same as without the cache
    And within the recovery limit every service is used again

    Examples:
      | fault                          |
      | the connection to Redis is cut |
      | Redis is out of memory         |

  @N4 @G4 @key.gateway-crash-keeps-invalidation
  Scenario: A search cached before a crash of the gateway does not hide a change made after it
    Given a reader searches for "how to handle acid"
    And the gateway crashes and restarts
    When an editor updates "safety-sheet" with text "The canteen serves soup."
    And a reader searches for "how to handle acid"
    Then the result was computed
    And the answer shows:
      | field          | value                    |
      | results.1.text | The canteen serves soup. |

  @critical
  Scenario: Without the embedding service only new texts are refused
    Given a reader searches for "how to handle acid"
    And an editor creates the collection "pictures" with dimensions 4
    And an editor stores the document "poster" with the vector [1, 0, 0, 0] in "pictures"
    When the embedding service crashes
    And an editor stores the document "menu" with the text "At noon {unique}." in "handbook"
    Then the request is refused with "dependency-unavailable"
    And the answer arrives within the embedding limit
    When these requests are made:
      | actor     | request                                                | collection |
      | a reader  | searches for "how to handle acid"                      | handbook   |
      | an editor | stores the document "flyer" with the vector [0, 1, 0, 0] | pictures   |
      | a reader  | searches for the vector [1, 0, 0, 0]                    | pictures   |
    Then every request succeeds
    When the embedding service recovers
    Then within the recovery limit these requests succeed:
      | actor     | request                                                     | collection |
      | an editor | stores the document "soup" with the text "Daily {unique}." | handbook   |
