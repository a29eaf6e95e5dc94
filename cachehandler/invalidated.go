package cachehandler

import (
	"hash/maphash"
	"sync/atomic"
	"time"

	"github.com/caddy-portico/portico/cachehandler/store"
)

// invalidations remembers when URIs were last changed by an unsafe method, for
// the responses of which it is not known where they are: RFC 9111 §4.4 wants all
// stored responses of a URI invalidated, but those whose key has more parts than
// the URI (key header, cookie or placeholder, what a trusted proxy says, the
// content of a QUERY) are under any number of keys. Looking for them would cost
// time with the size of the store, an index room with the number of keys. So they
// are told by their age: what came before the change is not used after it.
//
// What is being fetched is told by its age as well, also where it has a group that
// was invalidated meanwhile (RFC 9875 §3): its groups are known with its head only.
//
// It is a table of fixed size, 512 KiB whatever the traffic, in which a URI has one
// slot. URIs that share a slot invalidate each other's responses: a fetch more,
// never a wrong answer.
type invalidations struct {
	seed  maphash.Seed
	slots []atomic.Int64 // Unix time in nanoseconds
}

const invalidationBits = 16

func (v *invalidations) init() {
	v.seed = maphash.MakeSeed()
	v.slots = make([]atomic.Int64, 1<<invalidationBits)
}

// mark invalidates what there is for the URI of a key.
func (v *invalidations) mark(key []byte, ends keyEnds) {
	now := time.Now().UnixNano()
	v.slot(key[:ends.query]).Store(now)
	v.slotOfPath(key[:ends.path]).Store(now)
}

// since is when the responses of a key were last invalidated; zero for never,
// and for a key that is its URI: its responses are removed.
func (v *invalidations) since(key []byte, ends keyEnds) time.Time {
	if ends.query == len(key) {
		return time.Time{}
	}
	return v.sinceURI(key, ends)
}

// sinceURI is when the URI of a key was last changed, whatever is in the key.
func (v *invalidations) sinceURI(key []byte, ends keyEnds) time.Time {
	return timeIn(v.slot(key[:ends.query]))
}

// sincePath is when the responses of any URI with the path of a key were last
// invalidated: for what may turn out to be equivalent to one of them.
func (v *invalidations) sincePath(key []byte, ends keyEnds) time.Time {
	return timeIn(v.slotOfPath(key[:ends.path]))
}

// markTag invalidates what there is with a tag.
func (v *invalidations) markTag(tag string) { v.slotOfTag(tag).Store(time.Now().UnixNano()) }

// sinceTags is when one of some tags was last invalidated.
func (v *invalidations) sinceTags(tags []string) (last time.Time) {
	for _, tag := range tags {
		last = later(last, timeIn(v.slotOfTag(tag)))
	}
	return last
}

// sinceOf is when what o shows of its groups was last invalidated (RFC 9875 §3), or, if
// it was asked for under another key, of the URIs that it turns out to be equivalent to.
func (v *invalidations) sinceOf(o *store.Object, asked string, key []byte, ends keyEnds) time.Time {
	last := v.sinceTags(o.Tags)
	if o.Key != asked {
		last = later(last, v.sincePath(key, ends))
	}
	return last
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (v *invalidations) slotOfTag(tag string) *atomic.Int64 {
	var h maphash.Hash
	h.SetSeed(v.seed)
	_ = h.WriteByte(separator)
	_, _ = h.WriteString(tag)
	return &v.slots[h.Sum64()>>(64-invalidationBits)]
}

func (v *invalidations) slot(uri []byte) *atomic.Int64 {
	return &v.slots[maphash.Bytes(v.seed, uri)>>(64-invalidationBits)]
}

// slotOfPath is not the slot of the URI that is a path alone.
func (v *invalidations) slotOfPath(path []byte) *atomic.Int64 {
	var h maphash.Hash
	h.SetSeed(v.seed)
	_, _ = h.Write(path)
	_ = h.WriteByte(separator)
	return &v.slots[h.Sum64()>>(64-invalidationBits)]
}

func timeIn(slot *atomic.Int64) time.Time {
	at := slot.Load()
	if at == 0 {
		return time.Time{}
	}
	return time.Unix(0, at)
}
