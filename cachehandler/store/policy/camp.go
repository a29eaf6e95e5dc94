package policy

import (
	"math/bits"
	"sync/atomic"
)

const (
	// mostHits bounds the frequency. It must fit a ghost's byte.
	mostHits = 15
	// mostRefiled bounds the work of one Victim call: after a long time in
	// which nothing was evicted, every entry may have been hit.
	mostRefiled = 256
)

// Counter counts the hits of one entry, or of a few that are hit together. It
// is the only thing a hit touches.
type Counter struct{ n atomic.Uint32 }

// Hit counts one. It may wrap around: only differences matter.
func (c *Counter) Hit() { c.n.Add(1) }

// Entry is what a CAMP knows about one object. The owner sets the exported
// fields before it is added, and leaves the rest alone.
type Entry[V any] struct {
	Value V
	Hits  *Counter
	ID    uint64 // a hash of what names the object, evenly spread

	counted uint32 // of Hits
	freq    int64  // hits, and one for being added
	size    int64
	rank    uint64 // inflation when filed, plus the class's ratio
	class   int
	filed   bool

	prev, next *Entry[V]
}

// ratio is weight per byte, scaled.
func (e *Entry[V]) ratio() uint64 {
	weight := uint64(1) // never hit
	if e.freq > 1 {
		weight = 2 * uint64(e.freq)
	}
	return weight << ratioBits / uint64(max(e.size, smallestSize))
}

// CAMP ranks entries by frequency per byte. The zero value is empty and ready.
// It is not safe for concurrent use, but for Counter.Hit. Every method takes a
// time that does not depend on the number of entries.
type CAMP[V any] struct {
	queues    [classes]queue[V]
	occupied  [classes / 64]uint64 // a bit for each queue that is not empty
	inflation uint64               // the rank of the last victim
	entries   int
	ghosts    ghosts
}

// Len is the number of entries.
func (c *CAMP[V]) Len() int { return c.entries }

// Add files e, which must not be filed. like, if not nil, is an entry whose
// place it takes, and whose Hits it shares: it starts with its frequency. Else
// it starts with what is remembered of its ID.
func (c *CAMP[V]) Add(e *Entry[V], size int64, like *Entry[V]) {
	if like != nil {
		e.counted, e.freq = like.counted, like.freq
	} else {
		e.counted, e.freq = e.Hits.n.Load(), min(c.ghosts.raise(e.ID)+1, mostHits)
	}
	e.size = size
	c.file(e)
}

// Resize tells that e takes size bytes now. It does nothing if e is not filed.
func (c *CAMP[V]) Resize(e *Entry[V], size int64) {
	if !e.filed {
		return
	}
	e.size = size
	if classOf(e.ratio()) != e.class {
		c.unfile(e)
		c.file(e)
	}
}

// Remove takes e out and reports whether it was in.
func (c *CAMP[V]) Remove(e *Entry[V]) bool {
	if !e.filed {
		return false
	}
	c.unfile(e)
	return true
}

// Victim takes out the entry that is worth least and returns it, or nil if
// there is none.
func (c *CAMP[V]) Victim() *Entry[V] {
	for refiled := 0; ; refiled++ {
		e := c.lowest()
		if e == nil {
			return nil
		}
		c.inflation = e.rank
		c.unfile(e)
		hits := e.Hits.n.Load() - e.counted
		e.counted += hits
		e.freq = min(e.freq+int64(hits), mostHits)
		if hits == 0 || refiled == mostRefiled {
			c.ghosts.bury(e.ID, e.freq, c.entries)
			return e
		}
		c.file(e)
	}
}

// lowest is the entry of the lowest rank: the head of one of the queues.
func (c *CAMP[V]) lowest() (lowest *Entry[V]) {
	for i, word := range c.occupied {
		for ; word != 0; word &= word - 1 {
			e := c.queues[i*64+bits.TrailingZeros64(word)].head
			if lowest == nil || e.rank < lowest.rank {
				lowest = e
			}
		}
	}
	return lowest
}

func (c *CAMP[V]) file(e *Entry[V]) {
	e.class = classOf(e.ratio())
	e.rank = c.inflation + ratioOf(e.class)
	e.filed = true
	c.entries++
	c.queues[e.class].push(e)
	c.occupied[e.class/64] |= 1 << (e.class % 64)
}

func (c *CAMP[V]) unfile(e *Entry[V]) {
	e.filed = false
	c.entries--
	q := &c.queues[e.class]
	q.remove(e)
	if q.head == nil {
		c.occupied[e.class/64] &^= 1 << (e.class % 64)
	}
}
