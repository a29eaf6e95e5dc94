package cachehandler

import (
	"hash/maphash"
	"math/rand/v2"
	"sync/atomic"
)

// generations count what was invalidated, so that everything stored for a URI
// under keys nobody can list goes at once: such keys contain the generation
// they were made in, and later requests have another. What is out of reach is
// evicted when its time comes.
//
// It is a table of fixed size in which a URI has one slot, so it costs 32 KiB
// whatever the traffic; URIs that share a slot go together. It begins at random:
// what outlives the process in a store is not taken for what is current.
type generations struct {
	seed  maphash.Seed
	slots [1 << 12]atomic.Uint64
}

func (g *generations) init() {
	g.seed = maphash.MakeSeed()
	for i := range g.slots {
		g.slots[i].Store(rand.Uint64())
	}
}

func (g *generations) of(uri []byte) uint64 {
	return g.slots[maphash.Bytes(g.seed, uri)%uint64(len(g.slots))].Load()
}

// end ends the generation of a URI.
func (g *generations) end(uri []byte) {
	g.slots[maphash.Bytes(g.seed, uri)%uint64(len(g.slots))].Add(1)
}
