package cachehandler

import (
	"bytes"
	"hash/maphash"
	"sync/atomic"
	"time"
)

// invalidations remembers when URIs were last changed by an unsafe method, for
// the responses of which it is not known where they are: RFC 9111 §4.4 wants all
// stored responses of a URI invalidated, but those whose key has more parts than
// the URI (key header, cookie or placeholder, or what a trusted proxy says) are
// under any number of keys. Looking for them would cost time with the size of the
// store, an index room with the number of keys. So they are told by their age:
// what came before the change is not used after it.
//
// It is a table of fixed size, 512 KiB if such keys are in use and nothing
// otherwise, in which a URI has one slot. URIs that share a slot invalidate
// each other's responses: a fetch more, never a wrong answer.
type invalidations struct {
	seed  maphash.Seed
	slots atomic.Pointer[[1 << invalidationBits]atomic.Int64] // Unix time in nanoseconds
}

const invalidationBits = 16

func (v *invalidations) init() { v.seed = maphash.MakeSeed() }

// uriOf is the part of a key that is the URI: what follows begins with a space,
// which a URI has none of.
func uriOf[K string | []byte](key K) K {
	if i := bytes.IndexByte([]byte(key), ' '); i >= 0 {
		return key[:i]
	}
	return key
}

// use begins to remember, because an object with such a key is stored.
func (v *invalidations) use(key string) {
	if v.slots.Load() == nil && len(uriOf(key)) < len(key) {
		v.slots.CompareAndSwap(nil, new([1 << invalidationBits]atomic.Int64))
	}
}

// since is when the responses of a key were last invalidated; zero for never,
// and for a key that is its URI: its responses are removed.
func (v *invalidations) since(key []byte) time.Time {
	slots := v.slots.Load()
	if slots == nil {
		return time.Time{}
	}
	uri := uriOf(key)
	if len(uri) == len(key) {
		return time.Time{}
	}
	at := slots[maphash.Bytes(v.seed, uri)>>(64-invalidationBits)].Load()
	if at == 0 {
		return time.Time{}
	}
	return time.Unix(0, at)
}

// mark invalidates what there is for the URI of a key.
func (v *invalidations) mark(uri string) {
	if slots := v.slots.Load(); slots != nil {
		slots[maphash.String(v.seed, uri)>>(64-invalidationBits)].Store(time.Now().UnixNano())
	}
}
