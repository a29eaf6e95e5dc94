package cachehandler

import (
	"context"
	"net/http"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
)

// This file is invalidation by cache groups (RFC 9875 §3): an answer to an
// unsafe method drops what is stored of the groups it names, of its own origin
// and without cascading. What is being fetched meanwhile may be from before the
// change. Its groups are not known until its head is there; then it is looked up
// whether one of them was invalidated since the origin was asked.

// invalidateGroups does what an answer says.
func (x *exchange) invalidateGroups(h http.Header, status int) {
	for _, tag := range x.invalidatedTags(h, status) {
		x.h.cache.invalidateTag(x.r.Context(), tag)
	}
}

// invalidatedTags are those of the groups that an answer invalidates.
func (x *exchange) invalidatedTags(h http.Header, status int) (tags []string) {
	groups := httpcache.InvalidatedGroups(x.r.Method, status, h)
	if len(groups) == 0 {
		return nil
	}
	origin := httpcache.Origin(x.r.TLS != nil, x.r.Host)
	for _, group := range groups {
		tags = append(tags, httpcache.GroupTag(origin, group))
	}
	return tags
}

// invalidateTag drops every object with a tag, and keeps what is being fetched
// from being stored with it.
func (c *cache) invalidateTag(ctx context.Context, tag string) {
	c.invalidated.markTag(tag)
	// A tier that does not answer now does not answer Get either.
	_, _ = c.tier.RemoveTag(ctx, tag)
}
