package lbpolicy

import (
	"cmp"
	"slices"
	"sync"

	"github.com/caddy-portico/portico/lbpolicy/hashing"
)

// A hashTable says which upstream a key belongs to. It is built for the members
// of a pool and their weights; upstreams that are away for a while stay in it,
// and their keys come back with them.
type hashTable struct {
	members []*member
	weights []int
	nodes   []hashing.Node // of those whose weight is not 0
	index   []int          // of the nodes, into members
	maglev  *hashing.Maglev
}

// hashTables are the tables that were used last. There is more than one where
// the pools differ: those of a dynamic source, or what is left of a pool by a
// policy that this one is the guest of.
type hashTables struct {
	maglev bool
	mu     sync.RWMutex
	last   []*hashTable // the newest first; guarded by mu
}

// maxTables bounds the memory they take: a Maglev table has 128 KiB.
const maxTables = 8

// of returns the table for the members of c.
func (ts *hashTables) of(c *choice) *hashTable {
	ts.mu.RLock()
	t := ts.find(c.members)
	ts.mu.RUnlock()
	if t != nil {
		return t
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t = ts.find(c.members); t != nil {
		return t
	}
	t = newHashTable(c.members, ts.maglev)
	ts.last = slices.Insert(ts.last, 0, t)
	ts.last = ts.last[:min(len(ts.last), maxTables)]
	return t
}

func (ts *hashTables) find(members []*member) *hashTable {
	for _, t := range ts.last {
		if t.fits(members) {
			return t
		}
	}
	return nil
}

func newHashTable(members []*member, maglev bool) *hashTable {
	t := &hashTable{members: slices.Clone(members)}
	for i, m := range members {
		w := m.weightOr(m.weight)
		t.weights = append(t.weights, w)
		if w > 0 {
			t.index = append(t.index, i)
		}
	}
	// Whatever the order of the upstreams is, the table is the same.
	slices.SortFunc(t.index, func(a, b int) int { return cmp.Compare(members[a].id, members[b].id) })
	for _, i := range t.index {
		t.nodes = append(t.nodes, hashing.Node{ID: members[i].id, Weight: float64(t.weights[i])})
	}
	if maglev {
		t.maglev = hashing.NewMaglev(t.nodes)
	}
	return t
}

func (t *hashTable) fits(members []*member) bool {
	if len(t.members) != len(members) {
		return false
	}
	for i, m := range members {
		if t.members[i] != m || t.weights[i] != m.weightOr(m.weight) {
			return false
		}
	}
	return true
}

// pick returns the index in c.pool of the upstream for a key: its own, or the
// next in the key's order that is a candidate and has room.
func (t *hashTable) pick(key uint64, c *choice, bound float64) int {
	if i := t.pickBelow(key, c, bound); i >= 0 || bound == 0 {
		return i
	}
	return t.pickBelow(key, c, 0)
}

func (t *hashTable) pickBelow(key uint64, c *choice, bound float64) int {
	total, sum := c.load()
	accept := func(n int) bool {
		k := slices.Index(c.index, t.index[n])
		if k < 0 {
			return false
		}
		one := c.candidates[k]
		return bound == 0 || one.RIF < hashing.Capacity(bound, total, one.Weight, sum)
	}
	var n int
	if t.maglev != nil {
		n = t.maglev.Pick(key, accept)
	} else {
		n = hashing.Rendezvous(t.nodes).Pick(key, accept)
	}
	if n < 0 {
		return -1
	}
	return t.index[n]
}
