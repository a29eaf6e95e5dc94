package cachehandler

import (
	"hash/maphash"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/caddy-portico/portico/cachehandler/httpcache"
)

// passFor is how long a key is remembered after an answer that was not storable.
const passFor = 2 * time.Minute

// passMemory remembers the keys whose last answer was not storable, so that
// their requests go to the origin side by side instead of waiting for each
// other (the field calls it hit-for-miss).
//
// It is a table of fixed size in which a key has one slot, so it costs 512 KiB
// whatever the traffic. Keys that share a slot displace each other; the one displaced
// waits once more for another's head. A slot holds 32 bits of the key's hash, the
// reason against storing, and a time in seconds.
type passMemory struct {
	seed  maphash.Seed
	start time.Time
	slots []atomic.Uint64
}

const (
	passSlotBits   = 16
	passTimeBits   = 24 // seconds: 194 days, then the clock of the table wraps
	passTimeMask   = 1<<passTimeBits - 1
	passReasonBits = 8
	passMarkShift  = passTimeBits + passReasonBits
)

func (m *passMemory) init() {
	m.seed = maphash.MakeSeed()
	m.start = time.Now()
	m.slots = make([]atomic.Uint64, 1<<passSlotBits)
}

// class is what of a request, beside its key, may keep the answer from being
// stored. Answers to one class say nothing about those to another.
type class uint8

const (
	authorized class = 1 << iota
	withCookie
	forPart
	// outgrown marks a key whose body turned out to be too large: unlike the
	// others, its heads look storable, and are no reason to forget it.
	outgrown
	// unfillable marks a key whose whole is larger than fill_range_up_to: parts
	// of it are asked for as such.
	unfillable
)

func classOf(request http.Header) (c class) {
	if request["Authorization"] != nil {
		c |= authorized
	}
	if request["Cookie"] != nil {
		c |= withCookie
	}
	if request["Range"] != nil {
		c |= forPart
	}
	return c
}

func (m *passMemory) slot(key []byte, c class) (slot *atomic.Uint64, mark uint64) {
	h := maphash.Bytes(m.seed, key) + uint64(c)*0x9e3779b97f4a7c15 // the golden ratio, to spread the classes
	return &m.slots[h>>(64-passSlotBits)], h << passMarkShift
}

// seconds is the time of the table, never 0: a zero slot is an empty one.
func (m *passMemory) seconds(now time.Time) uint64 {
	return (uint64(now.Sub(m.start)/time.Second) + 1) & passTimeMask
}

// has reports whether requests of a class for key are to pass.
func (m *passMemory) has(key []byte, c class, now time.Time) bool {
	return m.hasClass(key, c, now) || m.hasClass(key, c|outgrown, now)
}

func (m *passMemory) hasClass(key []byte, c class, now time.Time) bool {
	_, age, ok := m.recall(key, c, now)
	return ok && age < passFor
}

// recall is why the last answer to a class of requests for key was not storable,
// and how long ago that was, as long as nothing has displaced it.
func (m *passMemory) recall(key []byte, c class, now time.Time) (why httpcache.Reason, age time.Duration, ok bool) {
	slot, mark := m.slot(key, c)
	v := slot.Load()
	if v == 0 || v>>passMarkShift != mark>>passMarkShift {
		return httpcache.None, 0, false
	}
	age = time.Duration((m.seconds(now)-v)&passTimeMask) * time.Second
	return httpcache.Reason(v >> passTimeBits), age, true
}

// remember marks key, forget unmarks it.
func (m *passMemory) remember(key []byte, c class, now time.Time, why httpcache.Reason) {
	slot, mark := m.slot(key, c)
	slot.Store(mark | uint64(why)<<passTimeBits | m.seconds(now))
}

func (m *passMemory) forget(key []byte, c class) {
	slot, mark := m.slot(key, c)
	if v := slot.Load(); v>>passMarkShift == mark>>passMarkShift {
		slot.CompareAndSwap(v, 0)
	}
}
