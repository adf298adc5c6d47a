@use.with_stores=visible
Feature: Rows in PostgreSQL and points in Qdrant agree
  Metadata live in PostgreSQL, vectors in Qdrant. Whatever is acknowledged is in
  both, with the same content and version; whatever is refused is in neither.

  Background:
    Given the collection "handbook"

  @smoke @critical @G1 @N3 @key.acknowledged-write-in-both-stores
  Scenario: An acknowledged document is in both stores with the same content
    When an editor stores the document "price-list" with:
      | option              | value                      |
      | text                | All prices are net of tax. |
      | metadata.department | sales                      |
    Then the request succeeds as "created" in version 1
    And Qdrant and PostgreSQL agree on "price-list":
      | field               | value                      |
      | version             | 1                          |
      | text                | All prices are net of tax. |
      | metadata.department | sales                      |
    And the vector of "price-list" is the embedding of its text

  @G2 @key.update-in-both-stores-before-acknowledgement
  Scenario: An update reaches both stores before it is acknowledged
    Given the documents:
      | id         | text                       |
      | price-list | All prices are net of tax. |
    When an editor updates "price-list" with text "All prices include tax."
    Then the request succeeds as "updated" in version 2
    And Qdrant and PostgreSQL agree on "price-list":
      | field   | value                   |
      | version | 2                       |
      | text    | All prices include tax. |

  @G3 @key.delete-in-both-stores
  Scenario: A deletion leaves neither row nor point
    Given the documents:
      | id         | text                       |
      | price-list | All prices are net of tax. |
    When an editor deletes "price-list"
    Then the request succeeds
    And neither Qdrant nor PostgreSQL holds "price-list"

  @G6 @N13 @key.refused-vector-leaves-no-trace
  Scenario Outline: A refused vector leaves no trace: <flaw>
    Given the collection "pictures":
      | option     | value |
      | dimensions | 4     |
    When an editor stores the document "sample" with <vector>
    Then the request is refused with "<refusal>"
    And Qdrant and PostgreSQL hold 0 documents each
    And neither Qdrant nor PostgreSQL holds "sample"

    Examples:
      | flaw                   | vector                                | refusal            |
      | one number too few     | the vector [1, 2, 3]                  | dimension-mismatch |
      | another model's size   | a vector of 1536 numbers              | dimension-mismatch |
      | only zeros             | the vector [0, 0, 0, 0]               | zero-vector        |
      | almost zeros           | the vector [1e-30, 1e-30, 1e-30, 1e-30] | zero-vector        |
      | a number above 1000000 | the vector [1e30, 1e30, 1e30, 1e30]     | validation-failed  |

  @G6 @N7 @key.refused-text-leaves-no-trace
  Scenario Outline: A refused text leaves no trace: <flaw>
    When an editor stores the document "<id>" with:
      | option | value   |
      | text   | <text>  |
      | model  | <model> |
    Then the request is refused with "<refusal>"
    And Qdrant and PostgreSQL hold 0 documents each
    And neither Qdrant nor PostgreSQL holds "<id>"

    Examples:
      | flaw                   | id                | text     | model         | refusal           |
      | only white space       | sample            | " \t\n " |               | validation-failed |
      | another model's name   | sample            | A text.  | another-model | model-mismatch    |
      | an id with blanks in it | no spaces allowed | A text.  |               | validation-failed |

  @G7 @key.stores-agree-on-counts
  Scenario: The counts of both stores agree
    Given 12 documents
    When an editor deletes "document-1", "document-2", "document-3", "document-4" and "document-5"
    Then every request succeeds
    And Qdrant and PostgreSQL hold 7 documents each

  @N3 @N11
  Scenario: Storing the same document again changes nothing
    When an editor stores the document "price-list" with the text "All prices are net of tax." 2 times
    Then the outcomes are:
      | outcome   | version |
      | created   | 1       |
      | unchanged | 1       |
    And Qdrant and PostgreSQL hold 1 document each
    And Qdrant and PostgreSQL agree on "price-list":
      | field   | value |
      | version | 1     |

  @G5 @key.identical-concurrent-inserts-create-one
  Scenario: Of 8 identical inserts at the same moment exactly one creates the document
    When an editor stores the document "agenda" with the text "One text for all." 8 times at the same moment
    Then the outcomes are:
      | outcome   | version | number |
      | created   | 1       | 1      |
      | unchanged | 1       | 7      |
    And Qdrant and PostgreSQL hold 1 document each
    And Qdrant and PostgreSQL agree on "agenda":
      | field   | value             |
      | version | 1                 |
      | text    | One text for all. |

  @G5 @N3 @critical
  Scenario: After 6 updates at the same moment both stores hold the same winner
    Why it matters: no update may be lost. Who is overtaken may be told the version of the one that overtook, so
    at most one is told version 2, at most two are told version 3 or less, and so on.

    Given the documents:
      | id     | text                        |
      | agenda | Version zero of the agenda. |
    When an editor updates "agenda" with text "Version {n} of the agenda." 6 times at the same moment
    Then the outcomes are:
      | outcome | version   | number     |
      | updated | at most 7 | 6          |
      | updated | at most 6 | at most 5  |
      | updated | at most 5 | at most 4  |
      | updated | at most 4 | at most 3  |
      | updated | at most 3 | at most 2  |
      | updated | at most 2 | at most 1  |
      | updated | 7         | at least 1 |
    And Qdrant and PostgreSQL agree on "agenda":
      | field   | value                            |
      | version | 7                                |
      | text    | contains "Version"               |

  @N2
  Scenario: A missing point is noticed
    Why it matters: an audit that finds nothing may simply be blind.

    Given the documents:
      | id     | text              |
      | canteen | Lunch is at noon. |
    And a backup of Qdrant
    And an editor stores the document "price-list" with the text "All prices are net of tax."
    When Qdrant is restored from its backup
    Then the audit finds:
      | document   | finding | store  |
      | price-list | missing | Qdrant |
    When an administrator checks the consistency of the collection "handbook"
    Then the answer shows:
      | field              | value          |
      | consistent         | false          |
      | missing in qdrant  | ["price-list"] |
      | orphans in qdrant  | empty          |
      | mismatched         | empty          |
