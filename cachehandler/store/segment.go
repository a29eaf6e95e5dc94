package store

import (
	"slices"
	"sort"
)

// This file decides how large segments are and finds bytes in them. The aims: a
// body with a true Content-Length is allocated once and exactly; a lying length
// costs at most the first segment and that only while it fills; a body of
// unknown length wastes at most about as much as it holds, and nothing once
// complete.
const (
	// smallestSegment is where a body of unknown length starts.
	smallestSegment = 4 << 10
	// firstSegment bounds the first segment, whatever length is announced, and
	// is up to where a complete body is made one segment, which a hit writes
	// with one call.
	firstSegment = 256 << 10
	// largestSegment bounds all others.
	largestSegment = 1 << 20
	// windowSegment is the size in a detached body. It is small because a
	// reader that hangs in a write holds on to one segment.
	windowSegment = 64 << 10
)

// segment is a part of a body. The filler writes to buf beyond what is
// published; nothing published ever changes.
type segment struct {
	start int64
	buf   []byte
}

func (s segment) end() int64 { return s.start + int64(len(s.buf)) }

// segmentSize is the size of the segment that starts at size and begins with a
// chunk of that many bytes.
func (b *Body) segmentSize(size int64, chunk int) int64 {
	if b.Detached() {
		return windowSegment
	}
	limit := int64(largestSegment)
	if size == 0 {
		limit = firstSegment
	}
	if left := b.announced - size; left > 0 {
		return min(left, limit)
	}
	// Unknown, or more than announced: about as much again as there is.
	if size < largestSegment {
		limit = firstSegment
	}
	return min(max(size, int64(chunk), smallestSegment), limit)
}

// table is an immutable list of adjoining segments that starts at offset 0.
type table struct{ segments []segment }

// tableOf returns a table of pieces. Neighbours that are small together become
// one segment, so that what is put together from many bits has few.
func tableOf(pieces [][]byte) *table {
	t, size := new(table), int64(0)
	for _, p := range pieces {
		last := len(t.segments) - 1
		switch {
		case len(p) == 0:
			continue
		case last >= 0 && len(t.segments[last].buf)+len(p) <= firstSegment:
			t.segments[last].buf = slices.Concat(t.segments[last].buf, p)
		default:
			t.segments = append(t.segments, segment{start: size, buf: p[:len(p):len(p)]})
		}
		size += int64(len(p))
	}
	return t
}

// with returns the table with one more segment. It may share its array with t:
// entries below len(t.segments) are never written again.
func (t *table) with(s segment) *table {
	return &table{segments: append(t.segments, s)}
}

// at returns the bytes from offset from up to end or to the end of their
// segment.
func (t *table) at(from, end int64) []byte { return slice(t.segments, from, end) }

func (t *table) capacity() (n int64) {
	for _, s := range t.segments {
		n += int64(len(s.buf))
	}
	return n
}

// compact returns the table of a complete body of size bytes with less waste or
// fewer segments, or nil if t is good enough. Readers that hold slices of the
// replaced segments keep those; the bytes are the same.
func (t *table) compact(size int64) *table {
	last := len(t.segments) - 1
	switch {
	case last < 0:
		return nil
	case last > 0 && size <= firstSegment:
		one := make([]byte, 0, size)
		for _, s := range t.segments {
			one = append(one, s.buf[:min(size-s.start, int64(len(s.buf)))]...)
		}
		return &table{segments: []segment{{buf: one}}}
	}
	tail := t.segments[last]
	if waste := tail.end() - size; waste <= int64(len(tail.buf))/4 {
		return nil
	}
	exact := make([]byte, size-tail.start)
	copy(exact, tail.buf)
	segments := append([]segment(nil), t.segments[:last]...)
	return &table{segments: append(segments, segment{start: tail.start, buf: exact})}
}

// slice returns the bytes [from, end) of adjoining segments as far as one
// segment has them. from must lie in one of them.
func slice(segments []segment, from, end int64) []byte {
	i := 0
	if len(segments) > 1 {
		i = sort.Search(len(segments), func(i int) bool { return segments[i].end() > from })
	}
	s := segments[i]
	lo, hi := from-s.start, min(end, s.end())-s.start
	return s.buf[lo:hi:hi]
}
