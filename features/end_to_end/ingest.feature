Feature: Ingesting is exact
  Sources are read again and again, some documents do not fit, some texts are too long. Every document
  must end as its last submission says, counted once, and each caller must be told what happened.

  Background:
    Given the collection "handbook"

  @N11 @use.with_stores=visible
  Scenario: Ingesting the same documents again changes nothing
    Given 30 stored documents
    When the same documents are ingested again
    Then each of them is found unchanged
    And both stores count 30 documents and nothing is in flight

  @N3 @use.with_stores=visible @key.reingest-changes-metadata
  Scenario: A document ingested again for another department belongs to that one
    Given the document "fire drill" about "The fire drill takes place in March."
    When an editor stores the document "fire drill" about "The fire drill takes place in March." for "facilities"
    Then the vector store holds one point for "fire drill"
    And that point carries the text, the department and the version

  @G6 @use.with_stores=visible @key.bad-document-fails-alone-in-batch
  Scenario: A document that does not fit keeps no other from being stored
    When an editor stores a batch in which the vector of document 3 of 5 does not fit
    Then only document 3 of the batch has failed, as "dimension-mismatch"
    And both stores count 4 documents and nothing is in flight

  @G3 @key.batch-delete-reports-missing
  Scenario: A batch of deletions tells which documents were not there
    Given the document "old rules" about "These rules are no longer in force."
    When an editor deletes a batch of "never stored" and "old rules"
    Then only document 1 of the batch has failed, as "vector-not-found"
    And "old rules" can no longer be read

  @N12 @key.similar-ids-are-distinct
  Scenario: Ids that differ in a trifle are different documents
    When an editor stores a batch of documents whose ids differ in a trifle
    Then every document of the batch is acknowledged in its place
    And each of them can be read

  @key.collection-name-is-unique
  Scenario: The name of a collection is given once
    Given the document "rules" about "These rules are in force."
    When an editor makes the collection "handbook" once more
    Then the request is refused as "collection-exists"
    And the document "rules" reads "These rules are in force."

  @N13 @key.long-document-truncated-for-embedding-only
  Scenario: A document longer than the model reads is declared truncated and kept whole
    When an editor stores the document "long" of 600 words
    Then the answer says that the text was truncated
    And "long" is read as long as it was stored

  @N3 @use.with_stores=visible @use.with_providers=visible
  Scenario: A rewritten document has the embedding of its new text
    Given the document "canteen" about "The canteen serves lunch between noon and two o'clock."
    When an editor rewrites "canteen" to be about "Travel expenses are repaid within two weeks."
    Then the stored vector is the embedding service's own for that text
    And both are version 2
    And a search for "The canteen serves lunch between noon and two o'clock." finds nothing like itself

  @N12
  Scenario: A collection made anew for other vectors shows nothing of the old
    Given the document "old secret" about "What the old collection knew."
    When an editor drops the collection "handbook" and makes it anew for vectors of 4 numbers
    Then a search by 4 numbers finds nothing
    And "old secret" can no longer be read

  @key.size-limits-enforced
  Scenario Outline: The largest is taken and the next larger refused: <measure>
    When the largest allowed and the next larger <measure> are tried
    Then the largest is taken and the next larger refused as "validation-failed"

    Examples:
      | measure                       |
      | length of a text              |
      | number of documents a batch   |
      | number of texts to embed      |
      | number of results             |
      | number of results passed by   |
      | size of a page                |
      | number of metadata values     |
      | length of a metadata list     |
      | number of filter conditions   |
      | number of choices of a filter |
      | length of a vector            |
      | vector size of a collection   |
      | whole number                  |

  Scenario Outline: The smallest is taken and the next smaller refused: <measure>
    When the smallest allowed and the next smaller <measure> are tried
    Then the smallest is taken and the next smaller refused as "validation-failed"

    Examples:
      | measure                       |
      | length of a text              |
      | number of documents a batch   |
      | number of texts to embed      |
      | number of results             |
      | number of results passed by   |
      | size of a page                |
      | number of choices of a filter |
      | length of a vector            |
      | vector size of a collection   |
      | whole number                  |
