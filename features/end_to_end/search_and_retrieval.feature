Feature: Search and retrieval
  People ask in their own words. The platform finds what was meant, in the right
  order, within the limits they set, and never shows what they filtered out.

  Background:
    Given the collection "handbook"

  @smoke @critical @key.knowledge-base-search-quality
  Scenario: The knowledge base answers the questions it was written for
    Why it matters: this is the search and retrieval workflow on realistic articles of several departments.

    Given an editor stores the knowledge base
    When a reader asks every question of the knowledge base
    Then the right document is among the first 1 results of at least 80 % of the searches
    And the right document is among the first 5 results of at least 95 % of the searches
    And the mean reciprocal rank of the right documents is at least 0.9

  @key.filter-excludes-other-departments
  Scenario: A filter excludes the documents of other departments
    Given the documents:
      | id           | metadata.department | text                                            |
      | leave-policy | people              | Thirty days of paid holiday are granted a year. |
      | leave-ledger | finance             | Unused holiday is booked as a liability in May. |
      | badge-rules  | people              | Every employee wears the badge in the building. |
    When a reader searches for "holiday" with:
      | option | value                 |
      | filter | department = "people" |
    Then the results are "leave-policy" and "badge-rules"

  @key.filter-matches-whole-numbers-in-any-notation
  Scenario Outline: A filter compares numbers as numbers and texts as texts: <filter>
    Given the documents:
      | id      | metadata.pages | text                                |
      | whole   | 5              | The whole document has some pages.  |
      | decimal | 5.0            | The second document has some pages. |
      | half    | 5.5            | The third document has some pages.  |
      | text    | "5"            | The fourth document has some pages. |
    When a reader searches for "pages" with:
      | option | value    |
      | filter | <filter> |
    Then the results are <results>, ordered by falling score

    Examples:
      | filter                     | results                       |
      | pages = 5                  | "whole" and "decimal"         |
      | pages = 5.0                | "whole" and "decimal"         |
      | pages = "5"                | "text"                        |
      | pages in [5, 6]            | "whole" and "decimal"         |
      | pages in [5, "5"]          | "whole", "decimal" and "text" |
      | pages >= 5                 | "whole", "decimal" and "half" |
      | pages > 5                  | "half"                        |
      | pages >= 4.5 and pages < 5.5 | "whole" and "decimal"       |

  @key.larger-limit-extends-results
  Scenario: A larger limit extends the ranking without changing its head
    Given the collection "points":
      | option     | value |
      | dimensions | 2     |
    And the documents:
      | id     | vector   |
      | first  | [1, 0]   |
      | second | [1, 0.2] |
      | third  | [1, 0.5] |
      | fourth | [1, 1]   |
      | fifth  | [0, 1]   |
    When a reader searches for the vector [1, 0] with limit 2
    Then the results are "first" and "second"
    When a reader searches for the vector [1, 0] with limit 4
    Then the results are "first", "second", "third" and "fourth"

  @key.results-ordered-by-score
  Scenario: Results are ordered by falling score
    Given the documents:
      | id     | text                                  |
      | tea    | Tea is served in the kitchen at four. |
      | coffee | Coffee machines stand on every floor. |
      | desks  | Height-adjustable desks can be had.   |
    When a reader searches for "where can I get a hot drink"
    Then the results are "tea", "coffee" and "desks", ordered by falling score

  Scenario: Only results above the score threshold are shown
    Given the documents:
      | id        | text                                                  |
      | backups   | Backups of all servers are taken every night.         |
      | volcanoes | Lava flows slowly down the slopes of the old volcano. |
    When a reader searches for "Backups of all servers are taken every night." with score threshold 0.9
    Then the results are "backups"

  Scenario: A stored text is its own best match
    Given the documents:
      | id       | text                                         |
      | invoices | Invoices are paid thirty days after receipt. |
      | payslips | Payslips are sent on the last working day.   |
    When a reader searches for "Invoices are paid thirty days after receipt."
    Then the first result is "invoices"
    And the answer shows:
      | field           | value          |
      | results.1.score | at least 0.999 |

  Scenario: A search in an empty collection has no results
    When a reader searches for "anything at all"
    Then there are no results

  @key.score-threshold-is-exact
  Scenario Outline: A score threshold decides to the last digit: <threshold>
    Why it matters: the nearest numbers to either side of a score must decide; whether the number itself is
    included, the contract leaves open. The scores here are exact: each vector has a length of 16.

    Given the collection "points":
      | option     | value |
      | dimensions | 5     |
    And the documents:
      | id     | vector            |
      | high   | [15, 5, 2, 1, 1]  |
      | middle | [13, 7, 5, 3, 2]  |
      | low    | [7, 13, 5, 3, 2]  |
    When a reader searches for the vector [1, 0, 0, 0, 0] with score threshold <threshold>
    Then the results are <results>
    And the answer shows:
      | field           | value  |
      | results.1.score | 0.9375 |

    Examples:
      | threshold  | results             |
      | 0.81249994 | "high" and "middle" |
      | 0.81250006 | "high"              |

  @key.nearest-first-for-each-distance
  Scenario Outline: Whatever the distance, the nearest come first: <distance>
    Why it matters: each distance has its own order, and for one of them the smallest number is the best.

    Given the collection "points":
      | option     | value      |
      | dimensions | 2          |
      | distance   | <distance> |
    And the documents:
      | id       | vector   |
      | leaning  | [1, 0.1] |
      | long     | [5, 2]   |
      | crossing | [2, -2]  |
    When a reader searches for the vector [1, 0]
    Then the results are <ranking>

    Examples:
      | distance    | ranking                          |
      | cosine      | "leaning", "long" and "crossing" |
      | dot product | "long", "crossing" and "leaning" |
      | Euclidean   | "leaning", "crossing" and "long" |

  @key.equal-scores-keep-one-order
  Scenario: Documents of equal score keep one order on all pages
    Given the collection "points":
      | option     | value |
      | dimensions | 3     |
    And the documents:
      | id    | vector    |
      | tie-7 | [1, 2, 3] |
      | tie-2 | [1, 2, 3] |
      | tie-9 | [1, 2, 3] |
      | tie-4 | [1, 2, 3] |
      | tie-1 | [1, 2, 3] |
      | tie-8 | [1, 2, 3] |
      | tie-3 | [1, 2, 3] |
      | tie-6 | [1, 2, 3] |
      | tie-5 | [1, 2, 3] |
    When a reader searches for the vector [1, 2, 3] in pages of 2
    Then the pages have "tie-1", "tie-2", "tie-3", "tie-4", "tie-5", "tie-6", "tie-7", "tie-8" and "tie-9"
    And no page has more than 2 documents

  @key.result-pages-join-without-gaps
  Scenario: The pages of a ranking put together are the ranking
    Given 12 documents
    When a reader searches for "Where is the boiler?" in pages of 5
    Then the pages together are the results of the same search without pages
    And no page has more than 5 documents
    When a reader searches for "Where is the boiler?" with offset 12
    Then there are no results
