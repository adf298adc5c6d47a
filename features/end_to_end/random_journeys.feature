@use.with_stores=visible
Feature: Random examples agree with a model
  Nobody can think of every order in which documents are stored, changed, searched and deleted.
  Random examples are compared with a plain model of what must be there, and a failure is cut
  down to the smallest example that shows it.

  @critical @G1 @G2 @G3 @N3 @N4
  Scenario: Random journeys end where a plain model ends
    When random journeys are tried
    Then at least 5 of them were tried and none deviates from what is expected

  @key.random-filters-match-exactly
  Scenario: A random filter finds exactly the documents it describes
    Given the collection "things":
      | option     | value |
      | dimensions | 2     |
    And an editor stores 60 documents with random metadata
    When random filters are tried
    Then at least 20 of them were tried and none deviates from what is expected

  @N3
  Scenario: Random texts and metadata come out of every store as they went in
    Why it matters: a value that two stores understand differently is found by one and shown by the other. Fractions
    have at most 15 digits here: what Qdrant's engine does to longer ones is among the limits in docs/reference.md.

    Given the collection "handbook"
    When random texts and metadata are tried
    Then at least 10 of them were tried and none deviates from what is expected
