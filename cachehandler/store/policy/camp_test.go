package policy

import (
	"math/rand/v2"
	"testing"
)

// TestHitRatio: on generated loads a CAMP hits as often as the exact algorithm
// does that never forgets, and more often than the plain one and LRU.
func TestHitRatio(t *testing.T) {
	const requests = 100_000
	for _, c := range []struct {
		name    string
		objects int
		oneOff  float64
		budget  int64
		shifts  int // how often a third of the popular objects change
	}{
		{"small cache", 50_000, 0.2, 16 << 20, 0},
		{"large cache", 50_000, 0.2, 160 << 20, 0},
		{"no one-off requests", 50_000, 0, 16 << 20, 0},
		{"half is one-off requests", 50_000, 0.5, 64 << 20, 0},
		{"changing popularity", 50_000, 0.2, 64 << 20, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			caches := []cache{newCamp(c.budget), newGDSFWithMemory(c.budget), newGDSF(c.budget), newLRU(c.budget)}
			hits := make([]float64, len(caches))
			l := newLoad(c.objects, c.oneOff)
			for i := range requests {
				if c.shifts > 0 && i%(requests/c.shifts) == 0 {
					l.shift += int64(c.objects) / 3
				}
				id, size := l.request()
				for j, cache := range caches {
					if cache.request(id, size) {
						hits[j] += 100. / requests
					}
				}
			}
			t.Logf("hits: CAMP %.1f %%, exact with memory %.1f %%, exact %.1f %%, LRU %.1f %%",
				hits[0], hits[1], hits[2], hits[3])
			if d := hits[0] - hits[1]; d < -1.5 || d > 1.5 {
				t.Errorf("CAMP hits %.1f %%, exact %.1f %%: want within 1.5", hits[0], hits[1])
			}
			if hits[0] < hits[2]-0.5 || hits[0] < hits[3]*1.1 {
				t.Errorf("CAMP hits %.1f %%, plain exact %.1f %%, LRU %.1f %%: want no less, and a tenth more",
					hits[0], hits[2], hits[3])
			}
		})
	}
}

// TestOneOffFlood: nine of ten requests are for objects nobody asks for again;
// what is asked for again and would fit must stay nevertheless.
func TestOneOffFlood(t *testing.T) {
	const budget, working = 64 << 20, 40_000_000
	for _, c := range []struct {
		name            string
		size, floodOf   int64
		want, lruAtMost float64
	}{
		{"large, in a flood of large ones", 100_000, 100_000, 0.85, 0.2},
		{"large, in a flood of small ones", 100_000, 1024, 0.9, 1},
		{"small, in a flood of large ones", 10_000, 100_000, 0.45, 0.1},
	} {
		t.Run(c.name, func(t *testing.T) {
			caches := []cache{newCamp(budget), newLRU(budget)}
			hits := make([]float64, len(caches))
			rng := rand.New(rand.NewPCG(1, 1))
			const rounds = 40_000
			for round := range int64(rounds) {
				id := rng.Int64N(working / c.size)
				for j, cache := range caches {
					if cache.request(id, c.size) && round >= rounds/2 {
						hits[j] += 2. / rounds
					}
					for i := range int64(9) {
						cache.request(1<<40+9*round+i, c.floodOf)
					}
				}
			}
			t.Logf("hits: CAMP %.2f, LRU %.2f", hits[0], hits[1])
			if hits[0] < c.want || hits[1] > c.lruAtMost {
				t.Errorf("hits: CAMP %.2f, want %.2f; LRU %.2f, expected at most %.2f",
					hits[0], c.want, hits[1], c.lruAtMost)
			}
		})
	}
}

// TestAgeing: what was popular and is no longer asked for goes in the end,
// however popular it was and however small it is.
func TestAgeing(t *testing.T) {
	const budget = 1 << 20
	c := newCamp(budget)
	for range 1000 {
		for id := range int64(500) {
			c.request(id, 2000)
		}
	}
	left := func() (n int) {
		for id := range c.stored {
			if id < 500 {
				n++
			}
		}
		return n
	}
	if n := left(); n != 500 {
		t.Fatalf("%d of 500 objects are stored after 1000 rounds of hits", n)
	}
	rng := rand.New(rand.NewPCG(5, 6))
	var passed int64
	for ; left() > 0; passed += 5000 {
		if passed > 100*budget {
			t.Fatalf("%d formerly popular objects are left after %d budgets", left(), passed/budget)
		}
		c.request(1000+rng.Int64N(300), 5000)
	}
	t.Logf("all left within %.1f budgets", float64(passed)/budget)
}

// TestVictimIsBounded: if all entries were hit since the last eviction, one is
// evicted nevertheless, after a bounded number of looks.
func TestVictimIsBounded(t *testing.T) {
	c := newCamp(1 << 40)
	for id := range int64(10_000) {
		c.request(id, 1000)
		c.request(id, 1000)
	}
	if victim := c.Victim(); victim == nil || c.Len() != 9999 {
		t.Fatalf("Victim = %v, %d entries left", victim, c.Len())
	}
	counted := 0
	for _, e := range c.stored {
		if e.counted > 0 {
			counted++
		}
	}
	if counted > mostRefiled+1 {
		t.Errorf("one Victim call looked at %d entries, want at most %d", counted, mostRefiled+1)
	}
}

func TestVictimOrder(t *testing.T) {
	var c CAMP[string]
	add := func(name string, size int64, hits int) *Entry[string] {
		e := &Entry[string]{Value: name, Hits: new(Counter), ID: uint64(len(name)) << 56}
		c.Add(e, size, nil)
		for range hits {
			e.Hits.Hit()
		}
		return e
	}
	add("large", 1<<20, 0)
	grown := add("grown", 1000, 0)
	c.Resize(grown, 8<<20)
	add("large, hit", 1<<20, 3)
	removed := add("removed", 4<<20, 0)
	add("small", 1000, 0)
	add("small, later", 1000, 0)
	add("small, hit", 1000, 1)
	taken := add("taken over", 16<<20, 0)
	c.Remove(taken)
	c.Add(taken, 1000, &Entry[string]{freq: 10})

	if !c.Remove(removed) || c.Remove(removed) {
		t.Error("Remove does not say whether the entry was filed")
	}
	c.Resize(removed, 1) // must not file it
	for _, want := range []string{
		"grown", "large", "large, hit", "small", "small, later", "small, hit", "taken over",
	} {
		if victim := c.Victim(); victim == nil || victim.Value != want {
			t.Fatalf("Victim = %+v, want %q", victim, want)
		}
	}
	if victim := c.Victim(); victim != nil || c.Len() != 0 {
		t.Errorf("Victim of nothing = %+v, Len = %d", victim, c.Len())
	}
}

// TestClasses: classes are in the order of ratios, near them, and few enough.
func TestClasses(t *testing.T) {
	const largest = largestWeight << ratioBits / smallestSize
	if classOf(largest) >= classes {
		t.Fatalf("class of the largest ratio = %d, want below %d", classOf(largest), classes)
	}
	before := -1
	for class := range classOf(largest) + 1 {
		ratio := ratioOf(class)
		if got := classOf(ratio); got != class {
			t.Errorf("classOf(ratioOf(%d)) = %d", class, got)
		}
		if class > 0 && classOf(ratio-1) != before {
			t.Errorf("class %d does not follow class %d", class, before)
		}
		if next := ratioOf(class + 1); ratio > 16 && float64(next-ratio) > float64(ratio)/8+1 {
			t.Errorf("class %d is %d to %d: more than an eighth", class, ratio, next)
		}
		before = class
	}
}

func TestGhosts(t *testing.T) {
	var g ghosts
	rng := rand.New(rand.NewPCG(7, 8))
	ids := make([]uint64, 30_000)
	for i := range ids {
		ids[i] = rng.Uint64()
		g.bury(ids[i], int64(1+i%mostHits), i)
	}
	if len(g.slots) < ghostsPerEntry*(len(ids)-1) {
		t.Fatalf("%d slots for %d entries", len(g.slots), len(ids))
	}
	known := 0
	for i, id := range ids {
		switch freq := g.raise(id); freq {
		case 0: // its slot was taken
		case int64(1 + i%mostHits):
			known++
		default:
			t.Fatalf("raise = %d, buried with %d", freq, 1+i%mostHits)
		}
		if g.raise(id) != 0 {
			t.Fatal("raised twice")
		}
	}
	if known < len(ids)*3/4 {
		t.Errorf("%d of %d are remembered", known, len(ids))
	}
}

// TestRandomOperations: the queues hold exactly the filed entries, each in its
// class and in the order of ranks, whatever is done.
func TestRandomOperations(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	var c CAMP[int]
	filed := map[*Entry[int]]bool{}
	var entries []*Entry[int]
	for i := range 300 {
		entries = append(entries, &Entry[int]{Value: i, Hits: new(Counter), ID: rng.Uint64()})
	}
	for range 6_000 {
		e := entries[rng.IntN(len(entries))]
		switch op := rng.IntN(6); {
		case op == 0 && !filed[e]:
			c.Add(e, rng.Int64N(1<<rng.IntN(40)+1), nil)
			filed[e] = true
		case op == 1:
			if c.Remove(e) != filed[e] {
				t.Fatal("Remove does not say whether the entry was filed")
			}
			delete(filed, e)
		case op == 2:
			c.Resize(e, rng.Int64N(1<<rng.IntN(40)+1))
		case op == 3:
			victim := c.Victim()
			if (victim == nil) != (len(filed) == 0) || victim != nil && !filed[victim] {
				t.Fatalf("Victim = %v with %d entries filed", victim, len(filed))
			}
			delete(filed, victim)
		default:
			e.Hits.Hit()
		}
		checkQueues(t, &c, len(filed))
	}
}

func checkQueues(t *testing.T, c *CAMP[int], want int) {
	t.Helper()
	n := 0
	for class := range c.queues {
		var last *Entry[int]
		for e := c.queues[class].head; e != nil; last, e = e, e.next {
			n++
			if e.class != class || !e.filed || e.prev != last || last != nil && last.rank > e.rank {
				t.Fatalf("entry %+v after %+v in queue %d", e, last, class)
			}
		}
		if c.queues[class].tail != last || (last != nil) != (c.occupied[class/64]>>(class%64)&1 == 1) {
			t.Fatalf("queue %d: tail or occupied is wrong", class)
		}
	}
	if n != want || c.Len() != want {
		t.Fatalf("%d entries in queues, Len = %d, want %d", n, c.Len(), want)
	}
}

func BenchmarkVictim(b *testing.B) {
	c := newCamp(64 << 20)
	l := newLoad(50_000, 0.2)
	for range 50_000 {
		c.request(l.request())
	}
	id := int64(1 << 50)
	b.ReportAllocs()
	for b.Loop() {
		id++
		e := &Entry[int64]{Value: id, Hits: new(Counter), ID: uint64(id) * 0x9e3779b97f4a7c15}
		c.Add(e, 10_000, nil)
		c.Victim()
	}
}
