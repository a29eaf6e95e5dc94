package pick

import "sync"

// A Turn is one host's place in the rotation. It belongs to one [Turns].
type Turn struct{ credit float64 }

// An Entry is a host that may be chosen now.
type Entry struct {
	*Turn
	// Weight is the host's share relative to the others', above 0.
	Weight float64
}

// Turns is smooth weighted round robin, as nginx has it since 1.3.1 (2012): with
// weights 5 1 1 the order is a a b a c a a, not a a a a a b c. Each entry earns its weight,
// the richest is chosen and pays what all earned. Over any run of sum(weights)
// choices with the same entries, each is chosen exactly weight times. An entry
// that is left out keeps its credit, and the others' shares stay exact.
//
// The zero value is ready. It is safe for concurrent use.
type Turns struct{ mu sync.Mutex }

// Next returns an index into entries, or -1 if there are none.
func (t *Turns) Next(entries []Entry) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	best, sum := -1, 0.0
	for i := range entries {
		e := &entries[i]
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
