package pick

import (
	"math"
	"sync"
	"testing"
)

func entries(weights ...int) []Entry {
	e := make([]Entry, len(weights))
	for i, w := range weights {
		e[i] = Entry{Turn: new(Turn), Weight: float64(w)}
	}
	return e
}

// Over sum(weights) choices each is chosen exactly weight times, and at no time
// is anyone further from its share than there are entries.
func FuzzTurns(f *testing.F) {
	f.Add([]byte{5, 1, 1})
	f.Add([]byte{1, 1, 1, 1})
	f.Add([]byte{100, 3})
	f.Fuzz(func(t *testing.T, weights []byte) {
		var e []Entry
		sum := 0
		for _, w := range weights[:min(len(weights), 12)] {
			if w > 0 {
				e = append(e, entries(int(w))...)
				sum += int(w)
			}
		}
		if len(e) == 0 {
			if new(Turns).Next(nil) != -1 {
				t.Fatal("chosen of none")
			}
			return
		}
		var turns Turns
		counts := make([]int, len(e))
		for k := 1; k <= 2*sum; k++ {
			counts[turns.Next(e)]++
			for i := range e {
				share := float64(k) * e[i].Weight / float64(sum)
				if off := math.Abs(float64(counts[i]) - share); off > float64(len(e)) {
					t.Fatalf("after %d choices %d was chosen %d times, its share is %.1f", k, i, counts[i], share)
				}
			}
			if k%sum == 0 {
				for i := range e {
					if counts[i]*sum != k*int(e[i].Weight) {
						t.Fatalf("after %d choices %v, want in proportion to %v", k, counts, weights)
					}
				}
			}
		}
	})
}

// With one host down, the others share exactly by weight, and it has its exact share
// again when it is back.
func TestTurnsWithHostsDown(t *testing.T) {
	all := entries(5, 1, 1)
	var turns Turns
	count := func(e []Entry, n int) map[*Turn]int {
		counts := map[*Turn]int{}
		for range n {
			counts[e[turns.Next(e)].Turn]++
		}
		return counts
	}
	for down := range all {
		for start := range 7 {
			count(all, start)
			var up []Entry
			sum := 0
			for i := range all {
				if i != down {
					up, sum = append(up, all[i]), sum+int(all[i].Weight)
				}
			}
			count(up, 3*sum) // the credit of before is used up
			for _, e := range up {
				if got := count(up, sum)[e.Turn]; got != int(e.Weight) {
					t.Errorf("host %d down at %d: %d of %d, want %v", down, start, got, sum, e.Weight)
				}
			}
			count(all, 21)
			counts := count(all, 7)
			for i := range all {
				if counts[all[i].Turn] != int(all[i].Weight) {
					t.Errorf("host %d back: host %d has %d of 7", down, i, counts[all[i].Turn])
				}
			}
		}
	}
}

// A host that was away has neither a burst of turns nor a drought when it is back.
func TestTurnsSmoothReturn(t *testing.T) {
	all := entries(2, 1, 1)
	var turns Turns
	for range 3 {
		turns.Next(all)
	}
	for range 1000 {
		turns.Next(all[1:])
	}
	counts := make([]int, 3)
	for range 8 {
		counts[turns.Next(all)]++
	}
	if counts[0] < 3 || counts[0] > 5 {
		t.Errorf("%v after the return, want about 4 2 2", counts)
	}
}

// Shares are exact from the choice on at which a weight was changed, and a weight
// that grows slowly is none that was changed.
func TestTurnsWithChangedWeights(t *testing.T) {
	for _, weights := range [][3]float64{{1000, 1, 1}, {1, 1000, 500}, {5, 1, 1}, {2, 3, 4}} {
		for before := 0; before < 1100; before += 13 {
			e := entries(int(weights[0]), int(weights[1]), int(weights[2]))
			var turns Turns
			for range before {
				turns.Next(e)
			}
			for i, w := range []float64{1, 1, 2} {
				e[i].Weight = w
			}
			counts := make([]int, 3)
			for range 4 {
				counts[turns.Next(e)]++
			}
			if counts[0] != 1 || counts[1] != 1 || counts[2] != 2 {
				t.Fatalf("after %d choices by %v: %v, want 1 1 2", before, weights, counts)
			}
		}
	}
	e := entries(1, 1)
	var turns Turns
	counts := make([]int, 2)
	for k := range 200 {
		e[1].Full, e[1].Weight = 1, 0.1+0.0045*float64(k)
		counts[turns.Next(e)]++
	}
	if counts[1] < 60 || counts[1] > 70 {
		t.Errorf("%v while one grows from a tenth to all of its weight, want a third for it", counts)
	}
}

func TestTurnsConcurrent(t *testing.T) {
	e := entries(5, 1, 1)
	var turns Turns
	var mu sync.Mutex
	var wg sync.WaitGroup
	counts := make([]int, 3)
	for range 7 {
		wg.Go(func() {
			for range 700 {
				i := turns.Next(e)
				mu.Lock()
				counts[i]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if counts[0] != 3500 || counts[1] != 700 || counts[2] != 700 {
		t.Errorf("%v, want 3500 700 700", counts)
	}
}
