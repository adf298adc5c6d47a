@outage @use.with_stores=visible @G4 @N4
Feature: The fence around the cache holds in every order of events
  A search and a change may overtake each other anywhere on the way. Whatever the
  order, an answer from before the change must not be served after it.

  Background:
    Given the collection "handbook"

  @critical @key.rewrite-races-slow-answer
  Scenario: A slow answer does not bring the old text back
    Given the document "canteen" about "The canteen serves lunch between noon and two o'clock."
    When an editor rewrites "canteen" while an answer that shows its old text is still on its way
    Then the answer that was on its way shows the collection as it was before
    And every later answer to the same question is as without the cache

  @G3
  Scenario: A slow answer does not bring a deleted document back
    Given the document "canteen" about "The canteen serves lunch between noon and two o'clock."
    When an editor deletes "canteen" while an answer that shows it is still on its way
    Then the answer that was on its way shows the collection as it was before
    And every later answer to the same question is as without the cache

  @critical @key.rewrite-races-fast-answer
  Scenario: An answer from just before a change does not outlive it
    Given a collection "pictures" for vectors of 4 numbers compared by dot product
    And the vector "poster" with the numbers "0.6, 0.8, 0, 0"
    When an employee searches while a change of "poster" is still on its way to the vector store
    Then the answer that was on its way shows the collection as it was before
    And every later answer to the same question is as without the cache

  Scenario: An answer from the middle of a change does not outlive it
    Given a collection "pictures" for vectors of 4 numbers compared by dot product
    And the vector "poster" with the numbers "0.6, 0.8, 0, 0"
    When an employee searches while a change of "poster" is in the vector store but not yet committed
    Then every later answer to the same question is as without the cache

  Scenario: Whatever the cache throws out, answers stay the same
    Given 12 stored documents
    And an employee has searched for "what is in the notes"
    When the cache has thrown out half of its entries
    Then a search for "what is in the notes" still answers as without the cache

  @N12
  Scenario: Old entries that come back into the cache are never served
    Given the document "canteen" about "The canteen serves lunch between noon and two o'clock."
    And an employee has read "canteen" and searched for "when can I eat"
    When the cache is restored from a copy that is older than a rewriting of "canteen"
    Then reading "canteen" gives the new text each of 5 times
    And a search for "when can I eat" still answers as without the cache
