// Package address holds sets of network addresses: built once, never changed,
// read by any number of goroutines without a lock or an allocation.
//
//	Set       up to a million ranges; Contains and Match
//	Builder   collects ranges and makes a Set
//	Parse     reads the list files that people publish (parse.go)
//	Decide    allow against deny, over any number of sets (decide.go)
//	Client    what counts as one client: an IPv4 address, an IPv6 /64 (client.go)
//
// # What is the same address
//
// An IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2) is the IPv4 address in it,
// in sets and in questions alike, so that a client cannot choose between two
// spellings. A zone (RFC 4007) is local to the machine that names it: it is
// ignored in a question and refused in a list. An IPv6 range speaks of IPv6
// clients only: ::/0 contains no IPv4 address.
package address

import (
	"net/netip"

	"github.com/gaissmai/bart"
)

// A Set is an immutable set of address ranges. The zero value and nil are the
// empty set. It is safe for concurrent use.
type Set struct {
	table *bart.Lite
	size  int
}

// Contains reports whether a range of the set covers ip. It costs some tens of
// nanoseconds whatever the size of the set, and allocates nothing. An invalid
// ip is in no set.
func (s *Set) Contains(ip netip.Addr) bool {
	if s == nil || s.table == nil {
		return false
	}
	return s.table.Contains(ip.Unmap())
}

// Match returns the length in bits of the longest prefix of the set that covers
// ip, on the scale of ip's own family (0 to 32, 0 to 128). It costs more than
// Contains: ask for it where two sets are weighed against each other.
func (s *Set) Match(ip netip.Addr) (bits int, ok bool) {
	if s == nil || s.table == nil || !ip.IsValid() {
		return 0, false
	}
	ip = ip.Unmap().WithZone("")
	prefix, ok := s.table.LookupPrefixLPM(netip.PrefixFrom(ip, ip.BitLen()))
	return prefix.Bits(), ok
}

// Len returns the number of distinct ranges. A range written as `a-b` counts as
// the CIDR blocks it consists of.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	return s.size
}

// All yields the ranges in the order of their addresses, IPv4 first.
func (s *Set) All() func(yield func(netip.Prefix) bool) {
	if s == nil || s.table == nil {
		return func(func(netip.Prefix) bool) {}
	}
	return s.table.AllSorted()
}

// A Builder collects ranges. The zero value is ready; it is not safe for
// concurrent use.
type Builder struct {
	table *bart.Lite
}

// Add adds a range. Host bits are cut off, and a range within ::ffff:0:0/96
// becomes the IPv4 range that it maps. An invalid prefix adds nothing.
func (b *Builder) Add(prefix netip.Prefix) {
	if !prefix.IsValid() {
		return
	}
	if b.table == nil {
		b.table = new(bart.Lite)
	}
	b.table.Insert(normal(prefix))
}

// Len returns the number of distinct ranges added so far.
func (b *Builder) Len() int {
	if b.table == nil {
		return 0
	}
	return b.table.Size()
}

// Set returns what was added, and leaves the Builder empty.
func (b *Builder) Set() *Set {
	s := &Set{table: b.table, size: b.Len()}
	b.table = nil
	return s
}

// Of makes a set of ranges written as in a configuration: see ParseRange. The
// error names the range that is wrong.
func Of(ranges ...string) (*Set, error) {
	var b Builder
	for _, text := range ranges {
		prefixes, err := ParseRange(text)
		if err != nil {
			return nil, err
		}
		for _, p := range prefixes {
			b.Add(p)
		}
	}
	return b.Set(), nil
}

// mappedBits is the length of ::ffff:0:0/96, below which IPv4-mapped addresses
// live (RFC 4291 §2.5.5.2).
const mappedBits = 96

func normal(p netip.Prefix) netip.Prefix {
	if addr := p.Addr(); addr.Is4In6() && p.Bits() >= mappedBits {
		p = netip.PrefixFrom(addr.Unmap(), p.Bits()-mappedBits)
	}
	return p.Masked()
}
