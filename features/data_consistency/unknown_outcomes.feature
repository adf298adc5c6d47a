@outage @use.with_stores=visible @G6 @N2
Feature: What nobody was told the outcome of is settled by itself
  A lost request and a lost answer look the same to the caller. The platform must
  say that it does not know, and then see to it that both stores hold the same.

  Background:
    Given the collection "handbook"
    And the document "price list" about "All prices are net of tax."

  @critical @N1 @key.lost-call-to-qdrant-converges
  Scenario Outline: <Loss> lost on the way to or from the vector store leaves nothing half done
    Given the document "old notice" about "The lift is out of order."
    When <loss> is lost of storing "menu", rewriting "price list" and deleting "old notice" in the vector store
    Then each caller is told in time that the outcome is unknown
    And all three are soon whole or absent

    Examples:
      | Loss      | loss        |
      | A request | the request |
      | An answer | the answer  |

  @G5 @N3 @N11 @key.late-write-does-not-win
  Scenario: A write that is carried out too late does not win
    Given a rewriting of "price list" to which the vector store never answered
    When an editor rewrites "price list" to be about "All prices include tax.", and only then the lost rewriting is carried out again
    Then the row and the point of "price list" soon agree on "All prices include tax."

  @G3 @key.deleted-document-not-resurrected
  Scenario: What was deleted before it was finished does not come back
    Given a document "menu" whose storing nobody was told the outcome of
    When an editor deletes "menu" as soon as the vector store is back
    Then "menu" does not come back
