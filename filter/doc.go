// Package filter is what Portico does with requests and answers beside caching
// and balancing: request_filter keeps harmful requests from an origin,
// hide_origin keeps what an answer tells about the origin from clients. It is
// the only package that joins its pure parts (address, limits, canonical, rate,
// ban, …) and Caddy.
//
// A request walks the table in steps.go once, from the cheapest step to the
// dearest; reading that table is reading the filter:
//
//	bans ─ addresses ─ limits ─ framing ─ path ─ honeypot ─ probes ─ bots ─ rules ─ rates ─ score ─► the next handler
//	  └────────┴─────────┴─ … each may end the walk ─────────────────────────────────────────┘
//
// The words, one for each concept, in code, logs, metrics and documents:
//
//	verdict  what a step says of a request, with a reason
//	block    the verdict ends the walk, and the client is answered
//	detect   the verdict is logged and counted, and the walk goes on
//	pass     no verdict: handed to the next handler
//	denial   a block whose answer `respond`, `drop` and `tarpit` replace
//	strike   a block that counts towards a ban of the client
//
// Invariants:
//   - What is judged is what the origin gets: the target as sent, not a reading
//     of it; of what may be read in two ways nothing is passed.
//   - A client is who Caddy says it is (trusted_proxies), never who a header
//     field says.
//   - Bodies are judged as they stream by. None is held back or read twice.
//   - A request that passes takes no lock but those of its own `rate` counters.
package filter
