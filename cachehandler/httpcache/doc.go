// Package httpcache is HTTP caching as pure functions: RFC 9111 with the parts
// of RFC 9110 it needs, RFC 5861 (stale-while-revalidate, stale-if-error),
// RFC 8246 (immutable), RFC 9211 (Cache-Status), RFC 9213 (targeted fields) and
// RFC 9875 (cache groups), RFC 10008 (QUERY) and the draft of No-Vary-Search, for a
// shared cache.
//
// Everything here is a function of header fields, a status, a [Policy] and a
// time. There is no I/O, no goroutine, no clock and no global state; the cache
// handler brings those. A response goes through the package like this:
//
//	Store        may this response be stored, and as what?  → *Stored or a Reason
//	Selects      is it the variant this request asks for?   (Vary, §4.1)
//	Reuse        may it answer this request now?            → fresh, stale, validated, not
//	Validate     the condition to ask the origin with       (§4.3.1)
//	Freshen      what a 304 makes of it                     (§4.3.4)
//	ReuseOnError may it answer because the origin failed?   (RFC 5861 §4)
//	PartRanges, Rest, Extend, Join: parts of one           (§3.3, §3.4)
//	Precondition, Ranges: what the client gets of it        (RFC 9110 §13, §14)
//	Variation    which other URLs it is for                 (No-Vary-Search)
//	Invalidates  what an unsafe method makes stale          (§4.4)
//
// Where the RFCs leave a choice, the safe one is taken: what is malformed
// restricts and never permits, and what does not say that it is for everybody
// is not shared with requests that carry cookies or credentials.
//
// Every decision returns a [Reason]: one value that feeds Cache-Status, logs,
// metrics, explain and the tests.
package httpcache
