package ban

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/caddy-portico/portico/filter/rate"
)

// A Policy says when a client is banned and for how long: after so many strikes
// (blocked requests) within a time, for a duration that doubles with each repeat
// up to a longest one.
type Policy struct {
	After  int           // strikes; 1 bans at the first
	Within time.Duration // in any window as long as this
	For    time.Duration // the first ban
	UpTo   time.Duration // the longest; 0 is For: no escalation
}

// Validate returns an error that names the first value out of its range.
func (p Policy) Validate() error {
	switch {
	case p.After < 1:
		return fmt.Errorf("after must be 1 or more, not %d", p.After)
	case p.For < time.Second || p.For > maxBan:
		return fmt.Errorf("for must be between 1s and 10 years, not %v", p.For)
	case p.UpTo != 0 && p.UpTo < p.For:
		return errors.New("up to must not be shorter than for")
	case p.UpTo > maxBan:
		return errors.New("up to must not be longer than 10 years")
	}
	if err := (rate.Policy{Limit: p.After, Window: p.Within}).Validate(); err != nil {
		return fmt.Errorf("after … in …: %w", err)
	}
	return nil
}

const maxBan = 10 * 366 * 24 * time.Hour

// Duration is how long a ban of a level lasts: For, doubled level times.
func (p Policy) Duration(level int) time.Duration {
	d, longest := p.For, max(p.For, p.UpTo)
	for range level {
		if d >= longest-d {
			return longest
		}
		d *= 2
	}
	return d
}

// top is the level from which on bans do not get longer.
func (p Policy) top() int {
	level := 0
	for p.Duration(level) < p.Duration(level+1) {
		level++
	}
	return level
}

// Strikes counts the blocked requests of clients and bans those that have too
// many. It is the state of one policy; several may write to one ledger.
type Strikes struct {
	policy Policy
	top    int
	ledger *Ledger
	counts *rate.Limiter
}

// strikesBytes bounds the memory of the counts.
const strikesBytes = 16 << 20

// NewStrikes counts for a ledger.
func NewStrikes(l *Ledger, p Policy, now time.Time) (*Strikes, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	counts, err := rate.New(rate.Config{
		Policy:   rate.Policy{Limit: p.After, Window: p.Within},
		MaxBytes: strikesBytes,
	}, now)
	if err != nil {
		return nil, err
	}
	return &Strikes{policy: p, top: p.top(), ledger: l, counts: counts}, nil
}

// Policy returns what the Strikes were made with.
func (s *Strikes) Policy() Policy { return s.policy }

// Client is the range that stands for a client in automatic bans: an IPv4
// address, and of IPv6 the /64 that a single customer has at least.
func Client(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	length := 64
	if addr.Is4() {
		length = 32
	}
	p, _ := addr.Prefix(length)
	return p
}

// Strike counts a blocked request of a client, and bans it if it is the last one
// allowed: the After-th within Within. The client then begins anew. The ban is
// returned once, to the request that caused it; a client that is banned already
// is not counted.
func (s *Strikes) Strike(addr netip.Addr, reason string, now time.Time) (Ban, bool) {
	p := Client(addr)
	if !p.IsValid() {
		return Ban{}, false
	}
	if _, banned := s.ledger.Lookup(addr, now); banned {
		return Ban{}, false
	}
	key := p.Addr().As16()
	if r := s.counts.TakeBytes(key[:], now); r.Remaining > 0 || !r.Allowed {
		return Ban{}, false
	}
	s.counts.ForgetBytes(key[:])
	return s.ledger.repeat(p, s, reason, now)
}

// repeat sets an automatic ban, one level above what is left of the last one.
func (l *Ledger) repeat(p netip.Prefix, s *Strikes, reason string, now time.Time) (Ban, bool) {
	l.writing.Lock()
	defer l.writing.Unlock()
	if e := l.get(p); e != nil && now.UnixNano() < e.until {
		return Ban{}, false
	}
	level := min(l.history.next(p, now), s.top)
	d := s.policy.Duration(level)
	b := Ban{
		Prefix: p, From: wall(now), Until: wall(now).Add(d), Reason: reason,
		Automatic: true, Level: level,
	}
	l.set(b, now)
	l.history.note(b, now)
	l.tell(func(o Observer) { o.Banned(b) })
	return b, true
}
