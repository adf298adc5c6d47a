Feature: The life of a document
  A knowledge base is useful only if what people put in is found by what it means,
  follows every change at once, and is gone for good when it is deleted.

  Background:
    Given the collection "handbook"

  @smoke @critical @key.stored-document-found-by-meaning
  Scenario: A stored document is found by its meaning
    Why it matters: this is the whole embedding workflow, from text to searchable vector.

    Given the document "leave policy" about "Employees may take thirty days of paid holiday each year."
    And the document "server room" about "Only technicians with a badge may enter the server room."
    When an employee searches for "how many days off do I get"
    Then "leave policy" is the first result

  Scenario: A rewritten document is found by its new meaning
    Given the document "canteen" about "The canteen serves lunch between noon and two o'clock."
    And the document "parking" about "Visitors leave their cars in the parking garage."
    When an editor rewrites "canteen" to be about "Travel expenses are repaid within two weeks."
    Then the request succeeds
    And a search for "when do I get my travel costs back" is led by "canteen"

  Scenario: A deleted document is gone everywhere
    Given the document "old price list" about "All prices valid until the end of last year."
    When an editor deletes "old price list"
    Then the request succeeds
    And "old price list" can no longer be read
    And a search for "which prices are valid" no longer offers "old price list"
