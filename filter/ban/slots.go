package ban

import "sync/atomic"

// Slots bound how many connections are held at once, as by a tarpit: holding a
// client costs the server memory too. Without a free slot the client is answered
// at once. The zero value has none.
type Slots struct {
	max  atomic.Int64
	used atomic.Int64
}

// NewSlots makes n slots.
func NewSlots(n int) *Slots {
	s := new(Slots)
	s.SetMax(n)
	return s
}

// SetMax changes the number of slots. Those that are taken stay so.
func (s *Slots) SetMax(n int) { s.max.Store(int64(n)) }

// Take takes a slot, and reports whether there was one. Who has one gives it back
// with Release, once.
func (s *Slots) Take() bool {
	if s.used.Add(1) <= s.max.Load() {
		return true
	}
	s.used.Add(-1)
	return false
}

// Release gives a slot back.
func (s *Slots) Release() { s.used.Add(-1) }

// Used is the number of slots taken now; it may pass the bound for a moment, by
// as many as are just being refused.
func (s *Slots) Used() int { return int(s.used.Load()) }
