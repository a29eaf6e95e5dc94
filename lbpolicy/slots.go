package lbpolicy

import "sync/atomic"

// slots counts the requests that hold a place at an upstream with a limit.
// Caddy's own count grows only after an upstream was chosen, so that requests
// which come together all see room; a slot is taken by whoever gets it.
type slots struct{ taken atomic.Int64 }

// take takes one of limit places; without a limit there is always one.
func (s *slots) take(limit int) bool {
	for {
		n := s.taken.Load()
		if limit > 0 && n >= int64(limit) {
			return false
		}
		if s.taken.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (s *slots) free() { s.taken.Add(-1) }

// full reports that all of limit places are taken.
func (s *slots) full(limit int) bool {
	return limit > 0 && s.taken.Load() >= int64(limit)
}
