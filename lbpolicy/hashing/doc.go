// Package hashing sends the same key to the same upstream host, moves as few
// keys as possible when hosts come and go, and bounds how much one popular key
// may load a host.
//
//	Maglev      a table that is looked up in constant time (Eisenbud et al.,
//	            "Maglev: a fast and reliable software network load balancer",
//	            NSDI 2016, §3.4)
//	Rendezvous  the highest weighted score wins (Thaler and Ravishankar, "A
//	            name-based mapping scheme for rendezvous", 1996; weights as in
//	            Schindelhauer and Schomaker, "Weighted distributed hash tables", 2005):
//	            the fewest keys move, at the cost of looking at every host
//	Capacity    how many requests a host may have before its keys go elsewhere
//	            (Mirrokni, Thorup and Zadimoghaddam, "Consistent hashing with
//	            bounded loads", SODA 2018)
//
// Hashes depend on nothing but their input: several proxies, and one proxy before
// and after a restart, send a key to the same host. Everything here is pure
// computing and, once built, immutable: safe for concurrent use.
package hashing

// A Node is a host that keys are sent to.
type Node struct {
	// ID names the host: [Sum] of its address. Positions do not matter.
	ID uint64
	// Weight is the host's share of the keys relative to the others', above 0.
	Weight float64
}
