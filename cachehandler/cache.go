package cachehandler

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddy-portico/portico/cachehandler/store"
)

// cache is what one store shares between all handlers and configurations that
// use it: the tier, the fetches on their way and what is known not to be
// storable.
type cache struct {
	storeID
	tier    store.Tier
	flights flights
	passes  passMemory
	parts   [64]sync.Mutex // held, by key, while parts are put together

	invalidated invalidations
	variations  variations
	posted      atomic.Int64 // bytes of answers to POST on their way into the tier

	// The configurations that use the cache, oldest first, by their modules.
	users struct {
		sync.Mutex
		modules []TierModule
	}

	complaints struct {
		sync.Mutex
		last map[string]time.Time // by operation
	}
}

func newCache(id storeID, tier store.Tier) *cache {
	c := &cache{storeID: id, tier: tier}
	c.complaints.last = make(map[string]time.Time)
	c.flights.init()
	c.passes.init()
	c.invalidated.init()
	c.variations.init()
	return c
}

// Destruct implements caddy.Destructor.
func (c *cache) Destruct() error { return c.tier.Close() }

// use notes a configuration that uses the cache.
func (c *cache) use(m TierModule) {
	c.users.Lock()
	defer c.users.Unlock()
	c.users.modules = append(c.users.modules, m)
}

// release ends that, and gives the tier the options of the newest
// configuration that is left.
func (c *cache) release(m TierModule) error {
	c.users.Lock()
	defer c.users.Unlock()
	c.users.modules = slices.DeleteFunc(c.users.modules, func(other TierModule) bool { return other == m })
	if len(c.users.modules) == 0 {
		return nil
	}
	return c.users.modules[len(c.users.modules)-1].Apply(c.tier)
}

// drop drops every variant of a key, and keeps what is being fetched for it from
// being stored: it may be from before a change.
func (c *cache) drop(ctx context.Context, key string) {
	c.flights.outdate(key)
	// A tier that does not answer now does not answer Get either.
	_, _ = c.tier.RemoveKey(ctx, key)
}

// invalidate drops all there is for a URI (RFC 9111 §4.4), by the key of a GET of
// it: the responses under that key, those under keys with other parts, answers to
// QUERY, and those for other URIs that are equivalent.
func (c *cache) invalidate(ctx context.Context, key []byte, ends keyEnds) {
	c.invalidateKey(ctx, key, ends)
	for _, e := range c.equivalents(key, ends) {
		c.invalidateKey(ctx, e.key, e.ends)
	}
}

func (c *cache) invalidateKey(ctx context.Context, key []byte, ends keyEnds) {
	c.invalidated.mark(key, ends)
	c.drop(ctx, string(key))
	if ends.query < len(key) {
		c.drop(ctx, string(key[:ends.query]))
	}
}

// complainEvery is how often a failing operation is worth a line in the log.
const complainEvery = time.Minute

// complain reports whether a failure of an operation is to be logged.
func (c *cache) complain(operation string) bool {
	c.complaints.Lock()
	defer c.complaints.Unlock()
	now := time.Now()
	if now.Sub(c.complaints.last[operation]) < complainEvery {
		return false
	}
	c.complaints.last[operation] = now
	return true
}
