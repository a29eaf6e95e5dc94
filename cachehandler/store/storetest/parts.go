package storetest

import (
	"net/http"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
	"github.com/caddy-portico/portico/cachehandler/store"
)

// part returns a part of a representation of 300,000 bytes and its bytes.
func part(etag string, from, n int64) (*store.Object, []byte) {
	p := random(300_000)[from : from+n]
	o := object("https://a/", "", etag, store.BodyOf(p))
	o.Head.Status = http.StatusPartialContent
	o.Head.Part = &httpcache.Part{Range: httpcache.Range{Start: from, Length: n}, Complete: 300_000}
	return o, p
}

// parts: those of one variant stand beside each other until they are put
// together, which takes the place of one, with a body of its own, and then drops
// the others.
func parts(h *harness) {
	first, p := part(`"1"`, 0, 100_000)
	second, q := part(`"2"`, 100_000, 200_000)
	h.put(first, 1)
	h.put(second, 1)
	h.wantKey("https://a/", second, first)
	if got := h.get("https://a/")[0].Head.Part; got == nil || *got != *second.Head.Part {
		h.Errorf("the part is %v, want %v", got, second.Head.Part)
	}

	whole := object("https://a/", "", `"3"`, store.BodyOf(p, q))
	if !h.replace(second, whole) {
		h.Fatal("Replace of a stored part = false")
	}
	h.wantKey("https://a/", whole, first)
	h.wantBody(h.get("https://a/")[0], random(300_000))
	h.settle(whole)
	h.wantKey("https://a/", whole)

	alone := object("https://b/", "", `"3"`, store.BodyOf(random(300_000)))
	both := h.tier.Stats().Bytes
	h.removeKey("https://a/")
	h.put(alone, 1)
	if s := h.tier.Stats(); s.Objects != 1 || s.Bytes != both {
		h.Errorf("Stats = %+v for the same bytes in one piece, %d before", s, both)
	}
}
