package ban

import "sync/atomic"

// Slots bound how many connections are held at once, as by a tarpit: holding a
// client costs the server memory too. Without a free slot the client is answered
// at once. The zero value has none.
type Slots struct {
	max  int64
	used atomic.Int64
}

// NewSlots makes n slots.
func NewSlots(n int) *Slots { return &Slots{max: int64(n)} }

// Take takes a slot, and reports whether there was one. Who has one gives it back
// with Release, once.
func (s *Slots) Take() bool {
	if s.used.Add(1) <= s.max {
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
