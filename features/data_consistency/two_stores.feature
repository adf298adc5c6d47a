@use.with_stores=visible
Feature: Rows and vectors agree
  Metadata live in PostgreSQL, vectors in Qdrant. Whatever is acknowledged is in
  both, with the same content and version; whatever is refused is in neither.

  Background:
    Given the collection "handbook"

  @smoke @critical @G1 @N3 @key.acknowledged-write-in-both-stores
  Scenario: An acknowledged document is in both stores with the same content
    When an editor stores the document "price list" about "All prices are net of tax."
    Then the row and the point of "price list" agree in version, text, metadata and vector

  @G2 @key.update-in-both-stores-before-acknowledgement
  Scenario: A change reaches both stores before it is acknowledged
    Given the document "price list" about "All prices are net of tax."
    When an editor rewrites "price list" to be about "All prices include tax."
    Then the row and the point of "price list" agree in version, text, metadata and vector
    And both are version 2

  @G3 @key.delete-in-both-stores
  Scenario: A deletion leaves neither row nor point
    Given the document "price list" about "All prices are net of tax."
    When an editor deletes "price list"
    Then neither store holds "price list"

  @G6 @N7 @N13 @key.refused-document-leaves-no-trace
  Scenario Outline: A refused document leaves no trace: <reason>
    When an editor submits a document with <reason>
    Then the request is refused as "<refusal>"
    And neither store has grown

    Examples:
      | reason                           | refusal            |
      | a vector too short               | dimension-mismatch |
      | a vector of another model's size | dimension-mismatch |
      | a vector of zeros                | zero-vector        |
      | a vector without direction       | zero-vector        |
      | a number beyond measure          | validation-failed  |
      | a text of blanks                 | validation-failed  |
      | another model's name             | model-mismatch     |
      | an invalid id                    | validation-failed  |

  @G7 @key.stores-agree-on-counts
  Scenario: The counts of both stores agree
    Given 12 stored documents
    When an editor deletes 5 of them
    Then both stores count 7 documents and nothing is in flight

  @N3 @N11
  Scenario: Storing the same document again changes nothing
    Given the document "price list" about "All prices are net of tax."
    When an editor stores the document "price list" about "All prices are net of tax."
    Then the document is reported as "unchanged" in version 1
    And both stores hold "price list" once

  @G5 @key.identical-concurrent-inserts-create-one
  Scenario: Of many identical submissions one creates the document
    When 8 editors store the same document "agenda" at the same moment
    Then exactly one of them created it and the others found it unchanged
    And the row and the point of "agenda" are of the newest version that anybody was told
    And both stores hold "agenda" once

  @G5 @N3 @critical
  Scenario: After a race of writers both stores hold the same winner
    Given the document "agenda" about "Version zero of the agenda."
    When 6 editors rewrite "agenda" at the same moment, each in other words
    Then every rewrite counted, also one that another overtook
    And the row and the point of "agenda" agree in version, text, metadata and vector
    And both are version 7

  @N2
  Scenario: A missing vector is noticed
    Why it matters: an audit that finds nothing may simply be blind.

    Given the document "price list" about "All prices are net of tax."
    When the vector of "price list" is lost behind the platform's back
    Then the audit names "price list" as missing in the vector store
    And the platform's own check comes to the same finding
