package rate

import (
	"math"
	"math/bits"
)

// exactQuota is the largest quota of which every request's time is kept;
// subWindows the number of parts of the window in which larger ones are counted.
const (
	exactQuota = 64
	subWindows = 64
)

// Times are counted in ticks, and kept as 32-bit ticks since the shard's base.
// maxTicks bounds a window in ticks, lastTick how far from its base a shard gets
// before it moves it: lastTick plus a window is still below 2³².
const (
	maxTicks = 1_000_000_000
	lastTick = 3_000_000_000
)

// A layout is what a policy makes of a record, an array of 32-bit words: the hash
// in two, then a word of state, the log, and for a burst GCRA's theoretical
// arrival time in two.
//
// The log of a small quota is a ring of the times at which requests were let
// through; state is the position of the oldest (upper half) and their number. The
// log of a large quota is a ring of counters, one for each part of the window, and
// one that is being entered; state is the number of the newest part, and a word
// before the counters is their sum.
type layout struct {
	tick   int64  // nanoseconds; a power of ten
	window uint64 // ticks
	quota  uint64
	limit  uint64
	exact  bool
	part   uint64 // ticks of one part of the window, if not exact
	tat    int    // index of the arrival time, 0 if there is no burst
	words  int    // of a record
}

const (
	wordState = 2
	wordLog   = 3 // the ring, or the sum before it
)

func newLayout(p Policy) layout {
	y := layout{tick: 1, quota: uint64(p.Quota()), limit: uint64(p.Limit)}
	for int64(p.Window)/y.tick > maxTicks {
		y.tick *= 10
	}
	y.window = uint64((int64(p.Window) + y.tick - 1) / y.tick)
	y.exact = p.Exact()
	y.words = wordLog + int(y.quota)
	if !y.exact {
		y.part = (y.window + subWindows - 1) / subWindows
		y.words = wordLog + 1 + subWindows + 1
	}
	if p.Burst > 0 {
		y.tat, y.words = y.words, y.words+2
	}
	return y
}

// keyBytes is what a key takes: its record and its part of an index that has
// just been doubled.
func (y *layout) keyBytes() int64 {
	return int64(y.words)*4 + (4*8+2)/3
}

// A record's log at a time t, in ticks since the base. Both kinds forget what has
// left the window (prune) before anything else is asked.

func (y *layout) prune(r []uint32, t uint64) {
	if !y.exact {
		y.pruneParts(r, t)
		return
	}
	head, n := r[wordState]>>16, r[wordState]&0xffff
	for n > 0 && uint64(r[wordLog+head])+y.window <= t {
		if head++; uint64(head) == y.quota {
			head = 0
		}
		n--
	}
	r[wordState] = head<<16 | n
}

func (y *layout) pruneParts(r []uint32, t uint64) {
	newest, now := uint64(r[wordState]), t/y.part
	if now <= newest {
		return
	}
	if now-newest > subWindows {
		clear(r[wordLog : wordLog+1+subWindows+1])
	} else {
		for p := newest + 1; p <= now; p++ { // the part p-subWindows-1 leaves as p begins
			c := &r[wordLog+1+p%(subWindows+1)]
			r[wordLog] -= *c
			*c = 0
		}
	}
	r[wordState] = uint32(now)
}

// count is the number of requests in the window.
func (y *layout) count(r []uint32) uint64 {
	if y.exact {
		return uint64(r[wordState] & 0xffff)
	}
	return uint64(r[wordLog])
}

// leaves is the tick at which the oldest request leaves the window; there is one.
func (y *layout) leaves(r []uint32) uint64 {
	if y.exact {
		return uint64(r[wordLog+r[wordState]>>16]) + y.window
	}
	newest := uint64(r[wordState])
	for age := uint64(subWindows); age > 0; age-- {
		if newest >= age && r[wordLog+1+(newest-age)%(subWindows+1)] > 0 {
			return (newest - age + subWindows + 1) * y.part
		}
	}
	return (newest + subWindows + 1) * y.part
}

// add counts a request; up is 1 if it came after the tick t began. The ring keeps
// the end of its tick, so that it never leaves early.
func (y *layout) add(r []uint32, t uint64, up uint64) {
	if !y.exact {
		r[wordLog]++
		r[wordLog+1+uint64(r[wordState])%(subWindows+1)]++
	} else {
		head, n := uint64(r[wordState]>>16), uint64(r[wordState]&0xffff)
		at := head + n
		if at >= y.quota {
			at -= y.quota
		}
		r[wordLog+at] = uint32(t + up)
		r[wordState]++
	}
	if y.tat > 0 {
		y.setArrival(r, max(y.arrival(r), y.scaled(t))+y.window)
	}
}

// newest is a tick at or after the last request was counted, for comparing ages.
func (y *layout) newest(r []uint32) uint64 {
	if !y.exact {
		return uint64(r[wordState]) * y.part
	}
	at := uint64(r[wordState]>>16) + uint64(r[wordState]&0xffff) + y.quota - 1
	return uint64(r[wordLog+at%y.quota])
}

// shift moves a record to a base that is by ticks later.
func (y *layout) shift(r []uint32, by uint64) {
	if y.exact {
		head, n := uint64(r[wordState]>>16), uint64(r[wordState]&0xffff)
		for i := range n {
			r[wordLog+(head+i)%y.quota] -= uint32(by)
		}
	} else {
		y.shiftParts(r, by/y.part)
	}
	if y.tat > 0 {
		y.setArrival(r, y.arrival(r)-min(y.arrival(r), y.scaled(by)))
	}
}

// shiftParts renumbers the parts; by is a multiple of the ring's length
// (shard.rebase), so that counters stay where they are.
func (y *layout) shiftParts(r []uint32, by uint64) {
	r[wordState] -= uint32(by)
}

// GCRA keeps the long run where a burst lets more than the limit through at once.
// Its times are in limit-ths of a tick, so that the interval between requests is
// a whole number: the window's ticks.

func (y *layout) arrival(r []uint32) uint64 {
	return uint64(r[y.tat]) | uint64(r[y.tat+1])<<32
}

func (y *layout) setArrival(r []uint32, v uint64) {
	r[y.tat], r[y.tat+1] = uint32(v), uint32(v>>32)
}

// scaled turns ticks into limit-ths of one. Only a shard that nobody asked for
// long has so many ticks that it saturates: all arrival times are below that.
func (y *layout) scaled(t uint64) uint64 {
	high, low := bits.Mul64(t, y.limit)
	if high > 0 {
		return math.MaxUint64
	}
	return low
}

// conforming is the number of requests that GCRA lets through at t, and wait the
// ticks until it is one more.
func (y *layout) conforming(r []uint32, t uint64) (n, wait uint64) {
	ahead := y.arrival(r) - min(y.arrival(r), y.scaled(t))
	depth := y.quota * y.window
	n = (depth - min(depth, ahead)) / y.window
	if n >= y.quota {
		return n, 0
	}
	short := (n+1)*y.window + ahead - depth
	return n, (short + y.limit - 1) / y.limit
}

// idle reports whether a pruned record says no more than an empty one.
func (y *layout) idle(r []uint32, t uint64) bool {
	return y.count(r) == 0 && (y.tat == 0 || y.arrival(r) <= y.scaled(t))
}
