// Package memory is the memory tier: objects on the heap under a byte budget.
//
// A hit takes a shared lock on one of many shards and adds one to a counter; it
// allocates nothing and moves nothing in a list. Everything else is done by
// those who store and remove: there is no goroutine.
//
// Every byte is accounted for while it arrives: the key, the head, what the
// index costs, and the memory the body holds, as [store.Body.OnGrow] tells it.
// When the sum is over the budget, the objects worth least (see package policy)
// go until it is not. An object that goes while its body is still filling is
// detached: its readers go on, nothing of it is kept. An object that alone is
// larger than the budget never stays.
//
// What is dropped stays on the heap as long as somebody reads it. The budget
// cannot bound that, so it is counted apart, and when it is too much nothing new
// is taken: see linger.go.
//
// Locks are taken in this order: evicting, one shard, ranking, one charge; the
// tags' is held alone or under a shard's, and nothing under it. None
// but evicting is held while a Body is called, which may call back.
package memory

import (
	"context"
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/caddy-portico/portico/cachehandler/store"
	"github.com/caddy-portico/portico/cachehandler/store/policy"
)

// shardCount is a power of two. It is about how many hits run at once on a
// large machine, with room.
const shardCount = 128

// window is how far the readers of an evicted, still filling body may be apart.
const window = 1 << 20

var errClosed = errors.New("memory tier is closed")

// Tier is a store.Tier on the heap.
type Tier struct {
	budget    atomic.Int64
	used      atomic.Int64
	objects   atomic.Int64
	evictions atomic.Int64
	closed    atomic.Bool
	lingering *atomic.Int64 // apart from the tier: cleanups refer to it, see linger

	lingerLeast int64 // the constant, but in tests

	seed   maphash.Seed
	shards [shardCount]shard

	// evicting is held by the one who evicts, so that nobody evicts for bytes
	// another one is about to free.
	evicting sync.Mutex

	tags tagIndex

	ranking struct {
		sync.Mutex
		policy.CAMP[*entry]
	}
}

var _ store.Tier = (*Tier)(nil)

// New returns an empty tier that holds at most budget bytes.
func New(budget int64) *Tier {
	t := &Tier{seed: maphash.MakeSeed(), lingering: new(atomic.Int64), lingerLeast: lingerLeast}
	t.budget.Store(budget)
	for i := range t.shards {
		t.shards[i].records = make(map[string]*record)
	}
	return t
}

// SetBudget changes it, evicting at once what is over.
func (t *Tier) SetBudget(budget int64) {
	t.budget.Store(budget)
	t.evict()
}

// Get implements store.Tier.
func (t *Tier) Get(_ context.Context, key []byte) ([]*store.Object, error) {
	s := &t.shards[maphash.Bytes(t.seed, key)%shardCount]
	s.mu.RLock()
	r := s.records[string(key)]
	if r == nil {
		s.mu.RUnlock()
		return nil, nil
	}
	objects := r.objects
	s.mu.RUnlock()
	r.hits.Hit()
	return objects, nil
}

// Peek implements store.Tier.
func (t *Tier) Peek(_ context.Context, key []byte) ([]*store.Object, error) {
	s := t.shard(string(key))
	s.mu.RLock()
	defer s.mu.RUnlock()
	if r := s.records[string(key)]; r != nil {
		return r.objects, nil
	}
	return nil, nil
}

// Put implements store.Tier. It returns store.ErrFull while too much of what was
// dropped is still read.
func (t *Tier) Put(_ context.Context, o *store.Object, maxVariants int) error {
	s := t.shard(o.Key)
	s.mu.Lock()
	r := s.records[o.Key]
	if err := t.refuses(r, o); err != nil {
		s.mu.Unlock()
		return err
	}
	if r == nil {
		r = new(record)
		s.records[o.Key] = r
	}
	e, shared := t.newEntryLocked(r, o)
	dropped := t.editLocked(s, o.Key, r.with(e, maxVariants))
	s.mu.Unlock()

	if !shared {
		o.Body.OnGrow(e.charge.grow)
	}
	detach(dropped)
	t.evict()
	return nil
}

// refuses says why o may not be put into r, which may be nil. One whose body is
// there already costs nothing more.
func (t *Tier) refuses(r *record, o *store.Object) error {
	switch {
	case t.closed.Load():
		return errClosed
	case t.full() && r.chargeOf(o.Body) == nil:
		return store.ErrFull
	}
	return nil
}

// Settle implements store.Tier.
func (t *Tier) Settle(_ context.Context, o *store.Object) error {
	s := t.shard(o.Key)
	s.mu.Lock()
	if r := s.records[o.Key]; r != nil {
		t.editLocked(s, o.Key, r.without(supersededBy(o, r.entries)))
	}
	s.mu.Unlock()
	t.evict()
	return nil
}

// Replace implements store.Tier.
func (t *Tier) Replace(_ context.Context, old, fresh *store.Object) (bool, error) {
	s := t.shard(old.Key)
	s.mu.Lock()
	r := s.records[old.Key]
	i := r.index(old)
	if i < 0 {
		s.mu.Unlock()
		return false, nil
	}
	e, shared := t.newEntryLocked(r, fresh)
	entries := append([]*entry(nil), r.entries...)
	entries[i] = e
	t.editLocked(s, old.Key, entries)
	s.mu.Unlock()

	if !shared {
		fresh.Body.OnGrow(e.charge.grow)
	}
	t.evict()
	return true, nil
}

// Remove implements store.Tier. It leaves the body alone: whoever reads it
// reads it to its end.
func (t *Tier) Remove(_ context.Context, o *store.Object) error {
	s := t.shard(o.Key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.records[o.Key]; r.index(o) >= 0 {
		t.editLocked(s, o.Key, r.without(func(e *entry) bool { return e.object == o }))
	}
	return nil
}

// RemoveKey implements store.Tier. It leaves the bodies alone, as Remove does.
func (t *Tier) RemoveKey(_ context.Context, key string) (int, error) {
	s := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.records[key] == nil {
		return 0, nil
	}
	return len(t.editLocked(s, key, nil)), nil
}

// Tagged implements store.Tier.
func (t *Tier) Tagged(_ context.Context, tag string) (objects []*store.Object, _ error) {
	for _, e := range t.tags.entries(tag) {
		objects = append(objects, e.object)
	}
	return objects, nil
}

// RemoveTag implements store.Tier. What is put while it runs may stay.
func (t *Tier) RemoveTag(_ context.Context, tag string) (n int, _ error) {
	for _, tagged := range t.tags.entries(tag) {
		s := t.shard(tagged.object.Key)
		s.mu.Lock()
		if tagged.listed {
			r := s.records[tagged.object.Key]
			n += len(t.editLocked(s, tagged.object.Key, r.without(func(e *entry) bool { return e == tagged })))
		}
		s.mu.Unlock()
	}
	return n, nil
}

// Range implements store.Tier. f is called without locks held: it may use the
// tier.
func (t *Tier) Range(ctx context.Context, f func(*store.Object) bool) error {
	for i := range t.shards {
		for _, objects := range t.shards[i].snapshot() {
			for _, o := range objects {
				if err := ctx.Err(); err != nil {
					return err
				}
				if !f(o) {
					return nil
				}
			}
		}
	}
	return nil
}

// Stats implements store.Tier.
func (t *Tier) Stats() store.Stats {
	return store.Stats{
		Objects:   t.objects.Load(),
		Bytes:     t.used.Load(),
		Budget:    t.budget.Load(),
		Evictions: t.evictions.Load(),
	}
}

// Close drops everything. Bodies are left to their readers. Objects put later
// are refused.
func (t *Tier) Close() error {
	t.closed.Store(true)
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for key := range s.records {
			t.editLocked(s, key, nil)
		}
		s.mu.Unlock()
	}
	return nil
}
