package memory

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/caddy-portico/portico/cachehandler/store"
)

// TestFlood: 600 MB of distinct objects pass through 64 MiB. The heap stays
// near the budget, and what is asked for all the time stays stored.
func TestFlood(t *testing.T) {
	const budget, size, objects = 64 << 20, 100_000, 6000
	before := liveHeap()
	tier := New(budget)
	put(t, tier, object("https://a/asked", store.BodyOf(make([]byte, size))))
	chunk := make([]byte, 32<<10)
	for i := range objects {
		length := int64(size)
		if i%2 == 0 {
			length = -1 // unknown: doubling segments, made one in the end
		}
		o := object(fmt.Sprintf("https://a/%d", i), store.NewBody(length))
		put(t, tier, o)
		for left := size; left > 0; left -= len(chunk) {
			if err := o.Body.Append(t.Context(), chunk[:min(left, len(chunk))]); err != nil {
				t.Fatalf("Append: %v", err)
			}
		}
		o.Body.Complete()
		if err := tier.Settle(t.Context(), o); err != nil {
			t.Fatalf("Settle: %v", err)
		}
		if !stored(t, tier, "https://a/asked") {
			t.Fatalf("what was asked for after each object is gone after %d", i)
		}
		if s := tier.Stats(); s.Bytes > budget {
			t.Fatalf("Stats = %+v: over the budget", s)
		}
	}
	heap := liveHeap() - before
	t.Logf("heap %d MiB, %+v", heap>>20, tier.Stats())
	if heap > budget*5/4 || heap < budget/2 {
		t.Errorf("the live heap grew by %d bytes with a budget of %d", heap, budget)
	}
	checkInvariants(t, tier)
	if err := tier.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	if heap := liveHeap() - before; heap > budget/8 {
		t.Errorf("%d bytes are left on the heap after Close", heap)
	}
	runtime.KeepAlive(tier)
}

func liveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestOverhead: what an object is charged beside its body is about what it
// costs.
func TestOverhead(t *testing.T) {
	const objects = 20_000
	before := liveHeap()
	tier := New(1 << 30)
	p := make([]byte, 100)
	for i := range objects {
		b := store.NewBody(100)
		o := object(fmt.Sprintf("https://example.com/some/path/%06d", i), b)
		put(t, tier, o)
		if err := b.Append(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		b.Complete()
	}
	heap := liveHeap() - before
	t.Logf("charged %d bytes an object, it costs %d", tier.Stats().Bytes/objects, heap/objects)
	if charged := tier.Stats().Bytes; charged < heap || charged > heap*13/10 {
		t.Errorf("charged %d bytes for %d on the heap", charged, heap)
	}
	runtime.KeepAlive(tier)
}

// TestTagOverhead: what a tag is charged is about what it costs, whether many
// objects have it or one.
func TestTagOverhead(t *testing.T) {
	const objects, tags = 2_000, 50
	for _, c := range []struct {
		name string
		tag  func(object, i int) string
	}{
		{"each its own", func(object, i int) string { return fmt.Sprintf("product-%06d-%02d", object, i) }},
		{"shared", func(_, i int) string { return fmt.Sprintf("product-%06d", i) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			tier := New(1 << 30)
			for i := range objects {
				put(t, tier, object(fmt.Sprint(i), store.BodyOf(nil)))
			}
			before, charged := liveHeap(), tier.Stats().Bytes
			for i := range objects {
				o := object(fmt.Sprint(i), store.BodyOf(nil))
				for n := range tags {
					o.Tags = append(o.Tags, c.tag(i, n))
				}
				put(t, tier, o)
				if err := tier.Settle(t.Context(), o); err != nil {
					t.Fatal(err)
				}
			}
			heap := liveHeap() - before
			charged = tier.Stats().Bytes - charged
			t.Logf("charged %d bytes a tag, it costs %d", charged/objects/tags, heap/objects/tags)
			if charged < heap*9/10 || charged > heap*3 {
				t.Errorf("charged %d bytes for %d on the heap", charged, heap)
			}
			runtime.KeepAlive(tier)
		})
	}
}

// TestPeekIsNoUse: who looks at an object does not keep it from being evicted.
func TestPeekIsNoUse(t *testing.T) {
	tier := New(1 << 20)
	put(t, tier, object("looked at", store.BodyOf(make([]byte, 1000))))
	r := tier.shard("looked at").records["looked at"]
	uses := func() string { return fmt.Sprintf("%+v", &r.hits) }
	before := uses()
	if objects, err := tier.Peek(t.Context(), []byte("looked at")); err != nil || len(objects) != 1 {
		t.Fatalf("Peek = %v, %v", objects, err)
	}
	if uses() != before {
		t.Error("Peek counts as a use")
	}
	stored(t, tier, "looked at")
	if uses() == before {
		t.Error("Get does not")
	}
}

// TestEvictedWhileFilling: the object goes, its readers go on, nothing is kept.
func TestEvictedWhileFilling(t *testing.T) {
	const budget = 4<<20 - 4096 // the fourth segment of a megabyte goes beyond it
	for _, c := range []struct {
		name    string
		evicter func(t *testing.T, tier *Tier)
	}{
		{"it is larger than the budget", func(*testing.T, *Tier) {}},
		{"the budget shrinks", func(_ *testing.T, tier *Tier) { tier.SetBudget(10) }},
		{"another variant too many", func(t *testing.T, tier *Tier) {
			o := object("https://a/", store.BodyOf(nil))
			o.Head.Variant = "another"
			if err := tier.Put(t.Context(), o, 1); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tier := New(budget)
			put(t, tier, object("https://other/", store.BodyOf(make([]byte, 200_000))))
			o := object("https://a/", store.NewBody(-1))
			put(t, tier, o)
			for range 20 { // it is worth more than the other, if it only fitted
				stored(t, tier, "https://a/")
			}
			read := streamed(t, tier, o, 4*budget, func() { c.evicter(t, tier) })
			if read < 3*budget || !o.Body.Detached() || o.Body.Held() > 2*window {
				t.Errorf("read %d bytes, detached: %v, held: %d", read, o.Body.Detached(), o.Body.Held())
			}
			for _, o := range get(t, tier, "https://a/") {
				if o.Head.Variant == "" {
					t.Error("it is still stored")
				}
			}
			if !stored(t, tier, "https://other/") && tier.Stats().Budget == budget {
				t.Error("another object had to go for one that does not fit")
			}
			checkInvariants(t, tier)
		})
	}
}

func TestSetBudget(t *testing.T) {
	tier := New(10 << 20)
	for i := range 90 {
		put(t, tier, object(fmt.Sprintf("https://a/%d", i), store.BodyOf(make([]byte, 100_000))))
	}
	if s := tier.Stats(); s.Objects != 90 {
		t.Fatalf("Stats = %+v, want 90 objects", s)
	}
	for _, budget := range []int64{5 << 20, 1 << 20, 0, -1} {
		tier.SetBudget(budget)
		checkInvariants(t, tier)
		if s := tier.Stats(); s.Budget != budget || s.Bytes < budget-200_000 {
			t.Errorf("Stats = %+v after SetBudget(%d)", s, budget)
		}
	}
	tier.SetBudget(10 << 20)
	put(t, tier, object("https://a/", store.BodyOf(make([]byte, 100_000))))
	if !stored(t, tier, "https://a/") {
		t.Error("nothing is stored after the budget grew again")
	}
}

// streamed fills o with n bytes, calls evict early on, and returns how many
// bytes a reader got.
func streamed(t *testing.T, tier *Tier, o *store.Object, n int, evict func()) (read int) {
	r, err := o.Body.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	chunk := make([]byte, 64<<10)
	for i := range n / len(chunk) {
		if i == 3 {
			evict()
		}
		if err := o.Body.Append(t.Context(), chunk); err != nil {
			t.Fatalf("Append: %v", err)
		}
		p, err := r.Next(t.Context(), 0, nil)
		if err != nil {
			t.Fatalf("Next: %v", err)
		}
		read += len(p)
	}
	o.Body.Complete()
	if err := tier.Settle(t.Context(), o); err != nil {
		t.Fatalf("Settle: %v", err)
	}
	return read
}
