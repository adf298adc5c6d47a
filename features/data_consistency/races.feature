@use.with_stores=visible
Feature: Concurrent writers and readers
  Many clients work on the same documents. Whoever wins, both stores must name
  the same winner, and what one client was told must be true for all.

  Background:
    Given the collection "handbook"
    And the documents:
      | id     | text                        |
      | agenda | Version zero of the agenda. |

  @G5
  Scenario: Inserts and deletions at the same moment leave the document whole or absent
    When these requests are made at the same moment:
      | actor     | request                                                        | times |
      | an editor | stores the document "agenda" with text "Version {n} of agenda." | 4     |
      | an editor | deletes "agenda"                                               | 4     |
    Then the outcomes are:
      | request | outcome                       | number |
      | stores  | succeeded                     | 4      |
      | deletes | succeeded or vector-not-found | 4      |
    And within the convergence limit every document is in both stores or in neither

  @G3 @G5
  Scenario: A deletion is not undone by updates at the same moment
    When these requests are made at the same moment:
      | actor     | request                                      | times |
      | an editor | updates "agenda" with text "Version {n} of it." | 6     |
      | an editor | deletes "agenda"                             |       |
    Then the outcomes are:
      | request | outcome                       | number |
      | updates | succeeded or vector-not-found | 6      |
      | deletes | succeeded                     | 1      |
    And neither Qdrant nor PostgreSQL holds "agenda"

  @G5 @N11 @key.concurrent-mixed-writes-count-once
  Scenario: Of identical and different inserts at the same moment each changes the document once
    Why it matters: each of the five texts must have been the document's for a moment, and no request may
    count twice. Who is overtaken may be told the version of the one that overtook.

    When these requests are made at the same moment:
      | actor     | request                                                        | times |
      | an editor | stores the document "agenda" with text "The common agenda."    | 4     |
      | an editor | stores the document "agenda" with text "Version {n} of agenda." | 4     |
    Then every request succeeds
    And every acknowledged document is in both stores, and no refused one in either
    And Qdrant and PostgreSQL agree on "agenda":
      | field   | value      |
      | version | at least 6 |
      | version | at most 9  |

  @N2 @N12
  Scenario: Nothing is stored in a collection that is deleted at the same moment
    When these requests are made at the same moment:
      | actor     | request                              | times |
      | an editor | stores the document "straggler-{n}"  | 8     |
      | an editor | deletes the collection "handbook"    |       |
    Then the outcomes are:
      | request             | outcome                                                | number |
      | stores the document | succeeded or collection-not-found or collection-busy   | 8      |
      | deletes             | succeeded                                              | 1      |
    And neither Qdrant nor PostgreSQL holds the collection "handbook"

  @G2 @critical
  Scenario: An acknowledged update is shown to every other client at once
    When an editor updates "agenda" with text "Version {n} of the agenda." 6 times, each followed at the same moment by:
      | actor    | request                                                            | times |
      | a reader | reads "agenda"                                                     | 4     |
      | a reader | lists the first 100 documents                                      | 4     |
      | a reader | searches for "the agenda" with limit 100                           | 4     |
      | a reader | searches for "the agenda" with limit 100 and cache off             | 4     |
    Then every request succeeds
    And no client is shown an older version than one that was acknowledged or shown to it before

  @G2 @G4 @N4
  Scenario: No reader sees an older version after a newer one while a document is updated
    Given these requests are repeated without a pause:
      | actor    | request                                                |
      | a reader | reads "agenda"                                         |
      | a reader | lists the first 100 documents                          |
      | a reader | searches for "the agenda" with limit 100               |
      | a reader | searches for "the agenda" with limit 100 and cache off |
    When an editor updates "agenda" with text "Version {n} of the agenda." 15 times
    Then every request succeeds as "updated"
    When the repeated requests end
    Then every request succeeds
    And no client is shown an older version than one that was acknowledged or shown to it before

  @G7
  Scenario: The counts of both stores agree during a load and after it
    Given these requests are repeated without a pause:
      | actor    | request                                      |
      | a reader | reads the status of the collection "handbook" |
    When an editor stores 15 documents one after the other and deletes every third of them 4 times at the same moment
    Then every request succeeds
    When 3 more of the repeated requests succeed
    And the repeated requests end
    Then every answer shows:
      | field        | value               | if            |
      | points count | at least rows count | in flight = 0 |
      | points count | at most rows count  | in flight = 0 |
    And Qdrant and PostgreSQL hold 41 documents each

  @outage @N1 @N2 @G1 @G6 @critical
  Scenario Outline: Every document of a load is accounted for when <server> crashes in the middle
    Given these requests are repeated without a pause:
      | actor     | request                          | clients |
      | an editor | stores the document "entry-{n}"  | 4       |
    When 10 more of the repeated requests succeed
    And <server> crashes
    And 5 more of the repeated requests fail
    And <server> recovers
    And 10 more of the repeated requests succeed
    And the repeated requests end
    Then every acknowledged document is in both stores, and no refused one in either

    Examples:
      | server      |
      | Qdrant      |
      | PostgreSQL  |
      | the gateway |
