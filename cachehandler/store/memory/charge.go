package memory

import (
	"sync"

	"github.com/caddy-portico/portico/cachehandler/store"
)

// This file is the accounting. What a tier uses is the sum of the heads of its
// entries and of the bodies they have, each body once: a freshened object (RFC
// 9111 §4.3.4) has the body of the one it replaces, and may stand beside it for
// a moment.

// overhead is what an object costs beside its strings, its tags and its body's
// segments: the structs of object, head, body, entry and record and their place
// in the map. TestOverhead measures it.
const overhead = 1024

// charge is what one body costs, for all entries that have it. It must not lead
// to the body, which leads to it: see linger.
type charge struct {
	tier *Tier
	key  string

	mu      sync.Mutex
	entries int   // listed ones; a charge that falls to 0 is over for good
	bytes   int64 // counted in tier.used while entries > 0
	after   *linger
}

// headBytes is what o costs beside its body.
func headBytes(o *store.Object) int64 {
	n := overhead + len(o.Key) + o.Head.Fields.Bytes() + len(o.Head.ETag) + len(o.Head.Variant)
	for _, list := range [...][]string{o.Head.Vary, o.Tags, o.Layers.Drops, o.Layers.Joins, o.Layers.Inner} {
		for _, s := range list {
			n += 16 + len(s)
		}
	}
	return int64(n + tagOverhead*len(o.Tags))
}

func (c *charge) acquire() {
	c.mu.Lock()
	c.entries++
	c.mu.Unlock()
}

// release ends the charge with the last entry. From then on the body lingers, if
// it is worth counting.
func (c *charge) release(body *store.Body) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries--
	if c.entries > 0 {
		return
	}
	c.tier.used.Add(-c.bytes)
	if lingers(body) {
		c.after = newLinger(c.tier.lingering, body, c.bytes)
	}
	c.bytes = 0
}

// over reports whether no entry has the body any more.
func (c *charge) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.entries == 0
}

func (c *charge) size() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}

// grow is the body's OnGrow. What a body does after its object is gone is not in
// the budget any more.
func (c *charge) grow(delta int64) {
	c.mu.Lock()
	if c.entries == 0 {
		after := c.after
		c.mu.Unlock()
		after.grow(delta)
		return
	}
	c.bytes += delta
	c.tier.used.Add(delta)
	bytes := c.bytes
	c.mu.Unlock()

	if bytes > c.tier.budget.Load() {
		c.tier.evictCharge(c)
		return
	}
	c.tier.rerank(c)
	if delta > 0 {
		c.tier.evict()
	}
}

// listLocked charges for e, whose place in its record is made, and ranks it,
// like the entry it takes the place of, if that is not nil. The shard's lock is
// held.
func (t *Tier) listLocked(e, like *entry) {
	e.listed = true
	e.charge.acquire()
	t.used.Add(e.head)
	t.objects.Add(1)
	t.tags.add(e)

	t.ranking.Lock()
	defer t.ranking.Unlock()
	if like == nil {
		t.ranking.Add(&e.Entry, e.head+e.charge.size(), nil)
		return
	}
	t.ranking.Add(&e.Entry, e.head+e.charge.size(), &like.Entry)
}

// unlistLocked undoes that.
func (t *Tier) unlistLocked(e *entry) {
	e.listed = false
	e.charge.release(e.object.Body)
	t.used.Add(-e.head)
	t.objects.Add(-1)
	t.tags.remove(e)

	t.ranking.Lock()
	t.ranking.Remove(&e.Entry)
	t.ranking.Unlock()
}

// rerank tells the ranking of a body's new size.
func (t *Tier) rerank(c *charge) {
	s := t.shard(c.key)
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := s.records[c.key]
	if r == nil {
		return
	}
	t.ranking.Lock()
	defer t.ranking.Unlock()
	for _, e := range r.entries {
		if e.charge == c {
			t.ranking.Resize(&e.Entry, e.head+c.size())
		}
	}
}

// evict drops what is worth least until the budget is kept.
func (t *Tier) evict() {
	if t.used.Load() <= t.budget.Load() {
		return
	}
	t.evicting.Lock()
	defer t.evicting.Unlock()
	for t.used.Load() > t.budget.Load() {
		t.ranking.Lock()
		victim := t.ranking.Victim()
		t.ranking.Unlock()
		if victim == nil {
			return
		}
		t.evictEntries(victim.Value.object.Key, func(e *entry) bool { return e == victim.Value })
	}
}

// evictCharge drops the object of a body that alone is over the budget: nothing
// else is worth dropping for it.
func (t *Tier) evictCharge(c *charge) {
	t.evictEntries(c.key, func(e *entry) bool { return e.charge == c })
}

func (t *Tier) evictEntries(key string, which func(*entry) bool) {
	s := t.shard(key)
	s.mu.Lock()
	var dropped []*entry
	if r := s.records[key]; r != nil {
		dropped = t.editLocked(s, key, r.without(which))
	}
	s.mu.Unlock()
	t.evictions.Add(int64(len(dropped)))
	detach(dropped)
}

// detach bounds what the bodies of dropped entries cost while they still fill.
func detach(dropped []*entry) {
	for _, e := range dropped {
		if e.charge.over() {
			e.object.Body.Detach(window)
		}
	}
}
