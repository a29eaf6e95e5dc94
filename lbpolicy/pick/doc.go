// Package pick chooses one of several upstream hosts.
//
//	LeastTime     the host that is expected to answer first
//	LeastRequest  the host with the fewest requests in flight for its weight
//	Random        by chance, in proportion to the weights
//	Turns         in turn, in proportion to the weights, evenly spread
//
// One proxy sees all its own requests in flight, and its pools are small, so up
// to [FullScan] candidates are all looked at; above that, as many as were asked
// for are drawn by their weights, without replacement and without bias ("the power of
// two choices", Mitzenmacher, IEEE TPDS 12(10), 2001). Ties are broken by chance: otherwise
// an idle pool would send everything to its first host.
//
// Callers offer only candidates that may be chosen, with a weight above 0: who
// is down, full, drained or ejected is left out before. Everything here is pure
// computing; chance comes from a [rand.Source] and the time as a clock reading.
// Nothing here allocates.
package pick

import "math/rand/v2"

// A Candidate is a host that may be chosen.
type Candidate struct {
	// RIF is how many requests are in flight on the host.
	RIF int
	// Weight is the host's capacity relative to the others', above 0.
	Weight float64
}

// FullScan is the largest number of candidates that are all looked at.
const FullScan = 16

// unit is a random number in [0, 1).
func unit(rng rand.Source) float64 { return float64(rng.Uint64()>>11) / (1 << 53) }

// below is a random number in [0, n), n > 0, without bias that matters: n is
// the size of a pool.
func below(rng rand.Source, n int) int {
	return int((rng.Uint64() >> 32) * uint64(n) >> 32) //nolint:gosec // n is small
}
