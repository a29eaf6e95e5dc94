package storetest

import (
	"fmt"
	"sync"

	"github.com/caddy-portico/portico/cachehandler/store"
)

// tagged returns a complete object with tags.
func tagged(key, variant, etag string, tags ...string) *store.Object {
	o, _ := complete(key, variant, etag, 100)
	o.Tags = tags
	return o
}

func tags(h *harness) {
	a := tagged("https://a/", "", `"1"`, "x", "y")
	de := tagged("https://b/", "de", `"2"`, "y")
	en := tagged("https://b/", "en", `"3"`, "y", "z")
	none := tagged("https://c/", "", `"4"`)
	for _, o := range []*store.Object{a, de, en, none} {
		h.put(o, 10)
		h.settle(o)
	}
	h.wantTagged("x", a)
	h.wantTagged("y", a, de, en)
	h.wantTagged("z", en)
	for _, other := range []string{"", "X", "x ", "xy", "https://a/"} {
		h.wantTagged(other)
	}
}

// tagsReplaced: RFC 9111 §4.3.4, a 304 may name other groups than the response
// it freshens had.
func tagsReplaced(h *harness) {
	old := tagged("https://a/", "", `"1"`, "x", "y")
	h.put(old, 10)
	h.settle(old)
	fresh := object("https://a/", "", `"2"`, old.Body)
	fresh.Tags = []string{"y", "z"}
	h.replace(old, fresh)
	h.wantTagged("x")
	h.wantTagged("y", fresh)
	h.wantTagged("z", fresh)

	// Both are there until the newer one is complete.
	newer := object("https://a/", "", `"3"`, store.NewBody(-1))
	newer.Tags = []string{"x", "z"}
	h.put(newer, 10)
	h.wantTagged("y", fresh)
	h.wantTagged("z", fresh, newer)
	newer.Body.Complete()
	h.settle(newer)
	h.wantTagged("y")
	h.wantTagged("z", newer)
	h.put(newer, 10)
	h.wantTagged("z", newer) // put again, it is still there once
}

func tagsGone(h *harness) {
	a := tagged("https://a/", "a", `"1"`, "x")
	b := tagged("https://a/", "b", `"2"`, "x")
	c := tagged("https://c/", "", `"3"`, "x")
	for _, o := range []*store.Object{a, b, c} {
		h.put(o, 10)
	}
	h.remove(a)
	h.wantTagged("x", b, c)
	h.removeKey("https://c/")
	h.wantTagged("x", b)
	h.put(tagged("https://a/", "c", `"4"`), 1) // no room for b
	h.wantTagged("x")
	h.removeKey("https://a/")
	if s := h.tier.Stats(); s.Objects != 0 || s.Bytes != 0 {
		h.Errorf("Stats = %+v after all is removed", s)
	}
}

func removeTag(h *harness) {
	a := tagged("https://a/", "a", `"1"`, "x", "y")
	b := tagged("https://a/", "b", `"2"`, "y")
	c := tagged("https://c/", "", `"3"`, "x")
	for _, o := range []*store.Object{a, b, c} {
		h.put(o, 10)
		h.settle(o)
	}
	if n := h.removeTag("z"); n != 0 {
		h.Errorf("RemoveTag of nothing = %d, want 0", n)
	}
	if n := h.removeTag("x"); n != 2 {
		h.Errorf("RemoveTag = %d, want 2", n)
	}
	h.wantKey("https://a/", b)
	h.wantKey("https://c/")
	h.wantTagged("x")
	h.wantTagged("y", b)
	if n := h.removeTag("x"); n != 0 {
		h.Errorf("RemoveTag again = %d, want 0", n)
	}
	if n := h.removeTag("y"); n != 1 {
		h.Errorf("RemoveTag = %d, want 1", n)
	}
	if s := h.tier.Stats(); s.Objects != 0 || s.Bytes != 0 {
		h.Errorf("Stats = %+v after all is removed", s)
	}
}

func removeTagFilling(h *harness) {
	p := random(100_000)
	o := object("https://a/", "", `"1"`, store.NewBody(-1))
	o.Tags = []string{"x"}
	h.put(o, 10)
	fill(h, o.Body, p[:50_000], 10_000)
	if n := h.removeTag("x"); n != 1 {
		h.Errorf("RemoveTag = %d, want 1", n)
	}
	h.wantKey("https://a/")
	fill(h, o.Body, p[50_000:], 10_000) // whoever reads it reads on
	o.Body.Complete()
	h.settle(o)
	h.wantBody(o, p)
	h.wantKey("https://a/")
	h.wantTagged("x")
}

// tagsDuringChanges: what is put and removed from many sides at once leaves an
// index that says what is there.
func tagsDuringChanges(h *harness) {
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for i := range 300 {
				o := tagged(fmt.Sprintf("https://a/%d", i%7), fmt.Sprint(w), fmt.Sprintf(`"%d.%d"`, w, i), fmt.Sprint("t", i%3), "all")
				h.put(o, 3)
				h.settle(o)
				switch i % 5 {
				case 0:
					h.removeTag(fmt.Sprint("t", (i+1)%3))
				case 1:
					h.remove(o)
				case 2:
					fresh := object(o.Key, o.Head.Variant, o.Head.ETag, o.Body)
					fresh.Tags = []string{"all"}
					h.replace(o, fresh)
				}
			}
		})
	}
	all.Wait()
	left := map[string][]*store.Object{}
	err := h.tier.Range(h.Context(), func(o *store.Object) bool {
		for _, tag := range o.Tags {
			left[tag] = append(left[tag], o)
		}
		return true
	})
	if err != nil {
		h.Fatal(err)
	}
	for _, tag := range []string{"t0", "t1", "t2", "all"} {
		h.wantTagged(tag, left[tag]...)
	}
	h.removeTag("all")
	if s := h.tier.Stats(); s.Objects != 0 || s.Bytes != 0 {
		h.Errorf("Stats = %+v after all is removed", s)
	}
}

func peek(h *harness) {
	de, _ := complete("https://a/", "de", `"1"`, 10)
	en, _ := complete("https://a/", "en", `"2"`, 10)
	h.put(de, 10)
	h.put(en, 10)
	for key, want := range map[string][]*store.Object{"https://a/": {en, de}, "https://b/": nil} {
		got, err := h.tier.Peek(h.Context(), []byte(key))
		if err != nil || fmt.Sprint(describeAll(got)) != fmt.Sprint(describeAll(want)) {
			h.Errorf("Peek(%q) = %v and %v, want %v", key, describeAll(got), err, describeAll(want))
		}
	}
}
