package address

import "net/netip"

// A Matcher is a set, or something that stands for one whose content changes
// while it is in use (a list that is fetched again every hour).
type Matcher interface {
	// Contains reports whether ip is in the set.
	Contains(ip netip.Addr) bool
	// Match returns the length of the longest prefix that covers ip.
	Match(ip netip.Addr) (bits int, ok bool)
}

// A Decision is what rules of addresses say of a client.
type Decision uint8

// The decisions.
const (
	Unlisted Decision = iota // no rule covers the client
	Allowed
	Denied
)

// String returns the decision in lower case, as logs and metrics have it.
func (d Decision) String() string {
	return [...]string{"unlisted", "allowed", "denied"}[d]
}

// Rules are the ranges to allow and those to deny. The longest prefix decides:
// 192.0.2.7 allowed inside 192.0.2.0/24 denied is allowed, and 192.0.2.0/28
// denied inside 192.0.2.0/24 allowed is denied. Where both sides name the same
// range, it is allowed. A range written as `a-b` weighs as the CIDR blocks it
// consists of.
//
// Allow and deny stay separate sets instead of one table with values, because
// each list changes at its own time: a new copy of one never makes it necessary
// to build the others again.
type Rules struct {
	Allow, Deny []Matcher
}

// Decide returns the decision for ip. A client that no list names, by far the
// most of them, costs one Contains for each list.
func (r Rules) Decide(ip netip.Addr) Decision {
	denied, allowed := contains(r.Deny, ip), contains(r.Allow, ip)
	switch {
	case denied && allowed && longest(r.Deny, ip) <= longest(r.Allow, ip):
		return Allowed
	case denied:
		return Denied
	case allowed:
		return Allowed
	}
	return Unlisted
}

func contains(sets []Matcher, ip netip.Addr) bool {
	for _, s := range sets {
		if s.Contains(ip) {
			return true
		}
	}
	return false
}

func longest(sets []Matcher, ip netip.Addr) int {
	best := -1
	for _, s := range sets {
		if bits, ok := s.Match(ip); ok {
			best = max(best, bits)
		}
	}
	return best
}
