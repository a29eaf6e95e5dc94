package cachehandler

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// The slow twin of a cache that follows No-Vary-Search: a list of responses, each
// with the pairs its URL had and the kind that is part of its key, gone through from
// the newest to the oldest. An unsafe method is about all kinds (RFC 9111 §4.4).

type twinPair struct{ name, value string }

type twinField struct {
	text     string
	anyOrder bool
	matters  func(name string) bool
}

func all(string) bool { return true }

// twinFields are no more with a meaning than a path remembers.
var twinFields = []twinField{
	{"", false, all},
	{`params=("a")`, false, func(name string) bool { return name != "a" }},
	{"key-order", true, all},
	{`except=("b")`, false, func(name string) bool { return name == "b" }},
	{`key-order, params=("c")`, true, func(name string) bool { return name != "c" }},
	{`params=?1`, false, all}, // a mistake
}

func (f *twinField) equivalent(a, b []twinPair) bool {
	if slices.Equal(a, b) {
		return true
	}
	left := func(pairs []twinPair) (kept []twinPair) {
		for _, p := range pairs {
			if f.matters(p.name) {
				kept = append(kept, p)
			}
		}
		if f.anyOrder {
			sort.SliceStable(kept, func(i, j int) bool { return kept[i].name < kept[j].name })
		}
		return kept
	}
	return slices.Equal(left(a), left(b))
}

type twinResponse struct {
	pairs []twinPair
	kind  byte
	field *twinField
	body  string
}

type twinCache []twinResponse // newest first

func (c twinCache) find(pairs []twinPair, kind byte) (body string, ok bool) {
	for _, r := range c {
		if r.kind == kind && r.field.equivalent(r.pairs, pairs) {
			return r.body, true
		}
	}
	return "", false
}

func (c *twinCache) invalidate(pairs []twinPair) {
	*c = slices.DeleteFunc(*c, func(r twinResponse) bool { return r.field.equivalent(r.pairs, pairs) })
}

// twinQuery makes up to three pairs of a byte.
func twinQuery(b byte) (pairs []twinPair, query string) {
	var words []string
	for n := b & 3; n > 0; n-- {
		b = b>>2 | b<<6
		name, value := string("abcd"[b&3]), string("01"[b>>7])
		pairs = append(pairs, twinPair{name, value})
		words = append(words, name+"="+value)
	}
	return pairs, strings.Join(words, "&")
}

// FuzzVariations has the cache and its twin do the same: two bytes are a request,
// GET or DELETE, of one of two kinds, and what the origin would answer. By chance two
// keys share a place in the table of invalidations, and one that is not changed is
// fetched again: a difference counts if it is there with other seeds, too.
func FuzzVariations(f *testing.F) {
	f.Add([]byte("\x05\x01\x06\x01\x05\x81\x06\x02"))
	f.Add([]byte("\x01\x00\x01\x02\x02\x03\x03\x04\xff\x05\x01\x80\x01\x02"))
	f.Add([]byte("\x0e\x02\x3e\x02\x0e\x01\x3e\x04\x0e\x80\x3e\x00"))
	f.Add([]byte("\x01\x01\x01\x41\x00\x81\x01\x41\x01\x01"))
	f.Fuzz(func(t *testing.T, script []byte) {
		difference := ""
		for range 3 {
			if difference = differsFromTwin(t, script); difference == "" {
				return
			}
		}
		t.Error(difference)
	})
}

// differsFromTwin is the first difference there is, or "".
func differsFromTwin(t *testing.T, script []byte) string {
	h := newHandler(t)
	h.Key.Header = []string{"X-Kind"}
	var twin twinCache
	for i := 0; i+1 < min(len(script), 60); i += 2 {
		pairs, query := twinQuery(script[i])
		kind := script[i+1] & 0x40
		field := &twinFields[int(script[i+1]&0x3f)%len(twinFields)]
		method, fresh := http.MethodGet, fmt.Sprintf("response %d", i)
		want, known := twin.find(pairs, kind)
		switch {
		case script[i+1]&0x80 != 0:
			method, want = http.MethodDelete, fresh
			twin.invalidate(pairs)
		case !known:
			want = fresh
			twin = append(twinCache{{pairs, kind, field, fresh}}, twin...)
		}
		w := httptest.NewRecorder()
		r := prepare(httptest.NewRequest(method, "http://a/p?"+query, nil))
		if query == "" {
			r = prepare(httptest.NewRequest(method, "http://a/p", nil))
		}
		r.Header.Set("X-Kind", fmt.Sprint(kind))
		err := h.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("Cache-Control", "max-age=600")
			if field.text != "" {
				w.Header().Set("No-Vary-Search", field.text)
			}
			_, err := w.Write([]byte(fresh))
			return err
		}))
		if err != nil || w.Body.String() != want {
			return fmt.Sprintf("step %d, %s ?%s: got %q (%v, %s), want %q", i, method, query, w.Body, err, w.Header().Get("Cache-Status"), want)
		}
	}
	return ""
}
