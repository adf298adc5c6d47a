Feature: Collections and batches
  Bulk work must be as exact as single work: every item has its own outcome,
  order is kept, and pages show each document exactly once.

  Background:
    Given the collection "handbook"

  @key.batch-stores-every-document
  Scenario: A batch stores every document it was given
    When an editor stores a batch of 25 documents
    Then every document of the batch is acknowledged in its place
    And each of them can be read

  Scenario: A batch with a bad document is refused as a whole and the document is named
    When an editor stores a batch in which document 3 of 5 has no text
    Then the batch is refused as a whole and the third document is named
    And nothing of the batch was stored

  Scenario: A batch reports what happened to each document
    Given the document "known" about "This text has been here before."
    When an editor stores a batch of the unchanged "known" and 2 new documents
    Then the outcomes are "unchanged, created, created"

  @key.pages-list-every-document-once
  Scenario Outline: Pages of any size show every document exactly once: <size>
    Given 7 stored documents
    When a reader lists the collection in pages of <size>
    Then every document is listed exactly once and in the order of ids

    Examples:
      | size |
      | 1    |
      | 3    |
      | 7    |
      | 100  |

  @key.pages-stable-under-writes
  Scenario: What is there all the time is listed once, whatever comes and goes meanwhile
    Given 16 stored documents
    When a reader lists the collection in pages of 3 while documents come and go
    Then every document that was there all the time is listed exactly once

  @N12
  Scenario: A collection made anew under an old name is empty
    Given the document "old secret" about "What the old collection knew."
    When an editor drops the collection "handbook" and makes it anew
    Then an employee who searches for "What the old collection knew." finds nothing
    And "old secret" can no longer be read

  Scenario: A collection is described as it was made
    When an editor makes a collection "pictures" for vectors of 4 numbers
    Then the collection "pictures" takes vectors of 4 numbers and no text
