package lbpolicy

import (
	"container/list"
	"sync"
	"time"
)

// A sessionTable says at which address a session is. It is bounded: the session
// that was idle longest makes room. It is safe for concurrent use.
type sessionTable struct {
	max  int
	idle time.Duration

	mu     sync.Mutex
	places map[uint64]*list.Element // guarded by mu
	recent list.List                // of *session, the latest first; guarded by mu
}

type session struct {
	hash    uint64
	address string
	seen    time.Duration // on the clock
}

func newSessionTable(most int, idle time.Duration) *sessionTable {
	return &sessionTable{max: most, idle: idle, places: make(map[uint64]*list.Element)}
}

// Destruct implements caddy.Destructor.
func (*sessionTable) Destruct() error { return nil }

// find returns the address of a session, or "".
func (t *sessionTable) find(hash uint64, now time.Duration) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	place := t.places[hash]
	if place == nil {
		return ""
	}
	s := place.Value.(*session)
	if now-s.seen > t.idle {
		t.removeLocked(place)
		return ""
	}
	s.seen = max(s.seen, now)
	t.recent.MoveToFront(place)
	return s.address
}

// set notes that a session is at address now.
func (t *sessionTable) set(hash uint64, address string, now time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if place := t.places[hash]; place != nil {
		s := place.Value.(*session)
		s.address, s.seen = address, now
		t.recent.MoveToFront(place)
		return
	}
	t.places[hash] = t.recent.PushFront(&session{hash: hash, address: address, seen: now})
	// One in, and up to two out: those that are idle do not stay for ever.
	for range 2 {
		oldest := t.recent.Back()
		if len(t.places) > t.max || now-oldest.Value.(*session).seen > t.idle {
			t.removeLocked(oldest)
		}
	}
}

// move notes that a session which was at one address is at another.
func (t *sessionTable) move(hash uint64, from, to string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if place := t.places[hash]; place != nil && place.Value.(*session).address == from {
		place.Value.(*session).address = to
	}
}

func (t *sessionTable) forget(hash uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if place := t.places[hash]; place != nil {
		t.removeLocked(place)
	}
}

func (t *sessionTable) removeLocked(place *list.Element) {
	delete(t.places, t.recent.Remove(place).(*session).hash)
}

func (t *sessionTable) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.places)
}
