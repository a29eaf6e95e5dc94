package origin

import (
	"context"
	"sync"
)

// Gate holds answers until a test lets them go on; options gate, hold and
// step name one. It starts closed. It replaces sleeping: a test waits for
// Arrived, looks at what clients have got by then, and calls Pass or Open.
type Gate struct {
	mu      sync.Mutex // guards what follows
	open    bool
	passes  int             // permits of Pass nobody has used yet
	waiting []chan struct{} // in order of arrival
	arrived tally
}

// Open lets everybody through, now and later.
func (g *Gate) Open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = true
	for _, ch := range g.waiting {
		close(ch)
	}
	g.waiting = nil
}

// Close makes the gate hold again.
func (g *Gate) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open, g.passes = false, 0
}

// Pass lets n answers through, the longest waiting first; those that are not
// there yet pass when they come.
func (g *Gate) Pass(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for ; n > 0 && len(g.waiting) > 0; n-- {
		close(g.waiting[0])
		g.waiting = g.waiting[1:]
	}
	g.passes += n
}

// Arrived is closed as soon as n answers, in total, have come to the gate,
// whether they still wait or not.
func (g *Gate) Arrived(n int) <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.arrived.reached(n)
}

// Waiting is the number of answers held now.
func (g *Gate) Waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.waiting)
}

// wait returns when the answer may go on, or with ctx's error.
func (g *Gate) wait(ctx context.Context) error {
	g.mu.Lock()
	g.arrived.add()
	if g.open || g.passes > 0 {
		if !g.open {
			g.passes--
		}
		g.mu.Unlock()
		return nil
	}
	ch := make(chan struct{})
	g.waiting = append(g.waiting, ch)
	g.mu.Unlock()

	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		g.leave(ch)
		return ctx.Err()
	}
}

// leave takes somebody who gave up out of the queue. If a Pass has let them
// through in the meantime, that permit goes to the next.
func (g *Gate) leave(ch chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, c := range g.waiting {
		if c == ch {
			g.waiting = append(g.waiting[:i:i], g.waiting[i+1:]...)
			return
		}
	}
	switch {
	case g.open:
	case len(g.waiting) > 0:
		close(g.waiting[0])
		g.waiting = g.waiting[1:]
	default:
		g.passes++
	}
}

// tally counts arrivals and tells who waits for a certain number of them. It
// is guarded by the mutex of what it is part of.
type tally struct {
	n       int
	awaited map[int]chan struct{}
}

func (t *tally) add() {
	t.n++
	if ch := t.awaited[t.n]; ch != nil {
		close(ch)
		delete(t.awaited, t.n)
	}
}

func (t *tally) reached(n int) <-chan struct{} {
	if n <= t.n {
		ch := make(chan struct{})
		close(ch)
		return ch
	}
	if t.awaited == nil {
		t.awaited = map[int]chan struct{}{}
	}
	if t.awaited[n] == nil {
		t.awaited[n] = make(chan struct{})
	}
	return t.awaited[n]
}
