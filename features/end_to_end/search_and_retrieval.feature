Feature: Search and retrieval
  People ask in their own words. The platform finds what was meant, in the right
  order, within the limits they set, and never shows what they filtered out.

  Background:
    Given the collection "handbook"

  @smoke @critical @key.knowledge-base-search-quality
  Scenario: The knowledge base answers the questions it was written for
    Why it matters: this is the search and retrieval workflow on realistic articles of several departments.

    Given the whole knowledge base is stored
    When every question of the knowledge base is asked
    Then the right article leads the ranking for at least 80 % of the questions
    And it is among the first 5 for at least 95 % of them
    And the mean reciprocal rank is at least 0.9

  @key.filter-excludes-other-departments
  Scenario: A filter keeps other departments out
    Given these documents:
      | title        | department | text                                             |
      | leave policy | people     | Thirty days of paid holiday are granted a year.  |
      | leave ledger | finance    | Unused holiday is booked as a liability in May.  |
      | badge rules  | people     | Every employee wears the badge in the building.  |
    When an employee searches for "holiday" in the department "people"
    Then the results are exactly "leave policy" and "badge rules"
    And "leave policy" is the first result

  @key.filter-matches-whole-numbers-in-any-notation
  Scenario: A filter finds a whole number in whatever form it was written
    Given documents whose pages are the numbers 5, 5.0 and 5.5 and the text "5"
    When an employee searches for "pages" among documents of 5 pages
    Then the results are exactly "whole" and "decimal"

  @key.larger-limit-extends-results
  Scenario: Raising the limit extends the ranking without changing its head
    Given these documents:
      | title  | text                                         |
      | tea    | Tea is served in the kitchen at four.        |
      | coffee | Coffee machines stand on every floor.        |
      | water  | Water dispensers are refilled every morning. |
      | snacks | Fruit and biscuits are free for everybody.   |
    When an employee searches for "something to drink" and asks for 2 results
    Then asking for 4 results begins with the same 2 results

  @key.results-ordered-by-score
  Scenario: A ranking is ordered by falling similarity
    Given these documents:
      | title  | text                                         |
      | tea    | Tea is served in the kitchen at four.        |
      | coffee | Coffee machines stand on every floor.        |
      | desks  | Height-adjustable desks can be ordered.      |
    When an employee searches for "where can I get a hot drink"
    Then the results are ordered by falling similarity
    And each of the 3 documents appears once

  Scenario: Only results above the threshold are shown
    Given these documents:
      | title     | text                                                  |
      | backups   | Backups of all servers are taken every night.         |
      | volcanoes | Lava flows slowly down the slopes of the old volcano. |
    When an employee searches for "Backups of all servers are taken every night." with a similarity of at least 0.9
    Then the results are exactly "backups"

  Scenario: A stored text is its own best match
    Given these documents:
      | title    | text                                           |
      | invoices | Invoices are paid thirty days after receipt.   |
      | payslips | Payslips are sent on the last working day.     |
    When an employee searches for "Invoices are paid thirty days after receipt."
    Then "invoices" is the first result
    And its similarity is at least 0.999

  Scenario: Asking an empty collection is no error
    When an employee searches for "anything at all"
    Then the results are empty

  @key.score-threshold-is-exact
  Scenario: A threshold cuts exactly where it says
    Why it matters: the least step of a number to either side of a similarity must decide; whether the number
    itself is inside, the contract leaves open.

    Given these documents:
      | title  | text                                  |
      | tea    | Tea is served in the kitchen at four. |
      | coffee | Coffee machines stand on every floor. |
      | desks  | Height-adjustable desks can be had.   |
    When an employee searches for "a hot drink" with a threshold just below and just above the 2nd result
    Then that result is shown below and not above

  @key.nearest-first-for-each-distance
  Scenario Outline: Whatever is measured, the nearest come first: <distance>
    Why it matters: each measure has its own order, and for one of them the smallest number is the best.

    Given a collection "points" for vectors of 2 numbers compared by <distance>
    And the vector "leaning" with the numbers "1, 0.1"
    And the vector "long" with the numbers "5, 2"
    When an editor stores the vector "crossing" with the numbers "2, -2"
    Then a search by the numbers "1, 0" ranks "<ranking>"

    Examples:
      | distance           | ranking                 |
      | cosine             | leaning, long, crossing |
      | dot product        | long, crossing, leaning |
      | Euclidean distance | leaning, crossing, long |

  @key.equal-scores-keep-one-order
  Scenario: Documents that are equally similar keep one order on all pages
    Given 9 documents with the same vector
    When an employee looks through the ranking in pages of 2
    Then the pages show every document once, in the order of ids
    And the page after the last is empty

  @key.result-pages-join-without-gaps
  Scenario: The pages of a ranking put together are the ranking
    Given 12 stored documents
    When an employee looks through the ranking for "Where is the boiler?" in pages of 5
    Then the pages put together are the whole ranking
    And the page after the last is empty
