// Package bots recognises crawlers that say who they are, by group, and finds
// out whether those that claim a well-known name tell the truth. It knows
// nothing of Caddy.
//
//	Catalog    the crawlers Portico knows (crawlers.json, each with its source)
//	Match      what a User-Agent declares: one pass over it, no allocation
//	Verifier   is it really Googlebot? (verify.go)
//
// # What it does not do
//
// A User-Agent is a declaration. Whoever wants to hide sends the one of a
// browser, and no list of names finds that: rates, traps and the client's
// address do. What a name is good for: crawlers that behave (they can be
// refused by name, and one who borrows a well-known name can be found out), and
// tools whose users did not trouble to change it.
package bots
