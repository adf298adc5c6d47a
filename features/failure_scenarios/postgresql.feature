@outage @use.with_stores=visible
Feature: PostgreSQL fails
  Without PostgreSQL nothing can be stored, and no vector may be written without its row;
  searches go on and say that they are degraded.

  Background:
    Given the collection "handbook"
    And the documents:
      | id           | text                                |
      | safety-sheet | Wear gloves when handling the acid. |

  @N1 @N2 @critical
  Scenario: Without PostgreSQL writes and reads are refused, and searches succeed as degraded
    When PostgreSQL crashes
    And these requests are made:
      | actor     | request                                             |
      | an editor | stores the document "menu" with the text "At noon." |
      | a reader  | reads "safety-sheet"                                |
      | an editor | deletes "safety-sheet"                              |
    Then every answer arrives within the PostgreSQL limit
    And the outcomes are:
      | request | outcome                                      |
      | stores  | dependency-unavailable or dependency-timeout |
      | reads   | dependency-unavailable or dependency-timeout |
      | deletes | dependency-unavailable or dependency-timeout |
    When a reader searches for "how to handle acid"
    Then the results include "safety-sheet"
    And the answer shows:
      | field    | value                 |
      | degraded | contains "postgresql" |
    When PostgreSQL recovers
    Then within the recovery limit every service is used again
    And Qdrant and PostgreSQL agree on "safety-sheet"
    And every acknowledged document is in both stores, and no refused one in either

  @N1 @N2 @G1 @critical @key.postgresql-crash-loses-no-acknowledged-write
  Scenario: A crash of PostgreSQL during inserts loses no acknowledged document
    Given 10 documents
    When an editor stores 30 documents while PostgreSQL crashes and restarts
    Then every acknowledged document is in both stores, and no refused one in either

  Scenario: A cut connection to PostgreSQL is opened again without a restart
    When the connection to PostgreSQL is cut
    And these requests are made:
      | actor     | request                                             |
      | an editor | stores the document "menu" with the text "At noon." |
      | a reader  | reads "safety-sheet"                                |
      | an editor | deletes "safety-sheet"                              |
    Then every request is refused with "dependency-unavailable"
    And every answer arrives within the PostgreSQL limit
    When PostgreSQL recovers
    Then within the recovery limit every service is used again
    And Qdrant and PostgreSQL agree on "safety-sheet"
    And every acknowledged document is in both stores, and no refused one in either

  @N1 @N5 @N6 @critical
  Scenario: While PostgreSQL has no free connections writes are refused and searches succeed as degraded
    When PostgreSQL has no free connections
    And an editor stores the document "menu" with the text "At noon."
    Then the outcomes are:
      | outcome                                      |
      | dependency-unavailable or dependency-timeout |
    And the answer arrives within the PostgreSQL limit
    When a reader searches for "how to handle acid"
    Then the results include "safety-sheet"
    And the answer shows:
      | field    | value                 |
      | degraded | contains "postgresql" |
    And within the health limit the answer to an anonymous caller who reads the readiness report shows:
      | field      | value      |
      | dependency | postgresql |
    When PostgreSQL recovers
    Then within the recovery limit every service is used again
    And every acknowledged document is in both stores, and no refused one in either

  @N1 @key.ended-database-sessions-reopened
  Scenario: Sessions that PostgreSQL has terminated are opened again
    When PostgreSQL terminates all sessions
    Then within the recovery limit every service is used again
    When PostgreSQL recovers
    Then Qdrant and PostgreSQL agree on "safety-sheet"
    And every acknowledged document is in both stores, and no refused one in either

  @N1 @N6 @G6 @critical @key.postgresql-write-fault-keeps-reads
  Scenario Outline: Writes are refused and reads succeed: <fault>
    When <fault>
    And these requests are made:
      | actor     | request                                             |
      | an editor | stores the document "menu" with the text "At noon." |
      | an editor | deletes "safety-sheet"                              |
      | a reader  | searches for "how to handle acid" with cache off    |
      | a reader  | reads "safety-sheet"                                |
    Then every answer arrives within the PostgreSQL limit
    And the outcomes are:
      | request  | outcome                                      |
      | stores   | dependency-unavailable or dependency-timeout |
      | deletes  | dependency-unavailable or dependency-timeout |
      | searches | succeeded                                    |
      | reads    | succeeded                                    |
    When PostgreSQL recovers
    Then within the recovery limit every service is used again
    And Qdrant and PostgreSQL agree on "safety-sheet"
    And every acknowledged document is in both stores, and no refused one in either

    Examples:
      | fault                               |
      | PostgreSQL is read-only             |
      | PostgreSQL has its documents locked |

  @N1 @N6 @G6 @key.full-postgresql-keeps-nothing-refused
  Scenario: A PostgreSQL with a full disk keeps nothing of what it refuses
    When PostgreSQL has a full disk
    And these requests are made:
      | actor     | request                                             |
      | an editor | stores the document "menu" with the text "At noon." |
      | a reader  | searches for "how to handle acid" with cache off    |
      | a reader  | reads "safety-sheet"                                |
    Then the outcomes are:
      | request  | outcome                                      |
      | stores   | dependency-unavailable or dependency-timeout |
      | searches | succeeded                                    |
      | reads    | succeeded                                    |
    And every answer arrives within the PostgreSQL limit
    When PostgreSQL recovers
    Then within the recovery limit every service is used again
    And every acknowledged document is in both stores, and no refused one in either

  @N2 @G6 @key.failed-commit-of-write-settles
  Scenario: An insert whose last commit fails has an unknown outcome and is settled
    When PostgreSQL fails the last commit of every write
    And an editor stores the document "open-question" with the text "Is it stored?"
    Then the request is refused with "dependency-timeout"
    And the answer arrives within the PostgreSQL limit
    When PostgreSQL recovers
    Then within the convergence limit every document is in both stores or in neither

  @N2 @G6 @key.failed-commit-of-delete-settles
  Scenario: A deletion whose last commit fails has an unknown outcome and is settled
    When PostgreSQL fails the last commit of every write
    And an editor deletes "safety-sheet"
    Then the request is refused with "dependency-timeout"
    And the answer arrives within the PostgreSQL limit
    When PostgreSQL recovers
    Then within the convergence limit every document is in both stores or in neither

  @N2 @G6 @key.failed-commit-of-collection-settles
  Scenario: A collection whose last commit fails has an unknown outcome and is settled
    When PostgreSQL fails the last commit of every write
    And an editor creates the collection "archive"
    Then the request is refused with "dependency-timeout"
    And the answer arrives within the PostgreSQL limit
    When PostgreSQL recovers
    Then within the convergence limit every document is in both stores or in neither

  @N11 @G6
  Scenario: A write that loses a serialization conflict is done or refused, and can be repeated
    When PostgreSQL fails the next write with a serialization conflict
    And an editor stores the document "menu" with the text "At noon."
    Then the outcomes are:
      | outcome                                                   |
      | succeeded or dependency-unavailable or dependency-timeout |
    And the answer arrives within the PostgreSQL limit
    When PostgreSQL recovers
    Then within the recovery limit every service is used again
    And every acknowledged document is in both stores, and no refused one in either
