package lbpolicy

import (
	"cmp"
	"slices"
	"sync"

	"github.com/caddy-portico/portico/lbpolicy/hashing"
	"github.com/caddy-portico/portico/lbpolicy/pick"
)

// A hashTable says which upstream a key belongs to. It is built for the members
// of a pool and their weights; upstreams that are away for a while stay in it,
// and their keys come back with them.
type hashTable struct {
	members []*member
	weights []int
	nodes   []hashing.Node // of those whose weight is not 0
	owners  []*member      // of the nodes
	maglev  *hashing.Maglev
}

// hashTables are the tables that were used last. There is more than one where
// the pools differ: those of a dynamic source, or what is left of such a pool by a
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
	members := wholePool(c)
	ts.mu.RLock()
	t := ts.find(members)
	ts.mu.RUnlock()
	if t != nil {
		return t
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t = ts.find(members); t != nil {
		return t
	}
	t = newHashTable(members, ts.maglev)
	ts.last = slices.Insert(ts.last, 0, t)
	ts.last = ts.last[:min(len(ts.last), maxTables)]
	return t
}

// wholePool is the configured pool, also where another policy leaves only a part of it:
// what it leaves out now may be back with the next request, and its keys should be
// as well. A table for each part would also cost milliseconds whenever an upstream
// gets full.
func wholePool(c *choice) []*member {
	if h := c.balancer.tap.handler; h != nil && h.DynamicUpstreams == nil {
		return c.balancer.members.fixed
	}
	return c.members
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
	var order []int
	for i, m := range members {
		t.weights = append(t.weights, m.weightOr(m.weight))
		if t.weights[i] > 0 {
			order = append(order, i)
		}
	}
	// Whatever the order of the upstreams is, the table is the same.
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(members[a].id, members[b].id) })
	for _, i := range order {
		t.nodes = append(t.nodes, hashing.Node{ID: members[i].id, Weight: float64(t.weights[i])})
		t.owners = append(t.owners, members[i])
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
// next in the key's order that is a candidate and has room. If none has, the load
// is not bounded; if all that are left are starting slowly, they do not.
func (t *hashTable) pick(key uint64, c *choice, bound float64) int {
	warm := func(one pick.Candidate, full float64) bool { return hashing.Within(key, one.Weight/full) }
	if bound > 0 {
		total, sum := c.load()
		i := t.pickWhere(key, c, func(one pick.Candidate, full float64) bool {
			return one.RIF < hashing.Capacity(bound, total, one.Weight, sum) && warm(one, full)
		})
		if i >= 0 {
			return i
		}
	}
	if i := t.pickWhere(key, c, warm); i >= 0 {
		return i
	}
	return t.pickWhere(key, c, func(pick.Candidate, float64) bool { return true })
}

// pickWhere asks accept about each candidate in the key's order; full is its weight
// when it does not start slowly.
func (t *hashTable) pickWhere(key uint64, c *choice, accept func(one pick.Candidate, full float64) bool) int {
	candidate := func(n int) int {
		return slices.IndexFunc(c.index, func(i int) bool { return c.members[i] == t.owners[n] })
	}
	accepts := func(n int) bool {
		k := candidate(n)
		return k >= 0 && accept(c.candidates[k], t.nodes[n].Weight)
	}
	var n int
	if t.maglev != nil {
		n = t.maglev.Pick(key, accepts)
	} else {
		n = hashing.Rendezvous(t.nodes).Pick(key, accepts)
	}
	if n < 0 {
		return -1
	}
	return c.at(candidate(n))
}
