@use.with_stores=visible
Feature: The cache never tells old news
  A cache may save time but must never change an answer: after a change it is
  either right or silent, and nothing in it lives for ever.

  Background:
    Given the collection "handbook"
    And the document "canteen" about "The canteen serves lunch between noon and two o'clock."

  @smoke @critical @G4 @key.repeated-search-is-cache-hit
  Scenario: A repeated search is answered from the cache with the same results
    Given an employee has searched for "when can I eat"
    When an employee searches for "when can I eat"
    Then the answer comes from the cache
    And it equals a search without the cache

  @G4 @N4 @key.update-invalidates-search
  Scenario: A search after a change does not see the old text
    Given an employee has searched for "when can I eat"
    When an editor rewrites "canteen" to be about "The parking garage is closed at night."
    Then a search for "when can I eat" is answered afresh and shows the new text of "canteen"

  @G3 @N4 @key.delete-invalidates-search
  Scenario: A search after a deletion does not show the deleted document
    Given an employee has searched for "when can I eat"
    When an editor deletes "canteen"
    Then a search for "when can I eat" no longer offers "canteen"

  @N4 @key.read-after-update-is-current
  Scenario: Reading a changed document never gives the cached old one
    Given "canteen" has been read twice
    When an editor rewrites "canteen" to be about "The parking garage is closed at night."
    Then reading "canteen" gives the new text each of 20 times

  @key.cache-entries-have-ttl
  Scenario: Nothing in the cache lives for ever
    When the document is read, searched and embedded, and a provider is asked
    Then every entry of the cache has an end not later than its kind allows

  @N14 @key.cache-keys-show-no-text
  Scenario: No text is readable in the names of cache entries
    When an employee searches for "unmistakable-canary-phrase"
    Then no name in the cache contains "unmistakable-canary-phrase"

  @G4 @key.damaged-cache-entry-replaced
  Scenario Outline: A cache entry that is <damage> is replaced, not served
    When the cached reading of "canteen", search for "when can I eat" and its embedding are <damage>
    Then reading "canteen", searching for "when can I eat" and embedding it answer as without the cache
    And the cache is soon of use again for "canteen" and "when can I eat"

    Examples:
      | damage               |
      | rubbish              |
      | empty                |
      | cut in half          |
      | changed by one bit   |
      | without its checksum |
      | of another size      |
      | of an older form     |
      | a list               |

  @key.clearing-cache-changes-no-results
  Scenario: Emptying the cache changes no answer
    Given an employee has searched for "when can I eat"
    When an administrator empties the cache
    Then a search for "when can I eat" gives the same results as before
