@outage @use.with_stores=visible
Feature: Qdrant fails
  Without Qdrant nothing can be found, but nothing may be lost or half stored either,
  and callers are told so quickly instead of being shown nothing.

  Background:
    Given the collection "handbook"
    And the documents:
      | id           | text                                |
      | safety-sheet | Wear gloves when handling the acid. |

  @N1 @N5 @N6 @critical @key.qdrant-outage-reported-and-lossless
  Scenario: Without Qdrant writes and searches are refused, reads succeed, and nothing is lost
    When Qdrant crashes
    And these requests are made:
      | actor     | request                                               |
      | an editor | stores the document "menu" with the text "At noon."   |
      | a reader  | searches for "how to handle acid" with cache off      |
      | an editor | deletes "safety-sheet"                                |
      | a reader  | reads "safety-sheet"                                  |
    Then the outcomes are:
      | request  | outcome                                      |
      | stores   | dependency-unavailable or dependency-timeout |
      | searches | dependency-unavailable or dependency-timeout |
      | deletes  | dependency-unavailable or dependency-timeout |
      | reads    | succeeded                                    |
    And every answer arrives within the Qdrant limit
    And within the health limit the answer to an anonymous caller who reads the readiness report shows:
      | field      | value                  |
      | code       | dependency-unavailable |
      | dependency | qdrant                 |
    When Qdrant recovers
    Then within the recovery limit every service is used again
    And Qdrant and PostgreSQL agree on "safety-sheet"
    And every acknowledged document is in both stores, and no refused one in either

  @G6
  Scenario: An insert to which Qdrant never answers is settled in both stores or in neither
    When the connection to Qdrant blackholes all traffic
    And an editor stores the document "open-question" with the text "Is it stored?"
    Then the request is refused with "dependency-timeout"
    And the answer arrives within the Qdrant limit
    When Qdrant recovers
    Then within the convergence limit every document is in both stores or in neither

  @N5
  Scenario: A list of results that breaks off in the middle is not taken for a shorter one
    Given 30 documents
    When the connection to Qdrant truncates long responses
    And a reader searches for "what is there" with limit 100 and cache off
    Then the outcomes are:
      | outcome                                      |
      | dependency-unavailable or dependency-timeout |
    And the answer arrives within the Qdrant limit
    When Qdrant recovers
    Then within the recovery limit the answer to a reader who searches for "what is there" with limit 100 shows:
      | field             | value |
      | number of results | 31    |
