// Package cachehandler is response_cache: a shared HTTP cache in front of the
// handlers that follow it, usually reverse_proxy. It is the only package that
// joins HTTP semantics (httpcache), storage (store) and Caddy.
//
// A request walks the step table in steps.go; reading that table is reading
// the cache:
//
//	receive ─┬─ pass ───────────────────────────────► the next handler, untouched
//	         └─ lookup ─┬─ hit ─────────────────────► deliver
//	                    ├─ stale ── (refresh) ──────► deliver
//	                    ├─ part ─── hit, stale or miss, as far as it goes
//	                    └─ miss ─┬─ fetch ──────────► deliver, while it arrives
//	                             ├─ wait ───────────► deliver, with another's fetch
//	                             └─ wait ─ pass ────► if that is not to be shared
//
// The words, one for each concept, in code, logs, metrics and documents:
//
//	hit          answered from the store, fresh
//	stale        answered from the store, past its lifetime
//	revalidated  answered from the store after the origin said 304
//	miss         fetched from the origin
//	collapsed    answered with what a concurrent request fetched
//	pass         handed to the next handler; the answer is not stored
//	bypass       a pass the administrator asked for
//
// Invariants:
//   - An object has exactly one filler (the fetch) and any number of readers;
//     the client that caused the fetch is one of the readers. The fetch may
//     run in that client's goroutine, but never waits for the client.
//   - An answer reaches a second client only after its head proved storable.
//   - A body that did not arrive whole is never delivered as if it had, and
//     never found again.
//   - No failure of a store fails a request: it becomes a pass with a Reason.
package cachehandler
