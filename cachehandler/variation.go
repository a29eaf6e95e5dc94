package cachehandler

import (
	"bytes"
	"hash/maphash"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
	"github.com/caddy-portico/portico/cachehandler/store"
)

// This file is the second level of the index, for responses with No-Vary-Search
// (draft-ietf-httpbis-no-vary-search): which variations of the query the
// responses of a path allowed. Such a response is stored under a key that has, in
// the place of the query, the variation and what it leaves of the query; so
// whoever computes the same key asks for something equivalent under that
// response's own field, and nobody else finds it.
//
// Of several that match, the most recent is used (RFC 9111 §4), also if one is
// stored under the URI itself.

// variations is a table of fixed size in which a path has one slot, with a few
// variations in each. Paths that share one try each other's in vain, no more. One
// that is displaced takes its responses out of reach for good: its number is never
// given again, so that no response comes back that an invalidation did not find.
type variations struct {
	some  atomic.Bool // false for who never sees the field: nothing is looked up then
	seed  maphash.Seed
	slots [1 << 12]atomic.Pointer[[]variation]

	mu   sync.Mutex // of those who change slots
	last uint64     // number given
}

// variation is one in the table.
type variation struct {
	httpcache.Variation
	number uint64
}

// maxVariations is how many a slot has: an origin is asked not to send different
// fields for one path (§7).
const maxVariations = 4

// init begins to count at random: what outlives the process in a store is out of
// reach afterwards.
func (vs *variations) init() {
	vs.seed = maphash.MakeSeed()
	vs.last = rand.Uint64() >> 1
}

func (vs *variations) slot(path []byte) *atomic.Pointer[[]variation] {
	return &vs.slots[maphash.Bytes(vs.seed, path)%uint64(len(vs.slots))]
}

// of returns the variations that responses of a path may have, newest first.
func (vs *variations) of(path []byte) []variation {
	if !vs.some.Load() {
		return nil
	}
	if list := vs.slot(path).Load(); list != nil {
		return *list
	}
	return nil
}

// learn returns the variation with its number, and makes it the newest.
func (vs *variations) learn(path []byte, v httpcache.Variation) variation {
	slot := vs.slot(path)
	if list := slot.Load(); list != nil && (*list)[0].Equal(v) {
		return (*list)[0]
	}
	vs.mu.Lock()
	defer vs.mu.Unlock()
	var old []variation
	if list := slot.Load(); list != nil {
		old = *list
	}
	list := []variation{{Variation: v}}
	for _, other := range old {
		if other.Equal(v) {
			list[0] = other
		} else {
			list = append(list, other)
		}
	}
	if list[0].number == 0 {
		vs.last++
		list[0].number = vs.last
	}
	list = list[:min(len(list), maxVariations)]
	slot.Store(&list)
	vs.some.Store(true)
	return list[0]
}

// appendKey appends the key for what is equivalent to the URI of key under v.
func (v *variation) appendKey(dst, key []byte, ends keyEnds) []byte {
	query := key[ends.path:ends.query]
	if len(query) > 0 {
		query = query[1:] // "?"
	}
	dst = append(append(dst, key[:ends.path]...), separator, 'n')
	dst = append(strconv.AppendUint(dst, v.number, 36), '?')
	if bytes.IndexByte(query, ';') >= 0 {
		// Some origins find another parameter behind it, which would be left out with
		// the one before it (keyparts.go). No other query makes a key with one.
		dst = append(dst, query...)
	} else {
		dst = v.AppendQuery(dst, string(query))
	}
	return append(dst, key[ends.query:]...)
}

// variationOf is what the No-Vary-Search field of a stored response says.
func variationOf(head *httpcache.Stored) httpcache.Variation {
	return httpcache.ParseNoVarySearch(head.Fields.Values("No-Vary-Search"))
}

// keyFor is the key to store a response to a GET under.
func (h *Handler) keyFor(key string, ends keyEnds, head *httpcache.Stored) string {
	if h.Key.noSearch {
		return key
	}
	v := variationOf(head)
	if v.IsDefault() {
		return key
	}
	known := h.cache.variations.learn([]byte(key[:ends.path]), v)
	return string(known.appendKey(nil, []byte(key), ends))
}

// keyFor is the key to store what the fetch brings under.
func (f *fetch) keyFor(head *httpcache.Stored) string {
	if f.query != nil { // only a GET's URI says it all
		return f.key
	}
	return f.h.keyFor(f.key, f.ends, head)
}

// equivalent is a key that responses for other URIs may be under.
type equivalent struct {
	key  []byte
	ends keyEnds
}

// equivalents are those for responses that are for the URI of key, too.
func (c *cache) equivalents(key []byte, ends keyEnds) (all []equivalent) {
	for _, v := range c.variations.of(key[:ends.path]) {
		k := v.appendKey(nil, key, ends)
		all = append(all, equivalent{k, keyEnds{path: ends.path, query: len(k) - (len(key) - ends.query)}})
	}
	return all
}

// find returns the objects under the request's key and the one the request
// selects, of these and of those for equivalent URIs.
func (x *exchange) find() (objects []*store.Object, selected *store.Object, err error) {
	if objects, err = x.get(x.key, x.ends); err != nil {
		return nil, nil, err
	}
	selected = x.selectFrom(objects)
	for _, e := range x.equivalents() {
		others, err := x.get(e.key, e.ends)
		if err != nil {
			return nil, nil, err
		}
		if o := x.selectFrom(others); o != nil && (selected == nil || moreRecent(o, selected)) {
			selected = o
		}
		if len(objects) == 0 {
			objects = others
		}
	}
	return objects, selected, nil
}

// equivalents are the keys of responses for other URIs that may answer the request.
func (x *exchange) equivalents() []equivalent {
	if !x.h.cache.variations.some.Load() || x.key == nil || x.query != nil || x.h.Key.noSearch {
		return nil
	}
	return x.h.cache.equivalents(x.key, x.ends)
}

// get looks at what is under a key and was not invalidated, which is a use of it unless
// nobody asked.
func (x *exchange) get(key []byte, ends keyEnds) (objects []*store.Object, err error) {
	if x.dry {
		objects, err = x.h.cache.tier.Peek(x.r.Context(), key)
	} else {
		objects, err = x.h.cache.tier.Get(x.r.Context(), key)
	}
	return after(objects, x.h.cache.invalidated.since(key, ends)), err
}

// after are the objects whose responses came after a time; zero is none.
func after(objects []*store.Object, since time.Time) []*store.Object {
	if since.IsZero() {
		return objects
	}
	var fresh []*store.Object
	for _, o := range objects {
		if o.Head.ResponseTime.After(since) {
			fresh = append(fresh, o)
		}
	}
	return fresh
}

// moreRecent compares by Date (RFC 9111 §4) and then by when they came.
func moreRecent(a, b *store.Object) bool {
	if !a.Head.Date.Equal(b.Head.Date) {
		return a.Head.Date.After(b.Head.Date)
	}
	return a.Head.ResponseTime.After(b.Head.ResponseTime)
}
