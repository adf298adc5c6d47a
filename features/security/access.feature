Feature: Every operation is granted to exactly the callers of its access rule
  Every operation needs a key unless it is open by design, every key has a role, and whatever is no valid
  key opens nothing. An operation that is new has no rule yet, which fails here.

  Background:
    Given the collection "handbook"

  @smoke @critical @key.roles-grant-exact-operations
  Scenario: Every operation is granted to exactly the roles of the access rules
    When these requests are made:
      | actor               | request               |
      | an anonymous caller | calls every operation |
      | a reader            | calls every operation |
      | an editor           | calls every operation |
      | an administrator    | calls every operation |
    Then every operation has these outcomes, and the contract grants it to the same callers:
      | operation                     | an anonymous caller | a reader      | an editor                        | an administrator                 |
      | get health                    | succeeded           | succeeded     | succeeded                        | succeeded                        |
      | get liveness                  | succeeded           | succeeded     | succeeded                        | succeeded                        |
      | get readiness                 | succeeded           | succeeded     | succeeded                        | succeeded                        |
      | get metrics                   | succeeded           | succeeded     | succeeded                        | succeeded                        |
      | get status                    | unauthenticated     | succeeded     | succeeded                        | succeeded                        |
      | list collections              | unauthenticated     | succeeded     | succeeded                        | succeeded                        |
      | create collection             | unauthenticated     | forbidden     | succeeded                        | succeeded                        |
      | get collection                | unauthenticated     | succeeded     | succeeded                        | succeeded                        |
      | update collection             | unauthenticated     | forbidden     | succeeded                        | succeeded                        |
      | delete collection             | unauthenticated     | forbidden     | succeeded                        | succeeded                        |
      | get collection status         | unauthenticated     | succeeded     | succeeded                        | succeeded                        |
      | list vectors                  | unauthenticated     | succeeded     | succeeded                        | succeeded                        |
      | validate collection           | unauthenticated     | succeeded     | succeeded                        | succeeded                        |
      | generate embedding            | unauthenticated     | succeeded     | succeeded                        | succeeded                        |
      | generate embedding batch      | unauthenticated     | succeeded     | succeeded                        | succeeded                        |
      | generate embedding with model | unauthenticated     | succeeded     | succeeded                        | succeeded                        |
      | list models                   | unauthenticated     | succeeded     | succeeded                        | succeeded                        |
      | get model                     | unauthenticated     | succeeded     | succeeded                        | succeeded                        |
      | insert vector                 | unauthenticated     | forbidden     | succeeded                        | succeeded                        |
      | batch vectors                 | unauthenticated     | forbidden     | succeeded                        | succeeded                        |
      | search vectors                | unauthenticated     | succeeded     | succeeded                        | succeeded                        |
      | get vector                    | unauthenticated     | succeeded     | succeeded                        | succeeded                        |
      | update vector                 | unauthenticated     | forbidden     | succeeded                        | succeeded                        |
      | delete vector                 | unauthenticated     | forbidden     | succeeded                        | succeeded                        |
      | list providers                | unauthenticated     | succeeded     | succeeded                        | succeeded                        |
      | get provider status           | unauthenticated     | succeeded     | succeeded                        | succeeded                        |
      | embed with provider           | unauthenticated     | succeeded     | succeeded                        | succeeded                        |
      | list jobs                     | unauthenticated     | succeeded     | succeeded                        | succeeded                        |
      | submit job                    | unauthenticated     | forbidden     | succeeded                        | succeeded                        |
      | get job status                | unauthenticated     | job-not-found | succeeded                        | succeeded                        |
      | cancel job                    | unauthenticated     | forbidden     | succeeded or job-not-cancellable | succeeded or job-not-cancellable |
      | get cache stats               | unauthenticated     | succeeded     | succeeded                        | succeeded                        |
      | invalidate cache              | unauthenticated     | forbidden     | forbidden                        | succeeded                        |

  @critical
  Scenario: Only an administrator may repair a collection
    When these requests are made:
      | actor               | request                           |
      | an anonymous caller | repairs the collection "handbook" |
      | a reader            | repairs the collection "handbook" |
      | an editor           | repairs the collection "handbook" |
      | an administrator    | repairs the collection "handbook" |
    Then the outcomes are:
      | outcome         |
      | unauthenticated |
      | forbidden       |
      | forbidden       |
      | succeeded       |

  @critical @key.malformed-keys-refused
  Scenario: A key that is altered, doubled or sent in another place is refused by every operation
    Given every operation has something to work on
    When an administrator calls every operation with each of these options:
      | option    | value                        |
      | their key | without its last character   |
      | their key | with one more character      |
      | their key | in the other case            |
      | their key | cut to 8 characters          |
      | their key | as its SHA-256 hash          |
      | their key | in the query                 |
      | their key | in a cookie                  |
      | their key | as a Basic password          |
      | their key | without its scheme           |
      | their key | in other headers             |
      | their key | left empty                   |
      | their key | replaced by an SQL condition |
      | their key | beside another one           |
      | their key | after another one            |
      | their key | after a comma                |
    Then every operation is refused with "unauthenticated" except:
      | operation     | outcome   |
      | get health    | succeeded |
      | get liveness  | succeeded |
      | get readiness | succeeded |
      | get metrics   | succeeded |

  @critical
  Scenario: A collection is repaired for a key in an accepted form and for no other
    When an administrator repairs the collection "handbook" with each of these options:
      | option    | value                        |
      | their key | without its last character   |
      | their key | with one more character      |
      | their key | in the other case            |
      | their key | cut to 8 characters          |
      | their key | as its SHA-256 hash          |
      | their key | in the query                 |
      | their key | in a cookie                  |
      | their key | as a Basic password          |
      | their key | without its scheme           |
      | their key | in other headers             |
      | their key | left empty                   |
      | their key | replaced by an SQL condition |
      | their key | beside another one           |
      | their key | after another one            |
      | their key | after a comma                |
    Then every request is refused with "unauthenticated"
    When an administrator repairs the collection "handbook" with each of these options:
      | option    | value                          |
      | their key | as a bearer token              |
      | their key | with a scheme in small letters |
      | their key | with a header name in capitals |
      | their key | in both headers                |
    Then every request succeeds

  @critical
  Scenario: An unknown key is refused by every operation
    Given every operation has something to work on
    When these requests are made:
      | actor                        | request                                                 |
      | a caller with an unknown key | calls every operation                                   |
      | a caller with an unknown key | calls every operation with their key "as a bearer token" |
    Then every operation is refused with "unauthenticated" except:
      | operation     | outcome   |
      | get health    | succeeded |
      | get liveness  | succeeded |
      | get readiness | succeeded |
      | get metrics   | succeeded |

  @critical @use.with_stores=visible @key.invalid-keys-refused
  Scenario: An expired or revoked key is refused by every operation
    Given every operation has something to work on
    When these requests are made:
      | actor                        | request               |
      | a caller with an expired key | calls every operation |
      | a caller with a revoked key  | calls every operation |
    Then every operation is refused with "unauthenticated" except:
      | operation     | outcome   |
      | get health    | succeeded |
      | get liveness  | succeeded |
      | get readiness | succeeded |
      | get metrics   | succeeded |

  Scenario: A key is accepted in every form that the contract allows
    When an editor calls every operation with each of these options:
      | option    | value                          |
      | their key | as a bearer token              |
      | their key | with a scheme in small letters |
      | their key | with a header name in capitals |
      | their key | in both headers                |
    Then every operation succeeds except:
      | operation        | outcome                          |
      | cancel job       | succeeded or job-not-cancellable |
      | invalidate cache | forbidden                        |

  Scenario: No route exists besides the documented ones
    When these requests are made:
      | actor               | request                        |
      | an anonymous caller | calls every undocumented route |
      | an administrator    | calls every undocumented route |
    Then every request is refused with "route-not-found"

  @key.reader-cannot-write
  Scenario: A reader cannot change anything
    Given the documents:
      | id      | text                                             |
      | statute | The statute may be changed by the board alone.   |
    When these requests are made:
      | actor    | request                                               |
      | a reader | stores the document "statute" with the text "Changed." |
      | a reader | updates "statute" with text "Changed."                |
      | a reader | deletes "statute"                                     |
      | a reader | deletes the collection "handbook"                     |
      | a reader | repairs the collection "handbook"                     |
      | a reader | invalidates the cache                                 |
    Then every request is refused with "forbidden"
    And the document "statute" has:
      | field   | value                                          |
      | version | 1                                              |
      | text    | The statute may be changed by the board alone. |

  @use.with_stores=visible
  Scenario: A revoked key stops working
    Given another administrator lists the models
    When the key of another administrator is revoked
    Then within the key limit the answer to another administrator who lists the models shows:
      | field | value           |
      | code  | unauthenticated |
    When another administrator invalidates the cache
    Then the request is refused with "unauthenticated"
