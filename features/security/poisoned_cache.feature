@use.with_stores=visible
Feature: What lies in the cache is only data
  Whoever can write into the cache must not thereby run a program in the platform, fill its
  memory or put words into its mouth: what is not whole and of the right kind counts as absent.

  @key.poisoned-cache-entry-rejected
  Scenario Outline: A cache entry that is <damage> is not believed
    Given the collection "handbook"
    And the document "canteen" about "The canteen serves lunch between noon and two o'clock."
    When the cached reading of "canteen", search for "when can I eat" and its embedding are <damage>
    Then reading "canteen", searching for "when can I eat" and embedding it answer as without the cache
    And nothing that lay in the cache was carried out
    And the cache is soon of use again for "canteen" and "when can I eat"

    Examples:
      | damage                           |
      | a stored program                 |
      | a stored program under a seal    |
      | a stored program in another form |
      | of endless size                  |
      | of endless depth                 |
      | of numbers for words             |
      | of words for numbers             |
      | a list for members               |
