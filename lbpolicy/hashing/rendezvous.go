package hashing

import "math"

// Rendezvous chooses by the highest score of key and node. A node that leaves
// or is not accepted gives its keys to all others in proportion to their weights, and
// no other key moves.
type Rendezvous []Node

// Pick returns the index of the node for a key (a [Sum]) among those that accept
// says may be chosen, or -1 if there are none. accept may be nil.
func (r Rendezvous) Pick(key uint64, accept func(int) bool) int {
	best, highest := -1, 0.0
	for i := range r {
		if accept != nil && !accept(i) {
			continue
		}
		if s := score(pair(key, r[i].ID), r[i].Weight); best < 0 || s > highest {
			best, highest = i, s
		}
	}
	return best
}

// score is weight / -ln(u) with u in (0, 1) from the hash: it is the highest of
// all with a probability in proportion to the weight.
func score(hash uint64, weight float64) float64 {
	u := (float64(hash>>11) + 0.5) / (1 << 53)
	return weight / -math.Log(u)
}
