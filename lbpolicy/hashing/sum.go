package hashing

// Sum is a hash of s that is the same everywhere and always: FNV-1a of 64 bits
// (draft-eastlake-fnv), which is short and good at keeping inputs apart, and then
// the finaliser of MurmurHash3, because FNV alone hardly spreads the last bytes over
// the high bits.
//
// It is not keyed: who chooses keys at will can make many of them go to one
// host, as with every public hash. Bound the load where that matters.
func Sum(s string) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * prime
	}
	return mix(h)
}

// mix is the 64-bit finaliser of MurmurHash3 (A. Appleby): every input bit
// changes every output bit with a probability of one half.
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// pair is a hash of a key and a node.
func pair(key, id uint64) uint64 { return mix(key + mix(id+0x9e3779b97f4a7c15)) }
