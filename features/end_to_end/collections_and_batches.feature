Feature: Collections and batches
  Bulk work is as exact as single work: every item has its own outcome,
  order is kept, and pages show each document exactly once.

  Background:
    Given the collection "handbook"

  @key.batch-stores-every-document
  Scenario: A batch stores every document it contains
    When an editor stores 25 documents in one batch
    Then every item succeeds as "created" in version 1
    And every acknowledged document is read with its last text and metadata

  Scenario: A batch with an invalid document is refused as a whole and the document is named
    When an editor stores these documents in one batch:
      | id    | text                   |
      | one   | The first document.    |
      | two   | The second document.   |
      | three | ""                     |
      | four  | The fourth document.   |
    Then the request is refused with "validation-failed"
    And the answer shows:
      | field            | value              |
      | errors.1.pointer | contains "items/2" |
    When a reader lists the documents
    Then the pages show 0 documents, each once, in the order of their ids

  Scenario: A batch reports what happened to each document
    Given the documents:
      | id      | text                            |
      | known   | This text has been here before. |
      | changed | This text is about to change.   |
    When an editor stores these documents in one batch:
      | id      | text                            |
      | known   | This text has been here before. |
      | new     | This text is new.               |
      | changed | This text has changed.          |
    Then the outcomes are:
      | id      | outcome   | version |
      | known   | unchanged | 1       |
      | new     | created   | 1       |
      | changed | updated   | 2       |

  @key.pages-list-every-document-once
  Scenario Outline: Pages of any size list every document exactly once: <size>
    Given 7 documents
    When a reader lists the documents in pages of <size>
    Then the pages show 7 documents, each once, in the order of their ids
    And no page has more than <size> documents

    Examples:
      | size |
      | 1    |
      | 3    |
      | 7    |
      | 100  |

  @key.pages-stable-under-writes
  Scenario: Documents that come and go between two pages do not disturb the list
    Given 9 documents
    When a reader lists the first 3 documents
    And an editor stores the document "document-0" with the text "It comes before all that was listed."
    And a reader lists the next 3 documents
    And an editor deletes "document-2" and "document-9"
    And a reader lists the next 3 documents
    Then the pages have "document-1", "document-2", "document-3", "document-4", "document-5", "document-6", "document-7" and "document-8"

  @N12
  Scenario: A re-created collection is empty
    Given the documents:
      | id     | text                          |
      | secret | What the old collection knew. |
    And a reader searches for "What the old collection knew."
    When an editor deletes the collection "handbook"
    And an editor creates the collection "handbook"
    Then the request succeeds
    And the document "secret" does not exist
    When a reader searches for "What the old collection knew."
    Then there are no results

  Scenario: A collection is described as it was created, and acts accordingly
    When an editor creates the collection "pictures" with:
      | option     | value |
      | dimensions | 4     |
    And a reader reads the collection "pictures"
    Then the answer shows:
      | field       | value |
      | vector size | 4     |
      | model       | null  |
    When an editor stores the document "caption" with the text "Not a vector."
    Then the request is refused with "text-not-supported"
