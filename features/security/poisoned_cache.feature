@use.with_stores=visible
Feature: A poisoned cache entry is neither executed nor believed
  Whoever can write into Redis must not thereby run a program in the gateway, exhaust its memory or
  forge its answers: an entry that is not whole and of the right types counts as missing.

  Background:
    Given the collection "handbook"
    And the documents:
      | id      | text                                                   |
      | canteen | The canteen serves lunch between noon and two o'clock. |

  @key.poisoned-cache-entry-rejected
  Scenario Outline: A cache entry that is <damage> is neither executed nor believed
    When these requests are made:
      | actor    | request                       |
      | a reader | reads "canteen"               |
      | a reader | searches for "when can I eat" |
      | a reader | embeds "lunch for {unique}"   |
    And the cache entries of the last answers are <damage>
    And the same requests are made again
    Then every result was computed
    And every result is the same as without the cache
    And no program in the cache was executed
    When the same requests are made again
    Then every result was served from the cache

    Examples:
      | damage                                |
      | a pickled program                     |
      | a pickled program with a valid checksum |
      | a YAML program with a valid checksum  |
      | padded with 1 MiB of spaces           |
      | nested 100,000 levels deep            |
      | changed from texts to numbers         |
      | changed from numbers to texts         |
      | a list instead of an object           |
