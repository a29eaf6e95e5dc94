package rate

import "time"

// freeRecord is the state of a record that holds nothing. No log has it: the
// position and the number of a ring stay below 2⁷, a part's number below 2³¹.
const freeRecord = 1<<32 - 1

func durationUntil(at, now int64) time.Duration { return time.Duration(max(1, at-now)) }

// record returns the words of a record by its number. The first chunks are
// small, so that a limiter with few keys stays small.
func (s *shard) record(i int) []uint32 {
	w := s.layout.words
	if i < maxChunk {
		size := minChunk
		for c := 0; ; c++ {
			if i < size {
				return s.chunks[c][i*w : (i+1)*w : (i+1)*w]
			}
			i -= size
			if c > 0 {
				size *= 2
			}
		}
	}
	c, i := firstChunks+(i-maxChunk)/maxChunk, i%maxChunk
	return s.chunks[c][i*w : (i+1)*w : (i+1)*w]
}

// firstChunks is the number of chunks that hold the first maxChunk records: of
// 4, 4, 8, 16, 32 and 64.
const firstChunks = 6

func (s *shard) tag(hash uint64) uint32 { return uint32(hash) << recordBits }

func (s *shard) home(hash uint64) int {
	return int(hash>>(32-recordBits)) & (len(s.index) - 1)
}

func hashOf(r []uint32) uint64 { return uint64(r[0]) | uint64(r[1])<<32 }

// lookUp returns the place in the index of a hash.
func (s *shard) lookUp(hash uint64) (at int, ok bool) {
	if len(s.index) == 0 {
		return 0, false
	}
	tag := s.tag(hash)
	for at = s.home(hash); s.index[at] != 0; at = (at + 1) & (len(s.index) - 1) {
		e := s.index[at]
		if e&^recordMask == tag && hashOf(s.record(int(e&recordMask)-1)) == hash {
			return at, true
		}
	}
	return at, false
}

func (s *shard) find(hash uint64) []uint32 {
	at, ok := s.lookUp(hash)
	if !ok {
		return nil
	}
	return s.record(int(s.index[at]&recordMask) - 1)
}

// insert returns an empty record for a hash that is not known.
func (s *shard) insert(hash uint64, t uint64) []uint32 {
	i, ok := s.allocate()
	if !ok {
		s.remove(s.victim(t))
		i, _ = s.allocate()
	}
	if (s.live+1)*4 > len(s.index)*3 {
		s.grow()
	}
	r := s.record(i)
	clear(r)
	r[0], r[1] = uint32(hash), uint32(hash>>32)
	s.layout.prune(r, t)
	s.live++
	s.place(hash, i)
	return r
}

func (s *shard) place(hash uint64, i int) {
	at := s.home(hash)
	for s.index[at] != 0 {
		at = (at + 1) & (len(s.index) - 1)
	}
	s.index[at] = s.tag(hash) | uint32(i+1)
}

// grow doubles the index.
func (s *shard) grow() {
	old := s.index
	s.index = make([]uint32, max(minIndex, 2*len(old)))
	for _, e := range old {
		if e != 0 {
			i := int(e&recordMask) - 1
			s.place(hashOf(s.record(i)), i)
		}
	}
}

// allocate returns the number of a free record, if the bound leaves one.
func (s *shard) allocate() (int, bool) {
	if s.live == s.maxRecords {
		return 0, false
	}
	if s.free != 0 {
		i := int(s.free) - 1
		s.free = s.record(i)[0]
		return i, true
	}
	size := min(max(minChunk, s.made), maxChunk, s.maxRecords-s.made)
	s.chunks = append(s.chunks, make([]uint32, size*s.layout.words))
	first := s.made
	s.made += size
	for i := s.made - 1; i > first; i-- {
		s.release(i)
	}
	return first, true
}

func (s *shard) release(i int) {
	r := s.record(i)
	r[0], r[wordState] = s.free, freeRecord
	s.free = uint32(i + 1)
}

// drop forgets a record by its number.
func (s *shard) drop(i int) {
	at, _ := s.lookUp(hashOf(s.record(i)))
	s.remove(at)
}

// remove forgets the record at a place of the index, and closes the gap: entries
// behind it move up as far as their home allows.
func (s *shard) remove(at int) {
	s.release(int(s.index[at]&recordMask) - 1)
	s.live--
	mask := len(s.index) - 1
	for next := (at + 1) & mask; s.index[next] != 0; next = (next + 1) & mask {
		home := s.home(hashOf(s.record(int(s.index[next]&recordMask) - 1)))
		if (next-home)&mask >= (next-at)&mask {
			s.index[at] = s.index[next]
			at = next
		}
	}
	s.index[at] = 0
}
