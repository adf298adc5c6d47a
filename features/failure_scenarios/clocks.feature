@outage @use.with_stores=visible
Feature: Clocks that disagree harm nobody
  No two machines tell the same time, and after a mistake with the time zone they are an hour apart. What
  lasts a minute or half an hour must last as long as that, whoever's clock is wrong.

  Background:
    Given the collection "handbook"
    And the document "safety sheet" about "Wear gloves when handling the acid."

  @key.wrong-clock-changes-nothing
  Scenario Outline: All work goes on: the clock of <service> is an hour <wrong>
    Given every operation has something to work on
    When the clock of <service> is an hour <wrong>
    Then all operations, asked for at the same moment, answer within the promised time
    And every operation succeeds except:
      | operation  | outcome                          |
      | cancel job | succeeded or job-not-cancellable |
    And every answer shows:
      | field    | value           |
      | degraded | absent or empty |
    When the clock of <service> is right again
    Then everything works again within the promised time

    Examples:
      | service            | wrong  |
      | the gateway        | ahead  |
      | the gateway        | behind |
      | the metadata store | ahead  |
      | the metadata store | behind |
      | the cache          | ahead  |
      | the cache          | behind |

  @N4 @key.cache-ttl-under-wrong-clock
  Scenario Outline: What is cached neither dies at once nor outlives its time: the clock of <service> is an hour <wrong>
    When the clock of <service> is an hour <wrong>
    Then answers come from the cache again within the promised time
    And every cache entry has a TTL within its maximum:
      | kind              | maximum TTL |
      | embedding         | 1 hour      |
      | search            | 30 minutes  |
      | document          | 2 hours     |
      | provider response | 30 minutes  |
      | rate limit        | 1 minute    |
      | circuit breaker   | 2 minutes   |
      | job wake-up       | 1 minute    |
    When the clock of <service> is right again
    Then answers come from the cache again within the promised time

    Examples:
      | service     | wrong  |
      | the gateway | ahead  |
      | the gateway | behind |
      | the cache   | behind |

  @G5 @key.last-update-wins-under-wrong-clock
  Scenario Outline: The later of two changes wins although the clock of <service> went back in between
    Given the clock of <service> is an hour ahead
    And the document "menu" about "The canteen serves soup."
    When the clock of <service> is right again
    And an editor rewrites "menu" to be about "The canteen serves fish."
    Then the document is reported as "updated" in version 2
    And the row and the point of "menu" soon agree on "The canteen serves fish."

    Examples:
      | service            |
      | the gateway        |
      | the metadata store |

  @key.rate-limit-window-under-wrong-clock
  Scenario Outline: The minute of a rate limit is a minute: the clock of <service> is an hour ahead
    Given a reader with a rate limit of 4 requests per minute
    And the clock of <service> is an hour ahead
    When the limited caller lists the models 6 times
    Then the outcomes are:
      | outcome      | RateLimit-Limit | RateLimit-Remaining | RateLimit-Reset | Retry-After |
      | succeeded    | 4               | 3                   | at least 59     | absent      |
      | succeeded    | 4               | 2                   | at least 57     | absent      |
      | succeeded    | 4               | 1                   | at least 57     | absent      |
      | succeeded    | 4               | 0                   | at least 57     | absent      |
      | rate-limited | 4               | 0                   | at least 57     | at least 57 |
      | rate-limited | 4               | 0                   | at least 57     | at least 57 |
    And every answer shows:
      | field           | value                |
      | RateLimit-Reset | at most 60           |
      | Retry-After     | absent or at most 60 |
    When the clock of <service> is right again
    Then the platform recovers within the promised time

    Examples:
      | service     |
      | the gateway |
      | the cache   |

  @G6 @N2 @key.indeterminate-write-settles-under-wrong-clock
  Scenario: What nobody was told the outcome of is settled at once and not in an hour
    Given the clock of the gateway is an hour ahead
    When the vector store hangs while an editor stores the document "menu"
    Then the editor is told in time that the outcome is unknown
    When the vector store is back
    Then "menu" is soon in both stores or in neither

  @N2 @key.unfinished-write-completes-after-clock-correction
  Scenario: What was left half done under a wrong clock is finished under the right one
    Given the clock of the metadata store is an hour ahead
    When the gateway is killed after the row of "menu" is written but before its point is
    And everything is running again
    Then "menu" is soon in both stores or in neither

  @N11 @N15 @key.job-continues-after-clock-correction
  Scenario: A job that was begun under a wrong clock goes on under the right one
    Given the clock of the metadata store is an hour ahead
    And an editor submits a job that stores 60 documents with batch size 5
    And the job has processed some items
    When the clock of the metadata store is right again
    Then the job completes with 60 items succeeded and 0 failed
    And every succeeded item of the job is stored exactly once, and no other
