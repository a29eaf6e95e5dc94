package policy

import "math/bits"

// fewestGhosts and ghostsPerEntry are the size of the memory for what had to
// go. It is 8 bytes a slot.
const (
	fewestGhosts   = 32 << 10
	ghostsPerEntry = 4
)

// ghosts remembers the frequencies of evicted entries, by ID. Each ID has one
// slot, at its leading bits, and a newer ghost takes it from an older one: so
// they are forgotten at about the pace at which entries are evicted. A slot is
// an ID whose low byte is replaced by the frequency; 0 is an empty one.
type ghosts struct{ slots []uint64 }

// bury remembers an evicted entry. entries is how many there are, for the size.
func (g *ghosts) bury(id uint64, freq int64, entries int) {
	if want := max(fewestGhosts, ghostsPerEntry*entries); len(g.slots) < want {
		g.grow(want)
	}
	g.slots[g.index(id)] = id&^0xff | uint64(freq)
}

// raise returns the frequency an entry had when it was buried, and forgets it;
// 0 if it is not known.
func (g *ghosts) raise(id uint64) int64 {
	if len(g.slots) == 0 {
		return 0
	}
	slot := &g.slots[g.index(id)]
	if *slot&^0xff != id&^0xff {
		return 0
	}
	freq := *slot & 0xff
	*slot = 0
	return int64(freq)
}

func (g *ghosts) index(id uint64) uint64 {
	return id >> (64 - bits.TrailingZeros(uint(len(g.slots))))
}

// grow makes the slots a power of two that is at least n.
func (g *ghosts) grow(n int) {
	former := g.slots
	g.slots = make([]uint64, 1<<bits.Len(uint(n-1)))
	for _, slot := range former {
		if slot != 0 {
			g.slots[g.index(slot)] = slot
		}
	}
}
