package bots

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-portico/portico/filter/address"
)

// A Verdict is what is known of a claim to be a crawler. A greater one is
// graver.
type Verdict uint8

// The verdicts.
const (
	NoClaim  Verdict = iota // declares no crawler that can be verified
	Verified                // is what it claims
	Pending                 // not known yet: ask again with the next request
	Impostor                // claims to be a crawler that it is not: "unverified"
)

// String returns the verdict in lower case; Impostor is "unverified", the word
// of configurations, logs and metrics.
func (v Verdict) String() string {
	return [...]string{"no_claim", "verified", "pending", Unverified}[v]
}

// A Resolver is what the Verifier asks; a *net.Resolver is one.
type Resolver interface {
	LookupAddr(ctx context.Context, addr string) (names []string, err error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Options of a Verifier. The zero value is ready.
type Options struct {
	Resolver Resolver // default: net.DefaultResolver
	// Ranges returns the published ranges of a URL of Verification.Ranges, or
	// nil while they are not loaded; default: none are known, and only
	// domains verify. It is called for each request with a claim: a look-up in
	// a map, no work.
	Ranges  func(url string) *address.Set
	Entries int           // of the cache; default 16384
	Lookups int           // under way at once; default 32
	Timeout time.Duration // of the look-ups of one claim; default 5s
	Log     *zap.Logger   // default: none
}

// A Verifier finds out who tells the truth. It is safe for concurrent use.
//
// A client within the published ranges of the crawler is Verified at once. One
// outside of them is an Impostor, unless there is a second way: ranges are
// published later than used. That way is forward-confirmed reverse DNS: the
// name of the address lies in a domain of the crawler's owner, and the name
// leads back to the address. (The first half alone proves nothing: everybody
// names their own addresses.)
//
// DNS is asked in the background; until it has answered the verdict is Pending.
// What it said is remembered, and asked again while the old answer serves.
type Verifier struct {
	opts   Options
	cache  *cache
	ctx    context.Context
	cancel context.CancelFunc
	slots  chan struct{} // one for each look-up under way
	done   sync.WaitGroup
}

// NewVerifier makes a Verifier. Destruct ends it.
func NewVerifier(opts Options) *Verifier {
	const entries, lookups, timeout = 16384, 32, 5 * time.Second
	if opts.Resolver == nil {
		opts.Resolver = net.DefaultResolver
	}
	if opts.Entries <= 0 {
		opts.Entries = entries
	}
	if opts.Lookups <= 0 {
		opts.Lookups = lookups
	}
	if opts.Timeout <= 0 {
		opts.Timeout = timeout
	}
	if opts.Log == nil {
		opts.Log = zap.NewNop()
	}
	v := &Verifier{opts: opts, cache: newCache(opts.Entries), slots: make(chan struct{}, opts.Lookups)}
	v.ctx, v.cancel = context.WithCancel(context.Background())
	return v
}

// Verdict judges all claims of a match: the gravest counts, so that one false
// claim makes an Impostor. It never waits.
func (v *Verifier) Verdict(m Match, ip netip.Addr) Verdict {
	verdict := NoClaim
	if m.groups == 0 {
		return verdict
	}
	ip = ip.Unmap().WithZone("")
	for c := range m.Each {
		if c.Verify.Possible() {
			verdict = max(verdict, v.judge(c, ip))
		}
	}
	return verdict
}

// Destruct ends the look-ups under way and waits for them.
func (v *Verifier) Destruct() error {
	v.cancel()
	v.done.Wait()
	return nil
}

func (v *Verifier) judge(c *Crawler, ip netip.Addr) Verdict {
	published := len(c.Verify.Ranges) > 0 && v.opts.Ranges != nil
	if published {
		inside, loaded := v.within(c.Verify.Ranges, ip)
		if inside {
			return Verified
		}
		if len(c.Verify.Domains) == 0 && !loaded {
			return Pending
		}
	}
	switch {
	case len(c.Verify.Domains) > 0:
		return v.confirmed(c, ip)
	case published:
		return Impostor
	}
	return NoClaim // cannot be verified here
}

// within reports whether one of the ranges has ip, and whether all are loaded.
func (v *Verifier) within(urls []string, ip netip.Addr) (inside, loaded bool) {
	loaded = true
	for _, url := range urls {
		set := v.opts.Ranges(url)
		if set.Contains(ip) {
			return true, true
		}
		loaded = loaded && set.Len() > 0
	}
	return false, loaded
}

// confirmed returns what is known from DNS, and has it asked when that is
// nothing or old. When too many look-ups are under way, a later request tries
// again.
func (v *Verifier) confirmed(c *Crawler, ip netip.Addr) Verdict {
	verdict, ask := v.cache.get(c.Name, ip, time.Now())
	if !ask || v.ctx.Err() != nil {
		return verdict
	}
	select {
	case v.slots <- struct{}{}:
	default:
		v.cache.release(c.Name, ip)
		return verdict
	}
	v.done.Go(func() {
		defer func() { <-v.slots }()
		found, answered := v.lookUp(c, ip)
		v.cache.put(c.Name, ip, found, answered, time.Now())
		if c := v.opts.Log.Check(zap.DebugLevel, "crawler looked up"); c != nil {
			c.Write(zap.Stringer("client", ip), zap.Stringer("verdict", found), zap.Bool("answered", answered))
		}
	})
	return verdict
}
