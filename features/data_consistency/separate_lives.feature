@use.with_stores=visible @N12
Feature: Collections lead separate lives
  The same id may be used in every collection, and a name may be used again after
  its collection is gone. Neither may ever show in another collection.

  Background:
    Given the collection "handbook"
    And the document "safety" about "Wear gloves when handling the acid."

  Scenario Outline: What happens to an id in one collection does not touch the other: <act>
    Given the collection "archive" that holds "safety" about "An older rule on acids."
    When an editor <act> "safety" in "archive"
    Then "safety" in "handbook" is what and where it was

    Examples:
      | act      |
      | rewrites |
      | removes  |

  Scenario: Dropping a collection leaves the same ids elsewhere alone
    Given the collection "archive" that holds "safety" about "An older rule on acids."
    When an editor drops "archive"
    Then "safety" in "handbook" is what and where it was

  @G4 @N4 @key.cache-separates-collections
  Scenario: A search is not answered with another collection's cached answer
    Given the collection "archive" that holds "safety" about "An older rule on acids."
    And an employee has searched "handbook" for "acid"
    When an employee searches "archive" for "acid"
    Then the answer shows only what "archive" holds

  @N10
  Scenario: Two callers with different roles get the same answer to the same question
    Given an employee has searched for "acid"
    When a reader, an editor and an administrator search for "acid"
    Then all three are shown the same results
    And none of the answers names another caller

  @G4 @N4 @critical
  Scenario: A collection made anew shows nothing old, not even from the cache
    Given an employee has read "safety" and searched for "acid"
    When the collection "handbook" is dropped and made anew, and the old entries come back into the cache
    Then an employee who searches for "acid" finds nothing
    And "safety" can no longer be read

  @key.orphaned-points-not-adopted
  Scenario: What the vector store alone had kept under a name is not taken over
    Why it matters: after a restore a name can be taken in the vector store and free everywhere else.

    Given the vector store alone holds a collection "archive" with 3 points of another size
    When an editor makes the collection "archive"
    Then "archive" holds nothing, in either store, and takes vectors of the size that was asked for

  @G4 @N4 @key.recreated-collection-starts-empty
  Scenario: The same documents stored anew are not mistaken for the old ones
    Given an employee has read "safety" and searched for "acid"
    And the collection "handbook" is dropped and made anew, and the old entries come back into the cache
    When an editor stores the document "safety" about "Nothing is known about acids."
    Then reading "safety" gives the new text each of 3 times
    And a search for "acid" still answers as without the cache
