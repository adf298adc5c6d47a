@use.with_stores=visible @N12
Feature: Collections are isolated from each other
  The same id may be used in every collection, and a name may be used again after its collection is gone.
  Neither may ever show in another collection.

  Background:
    Given the collections "archive" and "handbook"
    And the documents:
      | collection | id     | text                                |
      | archive    | safety | An older rule on acids.             |
      | handbook   | safety | Wear gloves when handling the acid. |

  Scenario Outline: A write in one collection leaves the same id in another alone: <change>
    Given a backup of Qdrant
    And a backup of PostgreSQL
    When these requests are made:
      | actor     | request  | collection |
      | an editor | <change> | archive    |
    Then every request succeeds
    And Qdrant and PostgreSQL hold the documents of "handbook" as in their backups
    And the document "safety" has:
      | field   | value                               |
      | text    | Wear gloves when handling the acid. |
      | version | 1                                   |
    When a reader searches for "acid" with cache off
    Then the answer shows:
      | field             | value                               |
      | number of results | 1                                   |
      | results.1.text    | Wear gloves when handling the acid. |
    When a reader lists the documents
    Then the pages have "safety"

    Examples:
      | change                                                        |
      | stores the document "safety" with the text "A new old rule."  |
      | deletes "safety"                                              |
      | deletes the collection "archive"                              |

  @G4 @N4 @key.cache-separates-collections
  Scenario: A search is not served another collection's cached results
    Given a reader searches for "acid"
    When a reader searches for "acid" in "archive"
    Then the answer shows:
      | field             | value                   |
      | number of results | 1                       |
      | results.1.text    | An older rule on acids. |

  @N10
  Scenario: Callers of every role are served the same results, and none is told of another
    Given a reader searches for "acid"
    When these requests are made:
      | actor            | request              |
      | a reader         | searches for "acid"  |
      | an editor        | searches for "acid"  |
      | an administrator | searches for "acid"  |
    Then every answer shows:
      | field             | value                               |
      | number of results | 1                                   |
      | results.1.id      | safety                              |
      | results.1.text    | Wear gloves when handling the acid. |
    And every result is the same as without the cache
    And no answer contains "at.reader", "at.editor" and "at.administrator"

  @G4 @N4 @critical
  Scenario: A re-created collection shows nothing of the old one, not even from the cache
    Given a reader reads "safety"
    And a reader searches for "acid"
    And a backup of Redis
    When an editor deletes the collection "handbook"
    And an editor creates the collection "handbook"
    And Redis is restored from its backup
    And a reader searches for "acid"
    Then there are no results
    And the document "safety" does not exist

  @key.orphaned-points-not-adopted
  Scenario: A new collection does not take over what Qdrant alone holds under its name
    Why it matters: after a restore a name can be taken in Qdrant and free everywhere else.

    Given the collection "notes":
      | option     | value |
      | dimensions | 8     |
    And the documents:
      | id   | vector                   |
      | left | [1, 0, 0, 0, 0, 0, 0, 0] |
      | over | [0, 1, 0, 0, 0, 0, 0, 0] |
      | old  | [0, 0, 1, 0, 0, 0, 0, 0] |
    And a backup of Qdrant
    When an editor deletes the collection "notes"
    And Qdrant is restored from its backup
    And an editor creates the collection "notes"
    Then the request succeeds
    And Qdrant and PostgreSQL hold 0 documents each
    When an editor stores the document "new" with the text "A document of the new size."
    Then the request succeeds as "created" in version 1
    And Qdrant and PostgreSQL hold 1 document each

  @G4 @N4 @key.recreated-collection-starts-empty
  Scenario: The same document in a re-created collection is not mistaken for the old one
    Given a reader reads "safety"
    And a reader searches for "acid"
    And a backup of Redis
    When an editor deletes the collection "handbook"
    And an editor creates the collection "handbook"
    And Redis is restored from its backup
    And an editor stores the document "safety" with the text "Nothing is known about acids."
    And a reader reads "safety" 3 times
    Then every answer shows:
      | field   | value                         |
      | text    | Nothing is known about acids. |
      | version | 1                             |
    When a reader searches for "acid"
    Then the result is the same as without the cache
