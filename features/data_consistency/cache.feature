@use.with_stores=visible
Feature: The cache never serves old results
  A cache may save time but must never change a result: after a write it is either right or not used, and no
  entry lives for ever.

  Background:
    Given the collection "handbook"
    And the documents:
      | id      | text                                                   |
      | canteen | The canteen serves lunch between noon and two o'clock. |

  @smoke @critical @G4 @key.repeated-search-is-cache-hit
  Scenario: A repeated search is served from the cache with the same results
    Given a reader searches for "when can I eat"
    When a reader searches for "when can I eat"
    Then the result was served from the cache
    And the result is the same as without the cache

  @G4 @N4 @key.update-invalidates-search
  Scenario: A search after an update shows the new text
    Given a reader searches for "when can I eat"
    When an editor updates "canteen":
      | field | value                                  |
      | text  | The parking garage is closed at night. |
    And a reader searches for "when can I eat"
    Then the result was computed
    And the answer shows:
      | field             | value                                  |
      | number of results | 1                                      |
      | results.1.id      | canteen                                |
      | results.1.text    | The parking garage is closed at night. |
      | results.1.version | 2                                      |

  @G3 @N4 @key.delete-invalidates-search
  Scenario: A search after a deletion does not show the deleted document
    Given a reader searches for "when can I eat"
    When an editor deletes "canteen"
    And a reader searches for "when can I eat"
    Then there are no results

  @N4 @key.read-after-update-is-current
  Scenario: A document that is read after an update is never the cached old one
    Given a reader reads "canteen"
    When a reader reads "canteen"
    Then the result was served from the cache
    When an editor updates "canteen":
      | field | value                                  |
      | text  | The parking garage is closed at night. |
    And a reader reads "canteen" 20 times
    Then every answer shows:
      | field   | value                                  |
      | text    | The parking garage is closed at night. |
      | version | 2                                      |

  @key.cache-entries-have-ttl
  Scenario: Every cache entry has a TTL
    When these requests are made:
      | actor    | request                            |
      | a reader | reads "canteen"                    |
      | a reader | searches for "when can I eat"      |
      | a reader | embeds "when can I eat"            |
      | a reader | asks Mistral to embed "a {unique}" |
    Then every request succeeds
    And every cache entry has a TTL within its maximum:
      | kind              | maximum TTL | number     |
      | embedding         | 1 hour      | at least 1 |
      | search            | 30 minutes  | at least 1 |
      | document          | 2 hours     | at least 1 |
      | provider response | 30 minutes  | at least 1 |
      | rate limit        | 1 minute    | at least 1 |
      | circuit breaker   | 2 minutes   |            |
      | job wake-up       | 1 minute    |            |

  @N14 @key.cache-keys-show-no-text
  Scenario: No cache key shows a text
    When these requests are made:
      | actor     | request                                                                     |
      | an editor | stores the document "phrase" with the text "unmistakable-canary-phrase"     |
      | a reader  | reads "phrase"                                                              |
      | a reader  | searches for "unmistakable-canary-phrase"                                   |
      | a reader  | embeds "unmistakable-canary-phrase"                                         |
      | a reader  | asks Mistral to embed "unmistakable-canary-phrase"                          |
    Then every request succeeds
    And every cache entry has a TTL within its maximum:
      | kind              | maximum TTL | number     | key                                       |
      | embedding         | 1 hour      | at least 1 | not contains "unmistakable-canary-phrase" |
      | search            | 30 minutes  | at least 1 | not contains "unmistakable-canary-phrase" |
      | document          | 2 hours     | at least 1 | not contains "unmistakable-canary-phrase" |
      | provider response | 30 minutes  | at least 1 | not contains "unmistakable-canary-phrase" |
      | rate limit        | 1 minute    | at least 1 | not contains "unmistakable-canary-phrase" |
      | circuit breaker   | 2 minutes   |            | not contains "unmistakable-canary-phrase" |
      | job wake-up       | 1 minute    |            | not contains "unmistakable-canary-phrase" |

  @G4 @key.damaged-cache-entry-replaced
  Scenario Outline: A cache entry that is <damage> is replaced, not served
    When these requests are made:
      | actor    | request                       |
      | a reader | reads "canteen"               |
      | a reader | searches for "when can I eat" |
      | a reader | embeds "lunch for {unique}"   |
    And the cache entries of the last answers are <damage>
    And the same requests are made again
    Then every result was computed
    And every result is the same as without the cache
    When the same requests are made again
    Then every result was served from the cache
    And every result is the same as without the cache

    Examples:
      | damage               |
      | rubbish              |
      | empty                |
      | cut in half          |
      | changed by one bit   |
      | without its checksum |
      | of another size      |
      | of an older form     |
      | a list               |

  @key.clearing-cache-changes-no-results
  Scenario: Invalidating the cache changes no results
    Given a reader searches for "when can I eat"
    When an administrator invalidates the cache
    Then the request succeeds
    When a reader searches for "when can I eat"
    Then the result was computed
    And the results are "canteen"
    And the result is the same as without the cache
