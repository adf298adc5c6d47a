Feature: The life of a document
  A document is found by its meaning, follows every change at once, and is gone
  for good when it is deleted.

  Background:
    Given the collection "handbook"

  @smoke @critical @key.stored-document-found-by-meaning
  Scenario: A stored document is found by its meaning
    Why it matters: this is the whole embedding workflow, from text to searchable vector.

    When an editor stores the document "leave-policy" with the text "Employees may take thirty days of paid holiday each year."
    Then the request succeeds as "created" in version 1
    When an editor stores the document "server-room" with the text "Only technicians with a badge may enter the server room."
    And a reader searches for "how many days off do I get"
    Then the first result is "leave-policy"

  Scenario: An updated document is found by its new meaning
    Given the documents:
      | id      | text                                                    |
      | canteen | The canteen serves lunch between noon and two o'clock.  |
      | parking | Visitors leave their cars in the parking garage.        |
    When an editor updates "canteen":
      | field | value                                          |
      | text  | Travel expenses are repaid within two weeks.   |
    Then the request succeeds as "updated" in version 2
    When a reader searches for "when do I get my travel costs back"
    Then the first result is "canteen"

  Scenario: A deleted document is neither read nor found
    Given the documents:
      | id         | text                                          |
      | price-list | All prices valid until the end of last year.  |
      | parking    | Visitors leave their cars in the garage.      |
    And a reader searches for "which prices are valid"
    When an editor deletes "price-list"
    Then the request succeeds
    And the document "price-list" does not exist
    When a reader searches for "which prices are valid"
    Then the results are "parking"
