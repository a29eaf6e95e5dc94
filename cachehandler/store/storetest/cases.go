package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/caddy-portico/portico/cachehandler/store"
)

func empty(h *harness) {
	h.wantKey("https://a/")
	if n := h.removeKey("https://a/"); n != 0 {
		h.Errorf("RemoveKey of nothing = %d, want 0", n)
	}
	if s := h.tier.Stats(); s.Objects != 0 || s.Bytes != 0 {
		h.Errorf("Stats of an empty tier = %+v", s)
	}
}

func roundTrip(h *harness) {
	for i, n := range []int{0, 1, 4095, 4096, 4097, 100_000, 300_000, 3 << 20} {
		key := fmt.Sprintf("https://a/%d", i)
		o, p := complete(key, "", `"1"`, n)
		o.Tags = []string{"x", "y"}
		h.put(o, 10)
		h.settle(o)
		h.wantKey(key, o)
		got := h.get(key)[0]
		h.wantBody(got, p)
		if !slices.Equal(got.Tags, o.Tags) || got.Head.Fields.Get("Content-Type") != "text/plain" {
			h.Errorf("got tags %v and fields %v", got.Tags, got.Head.Fields.Header())
		}
	}
}

func filling(h *harness) {
	p := random(700_000)
	o := object("https://a/", "", `"1"`, store.NewBody(-1))
	h.put(o, 10)
	h.wantKey("https://a/", o)

	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { h.wantBody(h.get("https://a/")[0], p) })
	}
	fill(h, o.Body, p, 10_000)
	o.Body.Complete()
	h.settle(o)
	wg.Wait()
	h.wantBody(h.get("https://a/")[0], p)
}

func newestFirst(h *harness) {
	de, _ := complete("https://a/", "de", `"1"`, 10)
	en, _ := complete("https://a/", "en", `"2"`, 10)
	fr, _ := complete("https://a/", "fr", `"3"`, 10)
	other, _ := complete("https://b/", "de", `"4"`, 10)
	for _, o := range []*store.Object{de, en, other, fr} {
		h.put(o, 10)
		h.settle(o)
	}
	h.wantKey("https://a/", fr, en, de)
	h.wantKey("https://b/", other)
}

func settle(h *harness) {
	old, p := complete("https://a/", "de", `"1"`, 1000)
	en, _ := complete("https://a/", "en", `"2"`, 1000)
	h.put(old, 10)
	h.settle(old)
	h.put(en, 10)
	h.settle(en)

	fresh := object("https://a/", "de", `"3"`, store.NewBody(2000))
	h.put(fresh, 10)
	h.wantKey("https://a/", fresh, en, old)
	h.wantBody(old, p) // still whole while its successor fills
	fill(h, fresh.Body, random(2000), 700)
	fresh.Body.Complete()
	h.settle(fresh)
	h.wantKey("https://a/", fresh, en)
}

func settleKeeps(h *harness) {
	// The same value of another Vary is another variant.
	plain, _ := complete("https://a/", "", `"1"`, 10)
	varies, _ := complete("https://a/", "", `"2"`, 10)
	varies.Head.Vary = []string{"Accept-Language"}
	h.put(plain, 10)
	h.settle(plain)
	h.put(varies, 10)
	h.settle(varies)
	h.wantKey("https://a/", varies, plain)

	// A newer one of the same variant stays when an older one settles late.
	late := object("https://b/", "", `"3"`, store.NewBody(-1))
	newer := object("https://b/", "", `"4"`, store.NewBody(-1))
	h.put(late, 10)
	h.put(newer, 10)
	late.Body.Complete()
	h.settle(late)
	h.wantKey("https://b/", newer, late)
	newer.Body.Complete()
	h.settle(newer)
	h.wantKey("https://b/", newer)
}

func settleGone(h *harness) {
	gone := object("https://a/", "", `"1"`, store.NewBody(-1))
	h.put(gone, 10)
	h.removeKey("https://a/")
	stays, _ := complete("https://a/", "", `"2"`, 10)
	h.put(stays, 10)
	gone.Body.Complete()
	h.settle(gone)
	h.wantKey("https://a/", stays)
}

func replace(h *harness) {
	en, _ := complete("https://a/", "en", `"0"`, 10)
	old, p := complete("https://a/", "de", `"1"`, 50_000)
	h.put(old, 10)
	h.settle(old)
	h.put(en, 10)
	before := h.tier.Stats()

	fresh := object("https://a/", "de", `"2"`, old.Body)
	if !h.replace(old, fresh) {
		h.Fatal("Replace of a stored object = false")
	}
	h.wantKey("https://a/", en, fresh) // in its place
	h.wantBody(h.get("https://a/")[1], p)
	if after := h.tier.Stats(); after.Objects != before.Objects || after.Bytes != before.Bytes {
		h.Errorf("Stats = %+v after Replace, %+v before: the body counts once", after, before)
	}
	h.removeKey("https://a/")
	if s := h.tier.Stats(); s.Objects != 0 || s.Bytes != 0 {
		h.Errorf("Stats = %+v after all is removed", s)
	}
}

func replaceGone(h *harness) {
	old, p := complete("https://a/", "", `"1"`, 10)
	fresh := object("https://a/", "", `"2"`, old.Body)
	if h.replace(old, fresh) {
		h.Error("Replace of what was never there = true")
	}
	h.put(old, 10)
	h.remove(old)
	if h.replace(old, fresh) {
		h.Error("Replace of what was removed = true")
	}
	h.wantKey("https://a/")

	// What the handler does then.
	h.put(fresh, 10)
	h.wantKey("https://a/", fresh)
	h.wantBody(h.get("https://a/")[0], p)
	h.removeKey("https://a/")
	if s := h.tier.Stats(); s.Bytes != 0 {
		h.Errorf("Stats = %+v after all is removed", s)
	}
}

func mostVariants(h *harness) {
	var all []*store.Object
	for i := range 6 {
		o, _ := complete("https://a/", fmt.Sprint(i), fmt.Sprintf(`"%d"`, i), 10)
		all = append(all, o)
		h.put(o, 4)
		h.settle(o)
	}
	h.wantKey("https://a/", all[5], all[4], all[3], all[2])
}

func mostVariantsSuperseded(h *harness) {
	// The variant of de is not the oldest: its newest object is the second
	// newest of all, and the old one answers until that is complete.
	old, p := complete("https://a/", "de", `"1"`, 10)
	en, _ := complete("https://a/", "en", `"2"`, 10)
	de := object("https://a/", "de", `"3"`, store.NewBody(-1))
	fr, _ := complete("https://a/", "fr", `"4"`, 10)
	for _, o := range []*store.Object{old, en, de, fr} {
		h.put(o, 2)
	}
	h.wantKey("https://a/", fr, de, old)
	h.wantBody(old, p)
}

func putAgain(h *harness) {
	a, _ := complete("https://a/", "a", `"1"`, 10)
	b, _ := complete("https://a/", "b", `"2"`, 10)
	h.put(a, 10)
	h.put(b, 10)
	before := h.tier.Stats()
	h.put(a, 10)
	h.wantKey("https://a/", a, b)
	if after := h.tier.Stats(); after.Objects != before.Objects || after.Bytes != before.Bytes {
		h.Errorf("Stats = %+v after the same Put, %+v before", after, before)
	}
}

func removeOne(h *harness) {
	a, p := complete("https://a/", "a", `"1"`, 10)
	b, _ := complete("https://a/", "b", `"2"`, 10)
	h.put(a, 10)
	h.put(b, 10)
	h.remove(a)
	h.wantKey("https://a/", b)
	h.remove(a)
	h.wantKey("https://a/", b)
	h.wantBody(a, p) // whoever reads it reads on
	h.remove(b)
	h.wantKey("https://a/")
}

func removeKey(h *harness) {
	for _, variant := range []string{"a", "b", "c"} {
		o, _ := complete("https://a/", variant, `"1"`, 10)
		h.put(o, 10)
	}
	other, _ := complete("https://b/", "", `"2"`, 10)
	h.put(other, 10)
	if n := h.removeKey("https://a/"); n != 3 {
		h.Errorf("RemoveKey = %d, want 3", n)
	}
	h.wantKey("https://a/")
	h.wantKey("https://b/", other)
}

func abortMidWrite(h *harness) {
	before := h.tier.Stats()
	p := random(300_000)
	o := object("https://a/", "", `"1"`, store.NewBody(1<<20))
	h.put(o, 10)
	fill(h, o.Body, p, 30_000)
	o.Body.Abort(errors.New("connection reset"))
	h.remove(o)
	h.wantKey("https://a/")
	if after := h.tier.Stats(); after != before {
		h.Errorf("Stats = %+v after an aborted fill, %+v before", after, before)
	}
	if err := o.Body.Append(h.Context(), p); !errors.Is(err, store.ErrAborted) {
		h.Errorf("Append to an aborted body: %v", err)
	}
}

func rangeAll(h *harness) {
	want := map[string]bool{}
	for i := range 300 {
		o, _ := complete(fmt.Sprintf("https://a/%d", i), fmt.Sprint(i%2), `"1"`, 10)
		h.put(o, 10)
		want[describe(o)] = true
	}
	got := map[string]bool{}
	err := h.tier.Range(h.Context(), func(o *store.Object) bool {
		if got[describe(o)] {
			h.Errorf("Range gives %s twice", describe(o))
		}
		got[describe(o)] = true
		return true
	})
	if err != nil || len(got) != len(want) {
		h.Errorf("Range gives %d objects and %v, want %d", len(got), err, len(want))
	}
	for name := range want {
		if !got[name] {
			h.Errorf("Range leaves out %s", name)
		}
	}
}

func rangeStops(h *harness) {
	for i := range 20 {
		o, _ := complete(fmt.Sprintf("https://a/%d", i), "", `"1"`, 10)
		h.put(o, 10)
	}
	calls := 0
	err := h.tier.Range(h.Context(), func(o *store.Object) bool {
		h.remove(o)
		calls++
		return calls < 5
	})
	if err != nil || calls != 5 || h.tier.Stats().Objects != 15 {
		h.Errorf("Range stopped after %d calls with %v and %d objects left, want 5 and 15",
			calls, err, h.tier.Stats().Objects)
	}
	ctx, cancel := context.WithCancel(h.Context())
	cancel()
	calls = 0
	err = h.tier.Range(ctx, func(*store.Object) bool { calls++; return true })
	if !errors.Is(err, context.Canceled) || calls > 0 {
		h.Errorf("Range with an ended context: %v after %d calls", err, calls)
	}
}

func keyReused(h *harness) {
	o, _ := complete("https://a/", "", `"1"`, 10)
	h.put(o, 10)
	key := []byte("https://a/")
	if _, err := h.tier.Get(h.Context(), key); err != nil {
		h.Fatal(err)
	}
	copy(key, bytes.Repeat([]byte("x"), len(key)))
	h.wantKey("https://a/", o)
}

func budget(h *harness) {
	limit := h.tier.Stats().Budget
	if limit <= 0 {
		h.Skip("this tier has no budget")
	}
	if limit > 256<<20 {
		h.Skipf("a budget of %d is too large to fill in a test", limit)
	}
	const size = 1 << 20
	p := random(size)
	for i := range limit/size + 20 {
		o := object(fmt.Sprintf("https://a/%d", i), "", `"1"`, store.NewBody(size))
		h.put(o, 10)
		fill(h, o.Body, p, 64<<10)
		o.Body.Complete()
		h.settle(o)
		if s := h.tier.Stats(); s.Bytes > limit {
			h.Fatalf("Stats = %+v after %d objects: over the budget", s, i+1)
		}
	}
	s := h.tier.Stats()
	if s.Evictions < 20 || s.Objects < limit/size/2 {
		h.Errorf("Stats = %+v after passing %d objects of %d bytes", s, limit/size+20, size)
	}
}

func closed(h *harness) {
	o, p := complete("https://a/", "", `"1"`, 10)
	h.put(o, 10)
	if err := h.tier.Close(); err != nil {
		h.Fatalf("Close: %v", err)
	}
	h.wantBody(o, p) // whoever reads it reads on
	late, _ := complete("https://b/", "", `"1"`, 10)
	if err := h.tier.Put(h.Context(), late, 10); err == nil {
		h.Error("Put to a closed tier: no error")
	}
	if err := h.tier.Close(); err != nil {
		h.Errorf("second Close: %v", err)
	}
}

// fill appends p in chunks.
func fill(h *harness, b *store.Body, p []byte, chunk int) {
	for part := range slices.Chunk(p, chunk) {
		if err := b.Append(h.Context(), part); err != nil {
			h.Errorf("Append: %v", err)
			return
		}
	}
}
