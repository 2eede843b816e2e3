"""The client of other registries: what the sync worker asks upstream, and what it takes for an answer.

    values, headers, challenge, place, trust     pure: forms, header grammars, where a request may lead
    proxies                                      which proxy stands between, pure too
    pace                                         limits, pauses and marks, on a clock that is given
    ledger                                       what a URL has answered lately, and what that has cost
    credentials, programs, tls                   logins and certificates as files and programs keep them
    asides                                       requests to hosts that hand out logins
    lasting, assertions, oauth2, ecr, gcp        logins that are issued, kept and renewed
    logins                                       which of them an entry of the configuration means
    connections, exchange                        the only modules that know urllib3
    gate                                         how many blobs come at once
    tokens, authorizer                           what goes into ``Authorization``
    authorized                                   requests with their credentials, sent again after a 401
    registry, lists, blobs                       one URL and the distribution API
    writing, uploads, target                     the half of the API that changes something, where images are copied to
    upstream, assembly                           several URLs in order, and how a configuration becomes them

Promises: nothing that an upstream says is believed before it was checked. A digest is parsed strictly, bytes are compared with
it, lengths with each other; what fails a check leaves as an error and never as content.

Never: stores anything, listens, or shows an upstream's error body to anybody.
"""
