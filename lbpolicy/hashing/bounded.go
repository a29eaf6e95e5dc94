package hashing

import "math"

// Capacity is how many requests a node of some weight may have in flight when
// total are in flight on all nodes and one more comes: ⌈factor·(total+1)·weight/sum⌉,
// the bound of consistent hashing with bounded loads. A node accepts while it has
// fewer. factor must be above 1: 1.25 spreads a hot key widely, 2 keeps more keys at home.
func Capacity(factor float64, total int, weight, sum float64) int {
	return int(math.Ceil(factor * float64(total+1) * weight / sum))
}

// Within reports whether a key is among the given part of all keys, which is the same
// keys always and more of them as the part grows: a node that starts slowly accepts
// those first.
func Within(key uint64, part float64) bool {
	return part >= 1 || float64(mix(key^0x94d049bb133111eb)>>11) < part*(1<<53)
}
