package lbpolicy

import (
	"maps"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddy-portico/portico/lbpolicy/eject"
	"github.com/caddy-portico/portico/lbpolicy/hashing"
	"github.com/caddy-portico/portico/lbpolicy/pick"
)

// A member is an upstream as one policy sees it.
type member struct {
	*upstream
	weight   int                    // as configured
	draining bool                   // as configured
	ejected  *eject.Host            // nil without eject
	turn     pick.Turn              // for weighted
	id       uint64                 // for hash
	tier     int                    // for tiers
	token    atomic.Pointer[string] // for sticky, once it is known
}

// members finds the members of a pool. Caddy hands the configured pool to each
// Select as the same slice, which is recognised; those of dynamic sources are
// made anew for each request, and looked up by address.
type members struct {
	balancer *balancer
	draining []string                 // addresses, as configured
	tierOf   func(address string) int // nil: all 0

	first **reverseproxy.Upstream // of the configured pool
	fixed []*member               // parallel to it

	mu     sync.RWMutex
	found  map[string]*member // guarded by mu
	filled atomic.Bool        // found has had a whole pool: what is not there joins it
}

func (ms *members) provision(b *balancer) {
	ms.balancer = b
	ms.found = make(map[string]*member)
	h := b.tap.handler
	if h == nil || len(h.Upstreams) == 0 {
		return
	}
	ms.first = &h.Upstreams[0]
	byAddress := make(map[string]*member)
	for _, up := range h.Upstreams {
		m := byAddress[up.Dial]
		if m == nil {
			m = ms.newMember(b.tap.static[up.Dial])
			byAddress[up.Dial] = m
		}
		ms.fixed = append(ms.fixed, m)
	}
	maps.Copy(ms.found, byAddress)
}

func (ms *members) newMember(u *upstream) *member {
	b := ms.balancer
	m := &member{upstream: u, weight: b.weightOf(u.address), id: hashing.Sum(u.address)}
	for _, address := range ms.draining {
		m.draining = m.draining || sameAddress(address, u.address)
	}
	if b.outermost {
		u.configured.Store(int64(m.weight))
		u.drainedByConfig.Store(m.draining)
	}
	if ms.tierOf != nil {
		m.tier = ms.tierOf(u.address)
	}
	if b.detector != nil && b.serves(u.address) {
		m.ejected = b.detector.host(u.address)
	}
	return m
}

// of returns the members of a pool. Those of one that is not the configured
// pool are held by c.
func (ms *members) of(pool reverseproxy.UpstreamPool, c *choice) []*member {
	if len(pool) == len(ms.fixed) && len(pool) > 0 && &pool[0] == ms.first {
		return ms.fixed
	}
	c.own = c.own[:0]
	for _, up := range pool {
		c.own = append(c.own, ms.find(up.Dial, c.now))
	}
	if len(pool) > 0 && !ms.filled.Load() {
		ms.filled.Store(true)
	}
	ms.prune(pool)
	return c.own
}

func (ms *members) find(address string, now time.Duration) *member {
	u := ms.balancer.tap.find(address, now)
	ms.mu.RLock()
	m := ms.found[address]
	ms.mu.RUnlock()
	if m != nil && m.upstream == u {
		return m
	}
	ms.mu.Lock()
	defer ms.mu.Unlock()
	if m = ms.found[address]; m == nil || m.upstream != u {
		if ms.filled.Load() {
			u.warm.appear(now)
		}
		m = ms.newMember(u)
		ms.found[address] = m
	}
	return m
}

// prune forgets members that have left, when there are many of them.
func (ms *members) prune(pool reverseproxy.UpstreamPool) {
	ms.mu.RLock()
	n := len(ms.found)
	ms.mu.RUnlock()
	if n <= 2*(len(pool)+len(ms.fixed))+32 {
		return
	}
	ms.mu.Lock()
	defer ms.mu.Unlock()
	here := make(map[string]bool, len(pool))
	for _, up := range pool {
		here[up.Dial] = true
	}
	for _, m := range ms.fixed {
		here[m.address] = true
	}
	for address := range ms.found {
		if !here[address] {
			delete(ms.found, address)
			if d := ms.balancer.detector; d != nil {
				d.remove(address)
			}
		}
	}
}

// sameAddress reports whether an address as somebody writes it is that of an
// upstream. reverse_proxy takes a scheme for the port, and completes a host
// without a port, even an IPv6 address without brackets.
func sameAddress(written, dial string) bool {
	if written == dial {
		return true
	}
	defaultPort := "80"
	for scheme, port := range map[string]string{"http://": "80", "h2c://": "80", "https://": "443"} {
		if rest, ok := strings.CutPrefix(written, scheme); ok {
			written, defaultPort = rest, port
		}
	}
	if socket, ok := strings.CutPrefix(written, "unix+h2c/"); ok {
		written = "unix/" + socket
	}
	return written == dial || written+":"+defaultPort == dial || net.JoinHostPort(written, defaultPort) == dial
}

// resolve returns the address of the configured upstream that somebody means.
func (t *tap) resolve(written string) (string, bool) {
	for address := range t.static {
		if sameAddress(written, address) {
			return address, true
		}
	}
	return "", false
}
