package lbpolicy

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// upstreams are the upstreams in use, by address: a new configuration takes
// them over from the old one before that lets go, so what is known of them
// outlives a reload. Those that are configured are held by the policies, those
// from a dynamic source by discovered.
var upstreams = caddy.NewUsagePool()

// acquire returns what is known of the upstream at address, and whether anything
// was. Every acquire needs its release.
func acquire(address string) (u *upstream, known bool) {
	value, known, err := upstreams.LoadOrNew(address, func() (caddy.Destructor, error) {
		return newUpstream(address), nil
	})
	if err != nil { // the constructor returns none
		panic(err)
	}
	return value.(*upstream), known
}

// release lets go of an upstream. It is forgotten with the last one.
func release(address string) {
	_, _ = upstreams.Delete(address) // an upstream has nothing to close
}

// eachUpstream calls f for every upstream in use.
func eachUpstream(f func(*upstream)) {
	upstreams.Range(func(_, value any) bool {
		f(value.(*upstream))
		return true
	})
}

// lookUp returns the upstream that is in use and that somebody means by an address,
// which may be written as in the configuration, such as https://app1.
func lookUp(written string) (found *upstream) {
	upstreams.Range(func(key, value any) bool {
		u := value.(*upstream)
		if key == written || found == nil && sameAddress(written, u.address) {
			found = u
		}
		return key != written
	})
	return found
}

// forgetAfter is how long an upstream of a dynamic source is remembered after
// it was last offered.
const forgetAfter = 10 * time.Minute

// discovered are the upstreams of dynamic sources. No configuration lists them,
// so they are kept for a while after they were last seen.
var discovered = &discovery{known: make(map[string]*sighting)}

type discovery struct {
	mu       sync.RWMutex
	known    map[string]*sighting // guarded by mu
	sweeping bool                 // a timer is set; guarded by mu
}

// A sighting is one upstream of a dynamic source.
type sighting struct {
	*upstream
	seen atomic.Int64 // on the clock, in seconds
}

// find returns the upstream at address and notes that it was seen.
func (d *discovery) find(address string, now time.Duration) *upstream {
	d.mu.RLock()
	s := d.known[address]
	if s != nil {
		if n := int64(now.Seconds()); s.seen.Load() != n {
			s.seen.Store(n)
		}
		d.mu.RUnlock()
		return s.upstream
	}
	d.mu.RUnlock()
	return d.add(address, now)
}

func (d *discovery) add(address string, now time.Duration) *upstream {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.known[address]
	if s == nil {
		u, _ := acquire(address)
		s = &sighting{upstream: u}
		d.known[address] = s
	}
	s.seen.Store(int64(now.Seconds()))
	if !d.sweeping {
		d.sweeping = true
		time.AfterFunc(forgetAfter/2, d.sweep)
	}
	return s.upstream
}

// sweep forgets the upstreams that were not seen for a while, and comes back
// for those that are left.
func (d *discovery) sweep() {
	d.mu.Lock()
	defer d.mu.Unlock()
	oldest := int64((clock() - forgetAfter).Seconds())
	for address, s := range d.known {
		if s.seen.Load() <= oldest && !s.busy() {
			delete(d.known, address)
			release(address)
		}
	}
	d.sweeping = len(d.known) > 0
	if d.sweeping {
		time.AfterFunc(forgetAfter/2, d.sweep)
	}
}
