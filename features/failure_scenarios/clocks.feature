@outage @use.with_stores=visible
Feature: A wrong clock of one server changes nothing
  No two machines tell the same time, and after a mistake with the time zone they are an hour apart. What
  lasts a minute or half an hour must last as long as that, whoever's clock is wrong.

  Background:
    Given the collection "handbook"
    And the documents:
      | id           | text                                |
      | safety-sheet | Wear gloves when handling the acid. |

  @key.wrong-clock-changes-nothing
  Scenario Outline: Every operation succeeds while the clock of <server> is an hour <wrong>
    Given every operation has something to work on
    When the clock of <server> is an hour <wrong>
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
      | server      | wrong  |
      | the gateway | ahead  |
      | the gateway | behind |
      | PostgreSQL  | ahead  |
      | PostgreSQL  | behind |
      | Redis       | ahead  |
      | Redis       | behind |

  @N4 @key.cache-ttl-under-wrong-clock
  Scenario Outline: Cache entries live as long as they may while the clock of <server> is an hour <wrong>
    When the clock of <server> is an hour <wrong>
    Then within the recovery limit every service is used again
    And every cache entry has a TTL within its maximum:
      | kind              | maximum TTL |
      | embedding         | 1 hour      |
      | search            | 30 minutes  |
      | document          | 2 hours     |
      | provider response | 30 minutes  |
      | rate limit        | 1 minute    |
      | circuit breaker   | 2 minutes   |
      | job wake-up       | 1 minute    |
    When all faults end
    Then within the recovery limit every service is used again

    Examples:
      | server      | wrong  |
      | the gateway | ahead  |
      | the gateway | behind |
      | Redis       | behind |

  @G5 @key.last-update-wins-under-wrong-clock
  Scenario Outline: The later of two writes wins although the clock of <server> went back in between
    Given the clock of <server> is an hour ahead
    And an editor stores the document "menu" with the text "The canteen serves soup."
    When all faults end
    And an editor updates "menu" with text "The canteen serves fish."
    Then the request succeeds as "updated" in version 2
    And within the convergence limit every document is in both stores or in neither
    And Qdrant and PostgreSQL agree on "menu":
      | field   | value                    |
      | version | 2                        |
      | text    | The canteen serves fish. |

    Examples:
      | server      |
      | the gateway |
      | PostgreSQL  |

  @key.rate-limit-window-under-wrong-clock
  Scenario Outline: A minute of a rate limit is a minute while the clock of <server> is an hour ahead
    Given a reader with a rate limit of 4 requests per minute
    And the clock of <server> is an hour ahead
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
    When all faults end
    Then within the recovery limit every service is used again

    Examples:
      | server      |
      | the gateway |
      | Redis       |

  @G6 @N2 @key.indeterminate-write-settles-under-wrong-clock
  Scenario: A write with an unknown outcome is settled within its limit while the clock of the gateway is wrong
    Given the clock of the gateway is an hour ahead
    When the connection to Qdrant blackholes all traffic
    And an editor stores the document "menu" with the text "Lunch is at noon."
    Then the request is refused with "dependency-timeout"
    And the answer arrives within the Qdrant limit
    When Qdrant recovers
    Then within the convergence limit every document is in both stores or in neither
    When the gateway recovers
    Then within the recovery limit every service is used again

  @N2 @key.unfinished-write-completes-after-clock-correction
  Scenario: A write that was interrupted under a wrong clock is finished under the right one
    Given the clock of PostgreSQL is an hour ahead
    When these requests are in flight, held on the way to Qdrant:
      | actor     | request                                                     |
      | an editor | stores the document "menu" with the text "Lunch is at noon." |
    And the gateway crashes
    And the requests in flight go on
    Then the outcomes are:
      | outcome   |
      | no answer |
    When all faults end
    Then within the convergence limit every document is in both stores or in neither

  @N11 @N15 @key.job-continues-after-clock-correction
  Scenario: A job that was begun under a wrong clock is completed under the right one
    Given the clock of PostgreSQL is an hour ahead
    And an editor submits a job that stores 60 documents with batch size 5
    And the job has processed some items
    When all faults end
    Then the job completes with 60 items succeeded and 0 failed
    And every succeeded item of the job is stored exactly once, and no other
