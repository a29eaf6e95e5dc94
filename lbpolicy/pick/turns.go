package pick

import (
	"cmp"
	"sync"
)

// A Turn is one host's place in the rotation. It belongs to one [Turns].
type Turn struct {
	credit float64
	full   float64 // Entry.Full of the last time
	round  uint    // in which the credit was earned
}

// An Entry is a host that may be chosen now.
type Entry struct {
	*Turn
	// Weight is the host's share relative to the others', above 0.
	Weight float64
	// Full is what Weight is in the long run, if it only grows slowly now. 0: Weight.
	Full float64
}

// Turns is smooth weighted round robin, as nginx has it since 1.3.1 (2012): with
// weights 5 1 1 the order is a a b a c a a, not a a a a a b c. Each entry earns its weight,
// the richest is chosen and pays what all earned. Over any run of sum(weights)
// choices with the same entries, each is chosen exactly weight times. An entry
// that is left out keeps its credit, and the others' shares stay exact. When
// somebody changes a weight (Entry.Full), all begin anew: what a host earned with a
// weight of 1000 would keep those of 1 waiting for hundreds of choices.
//
// The zero value is ready. It is safe for concurrent use.
type Turns struct {
	mu    sync.Mutex
	round uint
}

// Next returns an index into entries, or -1 if there are none.
func (t *Turns) Next(entries []Entry) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.noticeChange(entries)
	best, sum := -1, 0.0
	for i := range entries {
		e := &entries[i]
		if e.round != t.round {
			e.credit, e.round = 0, t.round
		}
		e.credit += e.Weight
		sum += e.Weight
		if best < 0 || e.credit > entries[best].credit {
			best = i
		}
	}
	if best >= 0 {
		entries[best].credit -= sum
	}
	return best
}

// noticeChange begins a new round if a weight was changed.
func (t *Turns) noticeChange(entries []Entry) {
	for i := range entries {
		e := &entries[i]
		full := cmp.Or(e.Full, e.Weight)
		if e.full != 0 && e.full != full {
			t.round++
		}
		e.full = full
	}
}
