@outage @use.with_stores=visible
Feature: A store that takes nothing more
  A store that is full, locked or read-only runs and answers: what can be read must
  stay readable, what cannot be written must be refused honestly and leave nothing.

  Background:
    Given the collection "handbook"
    And the document "safety sheet" about "Wear gloves when handling the acid."

  @N1 @N6 @G6 @critical @key.postgresql-write-fault-keeps-reads
  Scenario Outline: Writes are refused and reading goes on while the metadata store <state>
    When the metadata store <state>
    Then storing and deleting are refused as unavailable within the promised time
    And searching and reading still succeed
    When the metadata store is well again
    Then the platform recovers within the promised time
    And "safety sheet" is found and nothing that was refused was stored

    Examples:
      | state                                |
      | can only be read                     |
      | has its documents locked by somebody |

  @N1 @N6 @G6 @key.full-postgresql-keeps-nothing-refused
  Scenario: A full metadata store keeps nothing of what it refuses
    When the metadata store is full
    Then storing is refused as unavailable within the promised time
    And searching and reading still succeed
    When the metadata store is well again
    Then the platform recovers within the promised time
    And "safety sheet" is found and nothing that was refused was stored

  @N2 @G6 @key.failed-commit-of-write-settles
  Scenario: A write whose last commit failed is settled, one way or the other
    When the last commit of the document "open question" fails in the metadata store
    Then the editor is told in time that the outcome is unknown
    When the metadata store is well again
    Then "open question" is soon in both stores or in neither

  @N2 @G6 @key.failed-commit-of-delete-settles
  Scenario: A deletion whose last commit failed is settled, one way or the other
    When the last commit of the deletion of "safety sheet" fails in the metadata store
    Then the editor is told in time that the outcome is unknown
    When the metadata store is well again
    Then "safety sheet" is soon in both stores or in neither

  @N2 @G6 @key.failed-commit-of-collection-settles
  Scenario: A collection whose last commit failed is settled, one way or the other
    When the last commit of making the collection "archive" fails in the metadata store
    Then the editor is told in time that the outcome is unknown
    When the metadata store is well again
    Then the collection "archive" is soon in both stores or in neither

  @N11 @G6
  Scenario: A write that lost a conflict leaves nothing and can be repeated
    When the metadata store takes the next write for a conflict
    Then storing is either done or refused as unavailable within the promised time
    When the metadata store is well again
    Then the platform recovers within the promised time
    And "safety sheet" is found and nothing that was refused was stored

  @critical @key.redis-write-fault-changes-nothing
  Scenario Outline: Work goes on while the cache <state>
    When the cache <state>
    Then storing, searching, reading and deleting succeed without the cache
    When the cache is well again
    Then answers come from the cache again within the promised time

    Examples:
      | state             |
      | is full           |
      | refuses writes    |
      | holds back writes |

  @N4 @G4
  Scenario: A change that a full cache could not be told of is seen at once
    Given an employee has searched for "how to handle acid"
    And the cache is full
    When an editor rewrites "safety sheet" to be about "The canteen serves soup."
    Then a search for "how to handle acid" is answered afresh and shows the new text of "safety sheet"
    When the cache is well again
    Then answers come from the cache again within the promised time
