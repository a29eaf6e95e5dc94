package memory

import (
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/caddy-portico/portico/cachehandler/store"
)

// TestFullOfReaders: clients that ask for one large object after another and
// read nothing do not fill the heap, and when they have gone all is well again.
func TestFullOfReaders(t *testing.T) {
	const budget, size = 4 << 20, 3 << 20
	for _, c := range []struct {
		name string
		drop func(tier *Tier, o *store.Object) error // nil: the next Put evicts it
	}{
		{"evicted", nil},
		{"removed", func(tier *Tier, o *store.Object) error { return tier.Remove(t.Context(), o) }},
		{"purged", func(tier *Tier, o *store.Object) error {
			_, err := tier.RemoveKey(t.Context(), o.Key)
			return err
		}},
		{"superseded", func(tier *Tier, o *store.Object) error {
			small := object(o.Key, store.BodyOf(make([]byte, 10)))
			if err := tier.Put(t.Context(), small, 10); err != nil {
				return err
			}
			return tier.Settle(t.Context(), small)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tier := newStrict(budget)
			readers := fillWithReaders(t, tier, size, c.drop)
			if n := tier.lingering.Load(); n <= 4*budget || n > 4*budget+size {
				t.Errorf("%d bytes linger when the tier is full", n)
			}
			runtime.GC()
			runtime.GC()
			o := object("https://new/", store.BodyOf(make([]byte, 10)))
			if err := tier.Put(t.Context(), o, 10); !errors.Is(err, store.ErrFull) {
				t.Fatalf("Put, while all are read = %v, want ErrFull", err)
			}
			checkInvariants(t, tier)
			for _, r := range readers {
				r.Close()
			}
			clear(readers)
			awaitLingering(t, tier, 0)
			put(t, tier, o)
			if !stored(t, tier, o.Key) {
				t.Error("nothing is stored after all readers have left")
			}
		})
	}
}

// fillWithReaders puts objects that have a reader each, and drops them, until
// the tier is full.
func fillWithReaders(t *testing.T, tier *Tier, size int, drop func(*Tier, *store.Object) error) (readers []*store.Reader) {
	t.Helper()
	for i := range 20 {
		o := object(fmt.Sprintf("https://a/%d", i), store.BodyOf(make([]byte, size)))
		err := tier.Put(t.Context(), o, 10)
		if errors.Is(err, store.ErrFull) {
			return readers
		}
		if err != nil {
			t.Fatalf("Put: %v", err)
		}
		r, err := o.Body.Open(0)
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		readers = append(readers, r)
		if drop == nil {
			continue
		}
		if err := drop(tier, o); err != nil {
			t.Fatalf("dropping %s: %v", o.Key, err)
		}
	}
	t.Fatalf("never full: %d objects of %d bytes are read", len(readers), size)
	return nil
}

// awaitLingering collects garbage until that many bytes linger.
func awaitLingering(t *testing.T, tier *Tier, want int64) {
	t.Helper()
	for range 100 {
		runtime.GC() // cleanups run soon after it
		if tier.lingering.Load() == want {
			return
		}
	}
	t.Fatalf("%d bytes linger, want %d", tier.lingering.Load(), want)
}

// TestFullServes: a tier that takes nothing new still answers and updates what
// it has.
func TestFullServes(t *testing.T) {
	tier := newStrict(4 << 20)
	kept := object("https://kept/", store.BodyOf(make([]byte, 1000)))
	put(t, tier, kept)
	for range 100 {
		stored(t, tier, kept.Key)
	}
	readers := fillWithReaders(t, tier, 3<<20, nil)
	if !stored(t, tier, kept.Key) {
		t.Fatal("what was asked for most is gone")
	}
	put(t, tier, kept)
	fresh := object(kept.Key, kept.Body) // RFC 9111 §4.3.4
	if ok, err := tier.Replace(t.Context(), kept, fresh); err != nil || !ok {
		t.Errorf("Replace = %v, %v, want true", ok, err)
	}
	other := object(kept.Key, store.BodyOf(make([]byte, 1000)))
	if err := tier.Put(t.Context(), other, 10); !errors.Is(err, store.ErrFull) {
		t.Errorf("Put of another body = %v, want ErrFull", err)
	}
	if got := get(t, tier, kept.Key); len(got) != 1 || got[0] != fresh {
		t.Errorf("stored: %v, want the freshened object", got)
	}
	checkInvariants(t, tier)
	tier.SetBudget(64 << 20)
	put(t, tier, other)
	runtime.KeepAlive(readers)
}

// TestGarbageIsNotLingering: what nobody reads never keeps anything from being
// stored, though it waits for the collector.
func TestGarbageIsNotLingering(t *testing.T) {
	const budget, size, objects = 64 << 20, 1 << 20, 600
	tier := newStrict(budget)
	var most int64
	chunk := make([]byte, 64<<10)
	for i := range objects {
		o := object(fmt.Sprintf("https://a/%d", i), store.NewBody(size))
		put(t, tier, o) // fails the test when it is refused
		for range size / len(chunk) {
			if err := o.Body.Append(t.Context(), chunk); err != nil {
				t.Fatalf("Append: %v", err)
			}
		}
		o.Body.Complete()
		if err := tier.Settle(t.Context(), o); err != nil {
			t.Fatalf("Settle: %v", err)
		}
		most = max(most, tier.lingering.Load())
	}
	t.Logf("at most %d MiB lingered", most>>20)
	if most == 0 {
		t.Error("nothing was counted")
	}
}

// TestLingersAsMuchAsItHolds: a body that goes on after it was dropped counts
// for what it holds, not for what it held.
func TestLingersAsMuchAsItHolds(t *testing.T) {
	const budget = 8 << 20
	tier := newStrict(budget)
	o := object("https://a/", store.NewBody(-1))
	put(t, tier, o)
	r, err := o.Body.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tier.RemoveKey(t.Context(), o.Key); err != nil {
		t.Fatal(err)
	}
	grow := func(n int) {
		for range n {
			if o.Body.Detached() {
				return // the filler would wait for the reader
			}
			if err := o.Body.Append(t.Context(), make([]byte, 1<<20)); err != nil {
				t.Fatalf("Append: %v", err)
			}
		}
	}
	grow(6)
	if n := tier.lingering.Load(); n != o.Body.Held() || n < 6<<20 {
		t.Errorf("removed while it filled: %d bytes linger of %d it holds", n, o.Body.Held())
	}
	put(t, tier, o)
	if n := tier.lingering.Load(); n != 0 {
		t.Errorf("put again: %d bytes linger", n)
	}
	checkInvariants(t, tier)
	grow(6) // over the budget: detached
	if n := tier.lingering.Load(); !o.Body.Detached() || n != o.Body.Held() || n < budget {
		t.Errorf("evicted: %d bytes linger of %d it holds", n, o.Body.Held())
	}
	for size, read := o.Body.Held(), int64(0); read < size-1<<20; {
		p, err := r.Next(t.Context(), 0, nil)
		if err != nil {
			t.Fatalf("Next: %v", err)
		}
		read += int64(len(p))
	}
	if n := tier.lingering.Load(); n != o.Body.Held() || n > 2<<20 {
		t.Errorf("read to what is held of a stream: %d bytes linger of %d it holds", n, o.Body.Held())
	}
	r.Close()
	o, r = nil, nil
	awaitLingering(t, tier, 0)
}

// TestSmallOnesDoNotLinger: they are not worth the counting.
func TestSmallOnesDoNotLinger(t *testing.T) {
	for size, want := range map[int]int64{lingerFrom - 1: 0, lingerFrom: lingerFrom} {
		tier := newStrict(1 << 20)
		o := object("https://a/", store.BodyOf(make([]byte, size)))
		put(t, tier, o)
		if err := tier.Remove(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if n := tier.lingering.Load(); n != want {
			t.Errorf("of %d bytes, %d linger, want %d", size, n, want)
		}
		runtime.KeepAlive(o)
	}
}

// TestListedAgainIsCollected: a body that was dropped and put again goes with a
// tier that goes without Close: nothing a cleanup refers to leads to it.
func TestListedAgainIsCollected(t *testing.T) {
	gone := make(chan struct{})
	func() {
		tier := newStrict(8 << 20)
		o := object("https://a/", store.BodyOf(make([]byte, 1<<20)))
		for range 3 {
			put(t, tier, o)
			if err := tier.Remove(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		}
		if n := tier.lingering.Load(); n != 1<<20 {
			t.Errorf("dropped three times: %d bytes linger, want %d", n, 1<<20)
		}
		put(t, tier, o)
		runtime.AddCleanup(o.Body, func(gone chan struct{}) { close(gone) }, gone)
	}()
	for range 100 {
		runtime.GC()
		select {
		case <-gone:
			return
		default:
		}
	}
	t.Error("the body is still there")
}

// newStrict is New without the least that may linger.
func newStrict(budget int64) *Tier {
	t := New(budget)
	t.lingerLeast = 0
	return t
}
