@use.with_stores=visible @N2 @N3
Feature: A store that was restored from an older backup is found out and repaired
  Backups of several stores are never of the same moment. The audit must name what
  does not fit, and a repair must mend exactly that and nothing else.

  Background:
    Given the collection "handbook"
    And 8 documents

  @critical @N1
  Scenario Outline: The documents that an older <store> disagrees about are named, and no others
    Given a backup of <store>
    And an editor stores the document "menu" with the text "Lunch is at noon."
    And an editor updates "document-1" with text "The text of later."
    And an editor deletes "document-2"
    When <store> is restored from its backup
    Then the audit finds:
      | document   | finding      |
      | menu       | <menu>       |
      | document-1 | <document-1> |
      | document-2 | <document-2> |
    When an administrator checks the consistency of the collection "handbook"
    Then the answer shows:
      | field                | value        |
      | consistent           | false        |
      | missing in qdrant    | <missing>    |
      | orphans in qdrant    | <orphans>    |
      | mismatched.*.id      | document-1   |

    Examples:
      | store      | menu    | document-1 | document-2 | missing        | orphans        |
      | Qdrant     | missing | stale      | orphan     | ["menu"]       | ["document-2"] |
      | PostgreSQL | lost    | lost       | phantom    | ["document-2"] | ["menu"]       |

  @critical @N1 @key.restored-qdrant-audited-and-repaired
  Scenario: A repair after a restore of Qdrant loses nothing that was acknowledged
    Given a backup of Qdrant
    And a backup of PostgreSQL
    And an editor stores the document "menu" with the text "Lunch is at noon."
    And an editor updates "document-1" with text "The text of later."
    And an editor deletes "document-2"
    When Qdrant is restored from its backup
    And an administrator repairs the collection "handbook" 2 times
    Then the answer shows:
      | answer | field    | value |
      | 1      | repaired | 3     |
      | 2      | repaired | 0     |
    And Qdrant and PostgreSQL hold the documents of "handbook" except "menu", "document-1" and "document-2" as in their backups
    And the audit is clean
    And every acknowledged document is read with its last text and metadata

  @N1
  Scenario: A repair after a restore of PostgreSQL makes the stores agree on the older history
    Why it matters: what PostgreSQL has lost nobody can bring back, but no half of it may stay behind.

    Given a backup of PostgreSQL
    And a backup of Qdrant
    And an editor stores the document "menu" with the text "Lunch is at noon."
    And an editor updates "document-1" with text "The text of later."
    And an editor deletes "document-2"
    When PostgreSQL is restored from its backup
    And an administrator repairs the collection "handbook" 2 times
    Then the answer shows:
      | answer | field    | value |
      | 1      | repaired | 3     |
      | 2      | repaired | 0     |
    And Qdrant and PostgreSQL hold the documents of "handbook" except "menu", "document-1" and "document-2" as in their backups
    And the audit finds:
      | document   | finding |
      | menu       | lost    |
      | document-1 | lost    |
      | document-2 | phantom |
    And neither Qdrant nor PostgreSQL holds "menu"
    And Qdrant and PostgreSQL agree on "document-1":
      | field   | value |
      | version | 1     |
    And Qdrant and PostgreSQL agree on "document-2":
      | field   | value |
      | version | 1     |

  @G4 @N4
  Scenario: After a restore of PostgreSQL, a repair and an invalidation the cache serves nothing old
    Why it matters: the number that fences off the cache comes to the same values a second time.

    Given a backup of PostgreSQL
    When an editor stores the document "before-{n}" 8 times, each followed at the same moment by:
      | actor    | request                                             |
      | a reader | searches for "what is in the notes" with limit 100 |
    And PostgreSQL is restored from its backup
    And these requests are made:
      | actor            | request                                            |
      | an administrator | repairs the collection "handbook"                  |
      | an administrator | invalidates the cache                              |
      | a reader         | searches for "what is in the notes" with limit 100 |
    Then the outcomes are:
      | outcome   |
      | succeeded |
      | succeeded |
      | succeeded |
    When an editor stores the document "after-{n}" 9 times, each followed at the same moment by:
      | actor    | request                                             |
      | a reader | searches for "what is in the notes" with limit 100 |
    Then every request succeeds
    And no client is shown an older version than one that was acknowledged or shown to it before
    And the audit finds:
      | document | finding |
      | before-1 | lost    |
      | before-2 | lost    |
      | before-3 | lost    |
      | before-4 | lost    |
      | before-5 | lost    |
      | before-6 | lost    |
      | before-7 | lost    |
      | before-8 | lost    |
