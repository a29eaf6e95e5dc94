package memory

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
	"github.com/caddy-portico/portico/cachehandler/store"
	"github.com/caddy-portico/portico/cachehandler/store/storetest"
)

func TestTier(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Tier {
		return checked{Tier: New(storetest.Room), t: t}
	})
}

// checked holds a tier to its invariants before it is closed.
type checked struct {
	*Tier
	t *testing.T
}

func (c checked) Close() error {
	checkInvariants(c.t, c.Tier)
	return c.Tier.Close()
}

// checkInvariants holds what index.go and charge.go promise of a tier at rest.
func checkInvariants(t *testing.T, tier *Tier) {
	t.Helper()
	var used, objects int64
	charges := map[*charge]int{}
	tagged := 0
	for i := range tier.shards {
		for key, r := range tier.shards[i].records {
			if len(r.entries) == 0 || len(r.entries) != len(r.objects) {
				t.Fatalf("%s: %d entries, %d objects", key, len(r.entries), len(r.objects))
			}
			for i, e := range r.entries {
				tagged += len(e.marks)
				if len(e.marks) != len(e.object.Tags) {
					t.Fatalf("%s: %d tags, %d of them indexed", key, len(e.object.Tags), len(e.marks))
				}
				if !e.listed || r.objects[i] != e.object || e.Hits != &r.hits {
					t.Fatalf("%s: entry %+v", key, e)
				}
				objects++
				used += e.head
				if charges[e.charge]++; charges[e.charge] == 1 {
					used += e.object.Body.Held()
				}
			}
		}
	}
	for c, entries := range charges {
		if c.entries != entries {
			t.Fatalf("%s: a charge for %d entries has %d", c.key, c.entries, entries)
		}
	}
	if s := tier.Stats(); s.Bytes != used || s.Objects != objects {
		t.Fatalf("Stats = %+v, counted %d bytes of %d objects", s, used, objects)
	}
	for tag := range tier.tags.lists {
		tagged -= len(tier.tags.entries(tag))
	}
	if tagged != 0 {
		t.Fatalf("the index of tags has %d marks too few", tagged)
	}
	if tier.ranking.Len() != int(objects) {
		t.Fatalf("%d objects, %d of them ranked", objects, tier.ranking.Len())
	}
	if s := tier.Stats(); s.Bytes > max(s.Budget, 0) {
		t.Fatalf("Stats = %+v: over the budget", s)
	}
}

func object(key string, body *store.Body) *store.Object {
	return &store.Object{Key: key, Body: body, Head: &httpcache.Stored{
		Status: http.StatusOK,
		Fields: httpcache.FreezeFields(http.Header{"Content-Type": {"text/plain"}, "Etag": {`"1"`}}),
	}}
}

func put(t testing.TB, tier *Tier, o *store.Object) {
	t.Helper()
	if err := tier.Put(t.Context(), o, 10); err != nil {
		t.Fatalf("Put: %v", err)
	}
}

func get(t testing.TB, tier *Tier, key string) []*store.Object {
	t.Helper()
	objects, err := tier.Get(t.Context(), []byte(key))
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	return objects
}

func stored(t testing.TB, tier *Tier, key string) bool {
	t.Helper()
	return len(get(t, tier, key)) > 0
}

// TestSharedBody: a body that another object still has is not detached with one
// that goes, and is charged for once.
func TestSharedBody(t *testing.T) {
	tier := New(1 << 20)
	body := store.NewBody(1000)
	if err := body.Append(t.Context(), make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	var objects []*store.Object
	for i := range 3 {
		o := object("https://a/", body)
		o.Head.Variant = fmt.Sprint(i)
		objects = append(objects, o)
		if err := tier.Put(t.Context(), o, 2); err != nil {
			t.Fatal(err)
		}
		checkInvariants(t, tier)
	}
	if got := get(t, tier, "https://a/"); len(got) != 2 || body.Detached() {
		t.Errorf("%d objects are stored, their body is detached: %v", len(got), body.Detached())
	}
	for _, o := range objects {
		if err := tier.Remove(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		checkInvariants(t, tier)
	}
	if s := tier.Stats(); s.Bytes != 0 {
		t.Errorf("Stats = %+v after all is removed", s)
	}
}

// TestFreshenedKeepsItsRank: a popular object that was validated (RFC 9111
// §4.3.4), or fetched anew, is as popular as before.
func TestFreshenedKeepsItsRank(t *testing.T) {
	for _, c := range []struct {
		name    string
		freshen func(tier *Tier, old *store.Object) error
	}{
		{"validated", func(tier *Tier, old *store.Object) error {
			_, err := tier.Replace(t.Context(), old, object(old.Key, old.Body))
			return err
		}},
		{"fetched anew", func(tier *Tier, old *store.Object) error {
			fresh := object(old.Key, store.BodyOf(make([]byte, 1000)))
			if err := tier.Put(t.Context(), fresh, 10); err != nil {
				return err
			}
			return tier.Settle(t.Context(), fresh)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tier := New(100_000)
			popular := object("https://popular/", store.BodyOf(make([]byte, 1000)))
			put(t, tier, popular)
			for range 100 {
				stored(t, tier, popular.Key)
			}
			if err := c.freshen(tier, popular); err != nil {
				t.Fatal(err)
			}
			for i := range 200 { // two to four budgets of it
				put(t, tier, object(fmt.Sprintf("https://a/%d", i), store.BodyOf(make([]byte, 1000))))
			}
			if !stored(t, tier, popular.Key) || tier.Stats().Evictions < 100 {
				t.Errorf("it is gone, or nothing is: %+v", tier.Stats())
			}
		})
	}
}

// TestRemovedWhileFilling: a purge disturbs no reader, not even a slow one.
func TestRemovedWhileFilling(t *testing.T) {
	tier := New(1 << 20)
	o := object("https://a/", store.NewBody(-1))
	put(t, tier, o)
	if n, _ := tier.RemoveKey(t.Context(), "https://a/"); n != 1 {
		t.Errorf("RemoveKey = %d, want 1", n)
	}
	for range 8 {
		if err := o.Body.Append(t.Context(), make([]byte, 1<<20)); err != nil {
			t.Fatalf("Append: %v", err)
		}
	}
	if o.Body.Detached() || tier.Stats().Bytes != 0 {
		t.Errorf("detached: %v, Stats = %+v", o.Body.Detached(), tier.Stats())
	}
	checkInvariants(t, tier)
}

// TestRandomOperations: whatever is done, in whatever order, by whomever, the
// tier keeps its invariants, under a budget that is far too small.
func TestRandomOperations(t *testing.T) {
	tier := New(3 << 20)
	for step := range 3 {
		var wg sync.WaitGroup
		for worker := range 4 {
			rng := rand.New(rand.NewPCG(uint64(step), uint64(worker)))
			wg.Go(func() { operate(t, tier, rng) })
		}
		wg.Wait()
		checkInvariants(t, tier)
	}
	for i := range 60 {
		if _, err := tier.RemoveKey(t.Context(), fmt.Sprintf("https://a/%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if s := tier.Stats(); s.Objects != 0 || s.Bytes != 0 || tier.ranking.Len() != 0 || s.Evictions == 0 {
		t.Errorf("Stats = %+v after all is removed, %d ranked", s, tier.ranking.Len())
	}
	awaitLingering(t, tier, 0)
}

func operate(t *testing.T, tier *Tier, rng *rand.Rand) {
	ctx := t.Context()
	for step := range 400 {
		key := fmt.Sprintf("https://a/%d", rng.IntN(60))
		objects, _ := tier.Get(ctx, []byte(key))
		var some *store.Object
		if len(objects) > 0 {
			some = objects[rng.IntN(len(objects))]
		}
		var err error
		switch op := rng.IntN(12); {
		case op < 6:
			o := object(key, store.NewBody(int64(rng.IntN(300_000)-1)))
			o.Head.Variant = fmt.Sprint(rng.IntN(4))
			err = tier.Put(ctx, o, 1+rng.IntN(4))
			fillSome(t, tier, o, rng)
		case op < 8 && some != nil:
			_, err = tier.Replace(ctx, some, object(key, some.Body))
		case op < 9 && some != nil:
			err = tier.Remove(ctx, some)
		case op < 10 && some != nil:
			err = tier.Put(ctx, object(key, some.Body), 4) // beside the other
		case op == 10:
			_, err = tier.RemoveKey(ctx, key)
		case step%50 == 0:
			tier.SetBudget(int64(2+rng.IntN(2)) << 20)
		}
		if err != nil && !errors.Is(err, store.ErrFull) { // which depends on the collector
			t.Errorf("step %d: %v", step, err)
		}
	}
}

// fillSome is a filler: most complete and settle, some abort and remove.
func fillSome(t *testing.T, tier *Tier, o *store.Object, rng *rand.Rand) {
	r, err := o.Body.Open(0)
	if err != nil {
		return // it was evicted at once
	}
	defer r.Close()
	p := make([]byte, 1+rng.IntN(50_000))
	for range rng.IntN(15) {
		if err := o.Body.Append(t.Context(), p); err != nil {
			t.Errorf("Append: %v", err)
			break
		}
		if _, err := r.Next(t.Context(), 0, nil); err != nil {
			t.Errorf("Next: %v", err)
			break
		}
	}
	if rng.IntN(5) == 0 {
		o.Body.Abort(errors.New("connection reset"))
		err = tier.Remove(t.Context(), o)
	} else {
		o.Body.Complete()
		err = tier.Settle(t.Context(), o)
	}
	if err != nil {
		t.Errorf("ending a fill: %v", err)
	}
}

func TestAllocs(t *testing.T) {
	tier := New(1 << 20)
	put(t, tier, object("https://a/", store.BodyOf(make([]byte, 100))))
	key, ctx := []byte("https://a/"), t.Context()
	for name, key := range map[string][]byte{"hit": key, "miss": []byte("https://b/")} {
		if n := testing.AllocsPerRun(100, func() { _, _ = tier.Get(ctx, key) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	tier := New(64 << 20)
	keys := make([][]byte, 1000)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "https://example.com/some/path/%d", i)
		put(b, tier, object(string(keys[i]), store.BodyOf(make([]byte, 1000))))
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		ctx, i := b.Context(), rand.IntN(1000)
		for pb.Next() {
			i = (i + 7) % len(keys)
			if objects, _ := tier.Get(ctx, keys[i]); len(objects) != 1 {
				b.Error("not stored")
			}
		}
	})
}

func BenchmarkPutAndEvict(b *testing.B) {
	tier := New(1 << 20)
	p := make([]byte, 10_000)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		o := object(fmt.Sprintf("https://example.com/some/path/%d", i), store.BodyOf(p))
		put(b, tier, o)
		_ = tier.Settle(b.Context(), o)
	}
}
