package bots

import (
	"net/netip"
	"sync"
	"time"

	"github.com/caddy-portico/portico/filter/address"
)

// How long an answer of DNS serves before it is asked again.
const (
	verifiedFor = 24 * time.Hour
	impostorFor = time.Hour
	failedFor   = time.Minute
	// failuresMost is how often DNS may fail to say who a client is, while it
	// answers for others, before the client is taken for an Impostor: who owns
	// an address also runs the servers that name it, and could stay unknown for
	// ever by letting them fail.
	failuresMost = 3
)

// A cache remembers verdicts from DNS, a bounded number of them.
type cache struct {
	most int

	mu       sync.Mutex // guards what follows
	entries  map[cacheKey]*entry
	answered time.Time // when DNS last answered anything
}

// A verified address stands for itself. What is false or unknown stands for the
// client (address.Client): the addresses of a /64 are free to whoever has it,
// and each would otherwise cost a look-up of its own.
type cacheKey struct {
	crawler string
	client  netip.Prefix
}

type entry struct {
	verdict  Verdict
	until    time.Time
	asking   bool
	failures int       // in a row
	failing  time.Time // since when
}

func newCache(most int) *cache {
	return &cache{most: most, entries: map[cacheKey]*entry{}}
}

func exactly(ip netip.Addr) netip.Prefix { return netip.PrefixFrom(ip, ip.BitLen()) }

// get returns the verdict for a claim, Pending if there is none, and whether
// the caller must ask DNS and then call put or release.
func (c *cache) get(crawler string, ip netip.Addr, now time.Time) (verdict Verdict, ask bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[cacheKey{crawler, exactly(ip)}]
	if e == nil || e.verdict != Verified {
		e = c.entries[cacheKey{crawler, address.Client(ip)}]
	}
	if e == nil {
		e = &entry{verdict: Pending}
		c.add(cacheKey{crawler, address.Client(ip)}, e)
	}
	if e.asking || now.Before(e.until) {
		return e.verdict, false
	}
	e.asking = true
	return e.verdict, true
}

// release ends an asking that did not take place.
func (c *cache) release(crawler string, ip netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range []netip.Prefix{exactly(ip), address.Client(ip)} {
		if e := c.entries[cacheKey{crawler, p}]; e != nil {
			e.asking = false
		}
	}
}

// put remembers what DNS said.
func (c *cache) put(crawler string, ip netip.Addr, verdict Verdict, answered bool, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	exact, client := cacheKey{crawler, exactly(ip)}, cacheKey{crawler, address.Client(ip)}
	switch {
	case !answered:
		c.fail(exact, client, now)
		return
	case verdict == Verified:
		delete(c.entries, client)
		c.add(exact, &entry{verdict: Verified, until: now.Add(verifiedFor)})
	default:
		delete(c.entries, exact)
		c.add(client, &entry{verdict: verdict, until: now.Add(impostorFor)})
	}
	c.answered = now
}

// fail keeps what was known, for a short while.
func (c *cache) fail(exact, client cacheKey, now time.Time) {
	e := c.entries[exact]
	if e == nil {
		e = c.entries[client]
	}
	if e == nil { // evicted meanwhile
		e = &entry{verdict: Pending}
		c.add(client, e)
	}
	if e.failures == 0 {
		e.failing = now
	}
	e.failures++
	e.asking, e.until = false, now.Add(failedFor)
	if e.verdict == Pending && e.failures >= failuresMost && c.answered.After(e.failing) {
		e.verdict, e.until = Impostor, now.Add(impostorFor)
	}
}

// add makes room if there is none, by forgetting the entry that ends first of a
// few: Go ranges over a map from a random place.
func (c *cache) add(key cacheKey, e *entry) {
	if _, replaces := c.entries[key]; !replaces && len(c.entries) >= c.most {
		const sample = 8
		var victim cacheKey
		var first *entry
		n := 0
		for k, candidate := range c.entries {
			if first == nil || candidate.until.Before(first.until) {
				victim, first = k, candidate
			}
			if n++; n == sample {
				break
			}
		}
		delete(c.entries, victim)
	}
	c.entries[key] = e
}

func (c *cache) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.entries)
}
