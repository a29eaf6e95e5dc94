package memory

import (
	"hash/maphash"
	"slices"
	"sync"

	"github.com/caddy-portico/portico/cachehandler/store"
	"github.com/caddy-portico/portico/cachehandler/store/policy"
)

// This file is the index: shards of records, a record for each key, an entry
// for each object. It keeps one invariant: an entry that is in a record is
// charged for, and ranked for eviction unless the evictor has just taken it;
// one that is not is neither. All changes go through editLocked.

// shard is a part of the keys.
type shard struct {
	mu      sync.RWMutex
	records map[string]*record // guarded by mu; looked up by []byte without a copy
	_       [32]byte           // a cache line each: a hit writes to its shard's lock
}

// record holds the objects of one key, newest first. The slices are replaced,
// never changed: Get hands one out. Its fields but hits are guarded by the
// shard's mu.
type record struct {
	objects []*store.Object
	entries []*entry       // of the same objects, in the same order
	hits    policy.Counter // of all variants: which one a request selects is not known here
}

// entry is one object in the index.
type entry struct {
	policy.Entry[*entry]
	object *store.Object
	charge *charge
	head   int64 // bytes beside the body
	listed bool  // guarded by the shard's mu: it is in its record
	marks  []mark
}

func (t *Tier) shard(key string) *shard {
	return &t.shards[maphash.String(t.seed, key)%shardCount]
}

// id is what an object is remembered by after it was evicted.
func (t *Tier) id(o *store.Object) uint64 {
	return maphash.String(t.seed, o.Key) + 3*maphash.String(t.seed, o.Head.Variant)
}

// snapshot returns the objects of every key.
func (s *shard) snapshot() [][]*store.Object {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([][]*store.Object, 0, len(s.records))
	for _, r := range s.records {
		all = append(all, r.objects)
	}
	return all
}

// newEntryLocked returns an entry for o. It shares the charge of another entry
// of the record with the same body, so that no body is charged for twice.
func (t *Tier) newEntryLocked(r *record, o *store.Object) (e *entry, shared bool) {
	e = &entry{object: o, head: headBytes(o)}
	e.Value, e.Hits, e.ID = e, &r.hits, t.id(o)
	if e.charge = r.chargeOf(o.Body); e.charge != nil {
		return e, true
	}
	e.charge = &charge{tier: t, key: o.Key}
	return e, false
}

// chargeOf returns the charge of the entries with a body, nil if there is none.
func (r *record) chargeOf(body *store.Body) *charge {
	if r == nil {
		return nil
	}
	for _, e := range r.entries {
		if e.object.Body == body {
			return e.charge
		}
	}
	return nil
}

// with returns the entries with e in front, as far as maxVariants allows: of
// the variants, those go whose newest object is oldest. 0 is no bound.
func (r *record) with(e *entry, maxVariants int) []*entry {
	entries := append(make([]*entry, 0, len(r.entries)+1), e)
	variants := []string{e.object.Head.Variant}
	for _, old := range r.entries {
		if old.object == e.object {
			continue // put again: it moves to the front
		}
		variant := old.object.Head.Variant
		if !slices.Contains(variants, variant) {
			if maxVariants > 0 && len(variants) == maxVariants {
				continue
			}
			variants = append(variants, variant)
		}
		entries = append(entries, old)
	}
	return entries
}

// without returns the entries but those that drop says.
func (r *record) without(drop func(*entry) bool) []*entry {
	return slices.DeleteFunc(slices.Clone(r.entries), drop)
}

// supersededBy reports of entries whether they are older than o, which is one
// of entries, and of the same variant (RFC 9111 §4.1: the most recent response
// is to be used).
func supersededBy(o *store.Object, entries []*entry) func(*entry) bool {
	passed := false // o itself: entries come newest first
	return func(e *entry) bool {
		if e.object == o {
			passed = true
			return false
		}
		return passed && e.object.Head.Variant == o.Head.Variant &&
			slices.Equal(e.object.Head.Vary, o.Head.Vary)
	}
}

func (r *record) index(o *store.Object) int {
	if r == nil {
		return -1
	}
	return slices.IndexFunc(r.entries, func(e *entry) bool { return e.object == o })
}

// editLocked makes entries the entries of the record of key: it lists and ranks
// the new ones, drops those that are not among them and returns these.
func (t *Tier) editLocked(s *shard, key string, entries []*entry) (dropped []*entry) {
	r := s.records[key]
	for _, e := range r.entries {
		if !slices.Contains(entries, e) {
			dropped = append(dropped, e)
		}
	}
	var added []*entry
	for _, e := range entries {
		if !e.listed {
			added = append(added, e)
		}
	}
	if len(dropped)+len(added) == 0 {
		return nil
	}
	r.entries = entries
	r.objects = make([]*store.Object, len(entries))
	for i, e := range entries {
		r.objects[i] = e.object
	}
	if len(entries) == 0 {
		delete(s.records, key)
	}
	// First the new ones: one may share a charge with one that goes.
	for _, e := range added {
		t.listLocked(e, sibling(e, r.entries, dropped))
	}
	for _, e := range dropped {
		t.unlistLocked(e)
	}
	return dropped
}

// sibling is an entry, of those given, that e takes the place of; nil for none.
func sibling(e *entry, groups ...[]*entry) *entry {
	for _, group := range groups {
		for _, other := range group {
			if other != e && other.object.Head.Variant == e.object.Head.Variant {
				return other
			}
		}
	}
	return nil
}
