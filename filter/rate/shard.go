package rate

import "sync"

// An index entry is a record's number plus one in its lower half, and a tag of
// the hash above, so that almost no record is looked at in vain.
const (
	recordBits = 18
	maxRecords = 1<<recordBits - 1
	recordMask = 1<<recordBits - 1
)

const (
	minChunk = 4   // records allocated at once, at first
	maxChunk = 128 // and at most
	minIndex = 16
)

// A shard is a hash table of records. Records lie in chunks that never move, so
// that growing copies only the index. Of a hash the upper bits chose the shard,
// the lower ones are the tag, those above the tag the place in the index.
type shard struct {
	sync.Mutex
	layout     *layout
	base       uint64 // ticks since the Limiter's start
	now        int64  // the latest reading seen
	index      []uint32
	chunks     [][]uint32
	free       uint32 // 1 + number of the first free record; it holds the next
	made, live int
	maxRecords int
	hand       int // of the eviction
	step       int // of the hand, for as many records as stepFor
	stepFor    int
	barren     int // evictions until it looks for idle records again
	evicted    int64
	_          [8]uint64 // neighbours do not share a cache line
}

func (s *shard) init(y *layout, records int) {
	s.layout, s.maxRecords = y, max(1, min(records, maxRecords))
}

// tick turns a reading into ticks since the base, moving the base if it lies too
// far back; up is 1 if the tick had begun before the reading.
func (s *shard) tick(ns int64) (t, up uint64) {
	s.now = max(s.now, ns)
	t = uint64(s.now/s.layout.tick) - s.base
	if t > lastTick {
		t -= s.rebase(t)
	}
	if s.now%s.layout.tick != 0 {
		up = 1
	}
	return t, up
}

// rebase moves the base close to a window before t, and drops what is idle. It
// comes once in two windows at most.
func (s *shard) rebase(t uint64) uint64 {
	y := s.layout
	by := t - y.window - 1
	if !y.exact {
		by = t - min(t, (subWindows+2)*y.part)
		by -= by % (y.part * (subWindows + 1))
	}
	for i := range s.made {
		r := s.record(i)
		if r[wordState] == freeRecord {
			continue
		}
		y.prune(r, t)
		if y.idle(r, t) {
			s.drop(i)
			continue
		}
		y.shift(r, by)
	}
	s.base += by
	return by
}

func (s *shard) take(hash uint64, ns int64) Result {
	y := s.layout
	t, up := s.tick(ns)
	r := s.find(hash)
	if r == nil {
		r = s.insert(hash, t)
	} else {
		y.prune(r, t)
	}
	left, _ := s.left(r, t)
	if left > 0 {
		y.add(r, t, up)
	}
	return s.result(r, t, left > 0)
}

func (s *shard) peek(hash uint64, ns int64) Result {
	t, _ := s.tick(ns)
	r := s.find(hash)
	if r == nil {
		return Result{Allowed: true, Quota: int(s.layout.quota), Remaining: int(s.layout.quota)}
	}
	s.layout.prune(r, t)
	left, _ := s.left(r, t)
	return s.result(r, t, left > 0)
}

func (s *shard) result(r []uint32, t uint64, allowed bool) Result {
	left, more := s.left(r, t)
	res := Result{Allowed: allowed, Quota: int(s.layout.quota), Remaining: int(left)}
	if more > 0 {
		at := int64(s.base+more) * s.layout.tick
		res.Reset = durationUntil(at, s.now)
	}
	return res
}

// left is the number of requests that the log and GCRA both let through at t, and
// more the tick from which it is greater; 0 if it is the quota.
func (s *shard) left(r []uint32, t uint64) (left, more uint64) {
	y := s.layout
	count := y.count(r)
	left = y.quota - min(count, y.quota)
	if count > 0 {
		more = y.leaves(r)
	}
	if y.tat == 0 {
		return left, more
	}
	n, wait := y.conforming(r, t)
	switch {
	case n < left:
		return n, t + wait
	case n == left && n < y.quota:
		return n, max(more, t+wait)
	}
	return left, more
}

func (s *shard) forget(hash uint64) {
	if at, ok := s.lookUp(hash); ok {
		s.remove(at)
	}
}

// bytes is what the shard has allocated.
func (s *shard) bytes() int64 {
	n := int64(cap(s.index)) * 4
	for _, c := range s.chunks {
		n += int64(cap(c))*4 + 24
	}
	return n
}
