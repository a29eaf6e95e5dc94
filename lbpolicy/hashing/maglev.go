package hashing

import (
	"cmp"
	"slices"
)

// maglevSize is the number of entries of the table: a prime, at least a
// hundred times the number of hosts for shares within a percent (NSDI 2016, §5.3).
const maglevSize = 65537

// Maglev is a table that gives each node entries in proportion to its weight.
type Maglev struct {
	nodes []Node
	table []uint16
}

// MaxNodes is how many nodes a table can hold.
const MaxNodes = 1 << 12

// NewMaglev builds a table, which takes milliseconds: build one when hosts come
// or go for good, and use accept for those that are away for a while. It is nil
// if there are no nodes or more than [MaxNodes].
func NewMaglev(nodes []Node) *Maglev {
	if len(nodes) == 0 || len(nodes) > MaxNodes {
		return nil
	}
	m := &Maglev{nodes: append([]Node(nil), nodes...), table: make([]uint16, maglevSize)}
	fill(m.table, m.nodes)
	return m
}

// Pick returns the index of the node for a key (a [Sum]) among those that accept
// says may be chosen, or -1 if there are none. accept may be nil. The keys of a
// node that is not accepted go to others as by [Rendezvous].
func (m *Maglev) Pick(key uint64, accept func(int) bool) int {
	i := int(m.table[key%maglevSize])
	if accept == nil || accept(i) {
		return i
	}
	return Rendezvous(m.nodes).Pick(key, accept)
}

// fill lets the nodes take turns in taking the next free entry of their own
// permutation of the table, until it is full. A node earns its weight each
// round and takes an entry when it can pay, so shares follow weights. Turns go
// by ID: two proxies that list the same hosts in another order agree.
func fill(table []uint16, nodes []Node) {
	const free = 1<<16 - 1
	for i := range table {
		table[i] = free
	}
	heaviest := 0.0
	order := make([]int, len(nodes))
	perms := make([]permutation, len(nodes))
	for i, n := range nodes {
		heaviest = max(heaviest, n.Weight)
		order[i], perms[i] = i, newPermutation(n.ID)
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(nodes[a].ID, nodes[b].ID) })
	credits := make([]float64, len(nodes))
	for left := len(table); ; {
		for _, i := range order {
			if credits[i] += nodes[i].Weight / heaviest; credits[i] < 1 {
				continue
			}
			credits[i]--
			at := perms[i].next()
			for table[at] != free {
				at = perms[i].next()
			}
			table[at] = uint16(i)
			if left--; left == 0 {
				return
			}
		}
	}
}

// A permutation visits every entry of the table once: the size is prime.
type permutation struct{ at, skip uint64 }

func newPermutation(id uint64) permutation {
	return permutation{
		at:   mix(id^0x9e3779b97f4a7c15) % maglevSize,
		skip: mix(id^0xbf58476d1ce4e5b9)%(maglevSize-1) + 1,
	}
}

func (p *permutation) next() uint64 {
	at := p.at
	p.at = (p.at + p.skip) % maglevSize
	return at
}
