package memory

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/caddy-portico/portico/cachehandler/store"
)

// This file bounds what the budget cannot: the bodies of objects that were
// evicted, removed or superseded, which stay on the heap as long as they are
// read. A client that asks for one large object after another and reads none of
// them would otherwise have the heap hold them all.
//
// Nobody counts the readers of a complete body. So a body is counted from when
// the index lets go of it until the garbage collector has taken it: that is what
// the process pays for. While more than four budgets of such bodies linger, Put
// takes nothing new (store.ErrFull); what is stored goes on to be served.
//
// Four, and lingerLeast at least, because the count includes plain garbage, which nobody reads and nobody
// has collected yet, and that must not keep anything from being stored. With
// GOGC as it is by default a collection comes when the heap has about doubled.
// The heap of a cache is mostly what it holds, so that about one budget of
// garbage is usual; while a collection runs, more is dropped. (Where the heap is
// far larger than budget and lingerLeast, or GOGC far higher, garbage alone may
// reach the bound before a collection. Then responses are passed until that comes.)

const (
	// lingerFrom is the size a complete body is counted from. Smaller ones are
	// not worth it: it takes a thousand clients at once that read nothing for
	// them to come to 256 MiB.
	lingerFrom = 256 << 10
	// lingerBudgets is how many budgets may linger.
	lingerBudgets = 4
	// lingerLeast may linger beside a small budget, whose process is larger.
	lingerLeast = 256 << 20
)

// full reports whether so much lingers that nothing new is taken.
func (t *Tier) full() bool {
	lingering := t.lingering.Load()
	return lingering > t.lingerLeast && lingering/lingerBudgets > max(t.budget.Load(), 0)
}

// lingers reports whether a body that is dropped is worth counting. One that is
// not complete may yet become large.
func lingers(body *store.Body) bool {
	_, complete := body.Length()
	return !complete || body.Held() >= lingerFrom
}

// linger is what one body costs after its charge is over: less and less if it is
// detached and its readers proceed, more if it was removed and still fills,
// nothing when it was put again, which takes it over (see store.Body.OnGrow),
// and nothing when it is collected.
//
// It must lead neither to the body nor to the tier, which may list the body
// again: what a cleanup refers to is kept, and the body would never go.
type linger struct {
	total *atomic.Int64

	mu        sync.Mutex
	bytes     int64 // counted in total
	collected bool
}

func newLinger(total *atomic.Int64, body *store.Body, bytes int64) *linger {
	l := &linger{total: total}
	l.grow(bytes)
	runtime.AddCleanup(body, (*linger).end, l)
	return l
}

// grow counts a change of what the body holds; l is nil for one that is not
// counted.
func (l *linger) grow(delta int64) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.collected {
		return // told by the last call of a method of the body, which was through with it
	}
	l.bytes += delta
	l.total.Add(delta)
}

// end is called when the body is collected.
func (l *linger) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.collected = true
	l.total.Add(-l.bytes)
	l.bytes = 0
}
