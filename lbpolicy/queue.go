package lbpolicy

import (
	"container/list"
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// A queue is where the requests of one policy wait for a slot at an upstream:
// first come, first served, not more than a number of them, and none longer
// than a time or than its client.
//
// Only the head of the queue looks for a slot. It does when one is given back,
// and now and then besides: an upstream may also recover or join.
type queue struct {
	tap     *tap
	max     int
	timeout time.Duration

	mu      sync.Mutex
	waiting list.List // of chan struct{}: a token there is the head's turn to look
}

// What became of the requests that found no slot, in all queues.
var queued struct{ served, refused, timedOut, canceled atomic.Uint64 }

// lookAgain is how often the head of a queue looks unasked.
const lookAgain = 100 * time.Millisecond

func newQueue(t *tap, most int, timeout time.Duration) *queue {
	return &queue{tap: t, max: most, timeout: timeout}
}

// A try looks for an upstream; without one it says whether that is only because some are full.
type try func() (up *reverseproxy.Upstream, full bool)

// pass returns an upstream for a request as soon as there is one, or nil when
// the request has waited long enough.
func (q *queue) pass(ctx context.Context, pool reverseproxy.UpstreamPool, look try) *reverseproxy.Upstream {
	if q.len() == 0 {
		if up, full := look(); up != nil || !full {
			return up
		}
	}
	turn, place := q.join()
	if place == nil {
		return nil
	}
	defer q.leave(place)
	timeout := time.NewTimer(q.timeout)
	defer timeout.Stop()
	again := time.NewTimer(lookAgain)
	defer again.Stop()
	for {
		select {
		case <-turn:
		case <-again.C:
			again.Reset(lookAgain)
			if !q.first(place) {
				continue
			}
		case <-timeout.C:
			queued.timedOut.Add(1)
			return nil
		case <-ctx.Done():
			queued.canceled.Add(1)
			// With any upstream, the round trip ends at once, as that of a
			// client that went away and not as a fault of ours.
			return anyOf(pool)
		}
		if up, full := look(); up != nil || !full {
			queued.served.Add(1)
			return up
		}
	}
}

func anyOf(pool reverseproxy.UpstreamPool) *reverseproxy.Upstream {
	if len(pool) == 0 {
		return nil
	}
	return pool[0]
}

// join takes the last place, if there is room.
func (q *queue) join() (turn chan struct{}, place *list.Element) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting.Len() >= q.max {
		queued.refused.Add(1)
		return nil, nil
	}
	turn = make(chan struct{}, 1)
	place = q.waiting.PushBack(turn)
	if q.waiting.Len() == 1 {
		queues.add(q)
		turn <- struct{}{} // a slot may have come free since
	}
	return turn, place
}

// leave gives the place up, and the next its turn.
func (q *queue) leave(place *list.Element) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting.Remove(place)
	if q.waiting.Len() == 0 {
		queues.remove(q)
		return
	}
	q.wakeLocked()
}

func (q *queue) wake() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.wakeLocked()
}

func (q *queue) wakeLocked() {
	head := q.waiting.Front()
	if head == nil {
		return
	}
	select {
	case head.Value.(chan struct{}) <- struct{}{}:
	default: // it has a turn that it has not taken yet
	}
}

func (q *queue) first(place *list.Element) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting.Front() == place
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting.Len()
}

// queues are those in which somebody waits.
var queues queueSet

type queueSet struct {
	mu  sync.RWMutex
	set map[*queue]struct{}
}

func (s *queueSet) add(q *queue) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.set == nil {
		s.set = make(map[*queue]struct{})
	}
	s.set[q] = struct{}{}
}

func (s *queueSet) remove(q *queue) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.set, q)
}

// all returns the queues in which somebody waits.
func (s *queueSet) all() []*queue {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Collect(maps.Keys(s.set))
}

// wakeQueues tells those who wait that a slot was given back.
func wakeQueues() {
	for _, q := range queues.all() {
		q.wake()
	}
}

// waitingFor is how many requests wait for a slot at the upstream or another of
// its pool.
func waitingFor(address string) (n int) {
	for _, q := range queues.all() {
		if len(q.tap.static) == 0 || q.tap.static[address] != nil {
			n += q.len()
		}
	}
	return n
}
