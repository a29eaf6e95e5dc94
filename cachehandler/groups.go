package cachehandler

import (
	"context"
	"hash/maphash"
	"net/http"
	"sync/atomic"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
	"github.com/caddy-portico/portico/cachehandler/store"
)

// This file is invalidation by cache groups (RFC 9875 §3): an answer to an
// unsafe method drops what is stored of the groups it names, of its own origin
// and without cascading. What is being fetched meanwhile may be from before the
// change. Its groups are not known until its head is there; then it is looked up
// whether one of them was invalidated since the origin was asked.

// invalidateGroups does what an answer says.
func (x *exchange) invalidateGroups(h http.Header, status int) {
	groups := httpcache.InvalidatedGroups(x.r.Method, status, h)
	if len(groups) == 0 {
		return
	}
	origin := httpcache.Origin(x.r.TLS != nil, x.r.Host)
	for _, group := range groups {
		x.h.cache.invalidateTag(x.r.Context(), httpcache.GroupTag(origin, group))
	}
}

// invalidateTag drops every object with a tag, and keeps what is being fetched
// from being stored with it.
func (c *cache) invalidateTag(ctx context.Context, tag string) {
	c.invalidated.note(tag)
	// A tier that does not answer now does not answer Get either.
	_, _ = c.tier.RemoveTag(ctx, tag)
}

// outdated reports that o may be from before a change.
func (f *fetch) outdated(o *store.Object) bool {
	return f.flight.outdated.Load() || f.h.cache.invalidated.after(f.flight.since, o.Tags)
}

// invalidations remembers the order in which tags were invalidated and fetches
// began. It is a table of fixed size (32 KiB): tags that share a slot are taken
// for each other, so that now and then a response is not stored that could have
// been.
type invalidations struct {
	seed  maphash.Seed
	clock atomic.Uint64
	last  [1 << 12]atomic.Uint64
}

func (v *invalidations) init() { v.seed = maphash.MakeSeed() }

// now is what comes before every note that follows.
func (v *invalidations) now() uint64 { return v.clock.Load() }

func (v *invalidations) slot(tag string) *atomic.Uint64 {
	return &v.last[maphash.String(v.seed, tag)%uint64(len(v.last))]
}

// note says that a tag is invalidated now.
func (v *invalidations) note(tag string) {
	now, slot := v.clock.Add(1), v.slot(tag)
	for {
		last := slot.Load()
		if last >= now || slot.CompareAndSwap(last, now) {
			return
		}
	}
}

// after reports whether one of the tags was invalidated after then.
func (v *invalidations) after(then uint64, tags []string) bool {
	for _, tag := range tags {
		if v.slot(tag).Load() > then {
			return true
		}
	}
	return false
}

// between reports whether one of the tags was last invalidated after then and
// not after now.
func (v *invalidations) between(then, now uint64, tags []string) bool {
	for _, tag := range tags {
		if last := v.slot(tag).Load(); last > then && last <= now {
			return true
		}
	}
	return false
}
