@use.with_stores=visible
Feature: A rate limit is exact and belongs to the caller
  A rate limit belongs to the key: not to an address, a header, a route or a moment. Whoever has
  reached it is told when to come back, and nothing is carried out for them until then.

  Scenario: A rate limit lets exactly the allowed requests pass and concerns no other caller
    Given a reader with a rate limit of 5 requests per minute
    When these requests are made:
      | actor              | request          | times |
      | the limited caller | lists the models | 8     |
      | an editor          | lists the models | 1     |
    Then the outcomes are:
      | outcome      |
      | succeeded    |
      | succeeded    |
      | succeeded    |
      | succeeded    |
      | succeeded    |
      | rate-limited |
      | rate-limited |
      | rate-limited |
      | succeeded    |

  @critical @key.rate-limit-exact-under-concurrency
  Scenario: Of many requests at the same moment exactly the allowed number succeed
    Given a reader with a rate limit of 10 requests per minute
    When the limited caller lists the models 40 times at the same moment
    Then 10 requests succeed and 30 are refused with "rate-limited"

  @key.spoofed-headers-share-rate-limit
  Scenario: Spoofed headers and other forms of the key do not bypass the rate limit
    Given a reader with a rate limit of 1 request per minute
    And the limited caller lists the models
    When the limited caller lists the models with each of these options:
      | option                    | value                                |
      | header X-Forwarded-For    | 203.0.113.7, 198.51.100.9            |
      | header X-Real-IP          | 203.0.113.8                          |
      | header X-Client-IP        | 203.0.113.9                          |
      | header True-Client-IP     | 203.0.113.10                         |
      | header CF-Connecting-IP   | 203.0.113.11                         |
      | header Forwarded          | for=203.0.113.12                     |
      | header X-Forwarded-Host   | internal                             |
      | header X-Originating-IP   | 127.0.0.1                            |
      | header X-Request-ID       | another-request                      |
      | header User-Agent         | kube-probe/1.30                      |
      | header X-RateLimit-Bypass | true                                 |
      | header X-Internal         | true                                 |
      | header X-User-Id          | 00000000-0000-4000-8000-000000000009 |
      | header Cache-Control      | no-cache                             |
      | header Connection         | close                                |
      | header Cookie             | session=another                      |
      | query unknown             | 1                                    |
      | their key                 | as a bearer token                    |
      | their key                 | with a scheme in small letters       |
      | their key                 | with a header name in capitals       |
      | their key                 | in both headers                      |
    Then every request is refused with "rate-limited"
    When the limited caller lists the models with:
      | option                    | value                                |
      | header X-Forwarded-For    | 203.0.113.7, 198.51.100.9            |
      | header X-Real-IP          | 203.0.113.8                          |
      | header X-Client-IP        | 203.0.113.9                          |
      | header True-Client-IP     | 203.0.113.10                         |
      | header CF-Connecting-IP   | 203.0.113.11                         |
      | header Forwarded          | for=203.0.113.12                     |
      | header X-Forwarded-Host   | internal                             |
      | header X-Originating-IP   | 127.0.0.1                            |
      | header X-Request-ID       | another-request                      |
      | header User-Agent         | kube-probe/1.30                      |
      | header X-RateLimit-Bypass | true                                 |
      | header X-Internal         | true                                 |
      | header X-User-Id          | 00000000-0000-4000-8000-000000000009 |
      | header Cache-Control      | no-cache                             |
      | header Connection         | close                                |
      | header Cookie             | session=another                      |
    Then the request is refused with "rate-limited"

  @key.health-and-metrics-exempt-from-rate-limit
  Scenario: All operations share one rate limit, except health and metrics
    Given the collection "handbook"
    And an administrator with a rate limit of 1 request per minute
    And the limited caller lists the models
    When the limited caller calls every operation
    Then every operation is refused with "rate-limited" except:
      | operation     | outcome   |
      | get health    | succeeded |
      | get liveness  | succeeded |
      | get readiness | succeeded |
      | get metrics   | succeeded |

  @key.rate-limit-headers-correct
  Scenario: Every answer tells the limit, what is left of it and when the minute ends
    Given a reader with a rate limit of 4 requests per minute
    When the limited caller lists the models 6 times
    Then every answer shows:
      | field           | value                |
      | RateLimit-Limit | 4                    |
      | RateLimit-Reset | at most 60           |
      | Retry-After     | absent or at most 60 |
    And the outcomes are:
      | outcome      | RateLimit-Remaining | RateLimit-Reset        | Retry-After                 |
      | succeeded    | 3                   | at least 59            | absent                      |
      | succeeded    | 2                   | at most the one before | absent                      |
      | succeeded    | 1                   | at most the one before | absent                      |
      | succeeded    | 0                   | at most the one before | absent                      |
      | rate-limited | 0                   | at most the one before | within 1 of RateLimit-Reset |
      | rate-limited | 0                   | at most the one before | within 1 of RateLimit-Reset |

  @N1 @key.rate-limited-request-not-executed
  Scenario: A request beyond the rate limit is not carried out
    Given the collection "handbook"
    And an editor with a rate limit of 3 requests per minute
    When the limited caller stores the document "letter-{n}" with the text "Letter number {n}." 4 times
    Then the outcomes are:
      | outcome      |
      | created      |
      | created      |
      | created      |
      | rate-limited |
    And Qdrant and PostgreSQL hold 3 documents each
