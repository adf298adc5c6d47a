Feature: Callers are kept apart
  Whoever has a key may do what that key may, and nothing else: what belongs to another
  caller, was asked by one or was cached for one is not found by guessing or claiming.

  Background:
    Given the collection "handbook"

  @N10 @use.with_stores=visible @key.foreign-job-looks-missing
  Scenario: Somebody else's job cannot be told from none at all
    Given a finished job of 2 documents
    When another editor asks for that job and for one that nobody handed over
    Then both are answered alike, when asked for and when cancelled

  @N10 @use.with_stores=visible @key.foreign-cursor-useless
  Scenario: Another caller's place in a list is of no use
    Given 3 finished jobs
    When another editor goes on from the middle of the list of these jobs
    Then the other editor is shown none of them

  @N10 @use.with_stores=visible @key.cache-hit-requires-authorization
  Scenario: What is cached is given to nobody who may not ask
    Given the document "canteen" about "The canteen serves lunch between noon and two o'clock."
    And an employee has searched for "when can I eat"
    When callers without a valid key search for "when can I eat"
    Then each of them is refused as "unauthenticated"
    And none of them is shown a word about "canteen"

  @critical @key.role-headers-ignored
  Scenario: Nobody becomes an administrator by claiming it
    When a reader and an editor claim in every known way to be an administrator
    Then no claim has changed what they may

  @key.method-override-ignored
  Scenario: To read is not to delete, whatever a header says
    When an editor asks for the collection and claims that this is to delete it
    Then no claim has changed what was asked

  @key.platform-fields-not-settable
  Scenario: What the platform sets itself cannot be set by a caller
    When an editor sends requests that set an owner, a role, a state or a version
    Then nothing the platform sets itself was taken from the caller

  @key.reserved-names-in-metadata-kept
  Scenario: Metadata with the names of the platform's own members are only metadata
    Given the document "statute" about "The statute may be changed by the board alone."
    When an editor stores "note" with metadata named like members of "statute"
    Then the metadata of "note" are exactly what was sent
    And "statute" still reads "The statute may be changed by the board alone."
