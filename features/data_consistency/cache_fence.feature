@use.with_stores=visible @G4 @N4
Feature: The cache serves nothing old, in whatever order a search and a write meet
  A search and a write may overtake each other anywhere on the way. Whatever the order, a result from before
  the write must not be served after it.

  Background:
    Given the collection "handbook"

  @critical @key.rewrite-races-slow-answer
  Scenario: A search that was overtaken by an update does not bring the old text back
    Given the documents:
      | id      | text                                                   |
      | canteen | The canteen serves lunch between noon and two o'clock. |
    And these requests are in flight, held on the way back from Qdrant:
      | actor    | request                       |
      | a reader | searches for "when can I eat" |
    When an editor updates "canteen":
      | field | value                                  |
      | text  | The parking garage is closed at night. |
    Then the request succeeds as "updated" in version 2
    When the requests in flight go on
    Then the answer shows:
      | field             | value                                                  |
      | number of results | 1                                                      |
      | results.1.text    | The canteen serves lunch between noon and two o'clock. |
    When a reader searches for "when can I eat" 2 times
    Then every result is the same as without the cache
    When a reader searches for "when can I eat"
    Then the result was served from the cache

  @G3
  Scenario: A search that was overtaken by a deletion does not bring the document back
    Given the documents:
      | id      | text                                                   |
      | canteen | The canteen serves lunch between noon and two o'clock. |
    And these requests are in flight, held on the way back from Qdrant:
      | actor    | request                       |
      | a reader | searches for "when can I eat" |
    When an editor deletes "canteen"
    Then the request succeeds
    When the requests in flight go on
    Then the results are "canteen"
    When a reader searches for "when can I eat" 2 times
    Then every result is the same as without the cache
    When a reader searches for "when can I eat"
    Then the answer shows:
      | field             | value |
      | number of results | 0     |
      | X-Cache           | HIT   |
      | cache info.status | hit   |

  @critical @key.rewrite-races-fast-answer
  Scenario Outline: A result from just before an update does not outlive it: a write held <moment>
    Given the collection "pictures":
      | option     | value       |
      | dimensions | 4           |
      | distance   | dot product |
    And the documents:
      | id     | vector           |
      | poster | [0.6, 0.8, 0, 0] |
    And these requests are in flight, held <moment>:
      | actor     | request                                                                                     |
      | an editor | stores the document "poster" with the vector [0.6, 0.8, 0, 0] with metadata.colour "yellow" |
    When a reader searches for the vector [0.6, 0.8, 0, 0]
    Then the answer shows:
      | field             | value                 |
      | number of results | 1                     |
      | results.1.version | <version in the midst> |
    When the requests in flight go on
    Then the request succeeds as "updated" in version 2
    When a reader searches for the vector [0.6, 0.8, 0, 0] 2 times
    Then every result is the same as without the cache
    When a reader searches for the vector [0.6, 0.8, 0, 0]
    Then the result was served from the cache

    Examples:
      | moment                 | version in the midst |
      | on the way to Qdrant   | 1                    |
      | before the last commit | at least 1           |

  Scenario: An eviction changes no results
    Given 12 documents
    When these requests are made:
      | actor    | request                               | times |
      | a reader | searches for "what is in document {n}" | 6     |
      | a reader | reads "document-{n}"                  | 12    |
    And Redis evicts 50 % of the cache entries
    And the same requests are made again
    Then every request succeeds
    And every result is the same as without the cache

  @N12
  Scenario: Old entries that come back into the cache are never served
    Given the documents:
      | id      | text                                                   |
      | canteen | The canteen serves lunch between noon and two o'clock. |
    And a reader reads "canteen"
    And a reader searches for "when can I eat"
    And a backup of Redis
    When an editor updates "canteen":
      | field | value                                  |
      | text  | The parking garage is closed at night. |
    And Redis is restored from its backup
    And a reader reads "canteen" 5 times
    Then every answer shows:
      | field   | value                                  |
      | text    | The parking garage is closed at night. |
      | version | 2                                      |
    When a reader searches for "when can I eat"
    Then the result is the same as without the cache
