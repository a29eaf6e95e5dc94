package store

import (
	"math"
	"time"
)

// This file is the detached body: a stream that passes through and is not kept,
// because it is too large or was evicted while it filled.
//
//	… dropped │ slowest ◀────── ≤ window ──────▶ filler
//	            reader        other readers
//
// The filler waits for the slowest reader. So the readers all get every byte, at
// the pace of the slowest, and the memory is bounded by the window and two
// segments, whatever the length of the body. (What was held at Detach may be
// more; it goes as the slowest reader proceeds.)
//
// One that does not read at all must not stop the others: a reader that holds
// the filler up and does not move for the whole of patience is aborted, if that
// helps somebody: a reader within the window, which the filler could serve. As
// long as there is none, the filler just waits, so that a lone client may pause
// its download as long as it could without a cache. Only the filler looks, and
// only while it waits for room: as long as nobody waits for them, and after
// Complete, readers may take their time.

const (
	// patience is how long a reader may hold the filler, and others, up without
	// reading on. It must outlast large socket buffers: a connection that has
	// them may take nothing for seconds and then much at once, though its
	// client reads evenly.
	patience = 10 * time.Second
	// largestSip is what a reader of a detached body gets at a time. It asks
	// for more when its connection has taken that, so that one that takes
	// largestSip in patience, 64 KiB in 10 s, is never given up.
	largestSip = 64 << 10
)

// Detach makes the body a stream that is no longer kept: bytes before the
// slowest reader are dropped, and the filler waits while the slowest reader is
// more than window bytes behind it. A reader for which it waits and that does
// not read on for 10 s is aborted (ErrLagging) if another is within the window,
// or as soon as one is, so that one that hangs delays the others once and no
// longer. Readers that all hold the filler up, or a lone one, are never aborted:
// it waits for them until its context ends. Detach itself aborts nobody.
//
// New readers can open it only at what is still held. If there was none yet, all
// is held and the filler's window begins at 0 until the first one comes; when
// the last one has left, Append returns ErrNoReaders.
//
// Detach does nothing to a complete body, which costs its readers nothing to
// finish.
func (b *Body) Detach(window int64) {
	b.mu.Lock()
	if b.complete.Load() {
		b.mu.Unlock()
		return
	}
	if t := b.table.Load(); t != nil {
		// A copy: the table's array is read without the lock.
		b.mu.kept = append([]segment(nil), t.segments...)
		b.table.Store(nil)
	}
	b.mu.window = max(window, 0)
	b.mu.room.give()
	b.unlock(b.dropReadLocked())
}

// Detached reports whether Detach was called before the body was complete.
func (b *Body) Detached() bool { return b.table.Load() == nil }

// addLocked adds a segment and returns by how much the body grew.
func (b *Body) addLocked(s segment) int64 {
	if t := b.table.Load(); t != nil {
		b.table.Store(t.with(s))
	} else {
		b.mu.kept = append(b.mu.kept, s)
	}
	return int64(len(s.buf))
}

// abandonedLocked reports whether all readers have left.
func (b *Body) abandonedLocked() bool { return b.mu.opened && len(b.mu.readers) == 0 }

// watchLocked looks at the readers that hold the filler up and aborts those that
// have not moved since it saw them so for the first time, patience ago, if
// another reader is near enough to be helped by it. It reports whether the
// window is still full, and after which time somebody's patience ends (0:
// nobody's does before a reader moves, comes or leaves).
func (b *Body) watchLocked(now time.Time) (full bool, lookAgain time.Duration) {
	if !b.mu.opened {
		return b.size.Load() > b.mu.window, 0
	}
	full, others := b.noteLocked(now)
	if !full || !others {
		return full, 0
	}
	full, lookAgain = false, patience
	for i := len(b.mu.readers) - 1; i >= 0; i-- { // downwards: removeLocked moves the last one to i
		r := b.mu.readers[i]
		if r.since.IsZero() {
			continue
		}
		left := patience - now.Sub(r.since)
		if left <= 0 {
			r.err = ErrLagging
			b.removeLocked(r)
			continue
		}
		full, lookAgain = true, min(lookAgain, left)
	}
	return full, lookAgain
}

// noteLocked notes which readers hold the filler up, where and since when, and
// reports whether there are such and others. Each is looked at once, so that one
// that moves meanwhile, without the lock, is either among the others or tells
// the filler when it comes back (see await).
func (b *Body) noteLocked(now time.Time) (full, others bool) {
	near := b.size.Load() - b.mu.window
	for _, r := range b.mu.readers {
		pos := r.pos.Load()
		if pos >= near {
			r.since = time.Time{}
			others = true
			continue
		}
		if r.since.IsZero() || r.seen != pos {
			r.seen, r.since = pos, now
		}
		full = true
	}
	return full, others
}

// sip is max for a reader of a body that is or may yet be detached.
func sip(max int64) int64 {
	if max <= 0 {
		return largestSip
	}
	return min(max, largestSip)
}

// dropReadLocked lets go of the segments every reader is through with and
// returns by how much the body grew: a negative number. A segment the filler
// still writes to stays.
func (b *Body) dropReadLocked() (grown int64) {
	if !b.Detached() {
		return 0
	}
	slowest := b.size.Load()
	if !b.mu.opened {
		slowest = 0
	}
	for _, r := range b.mu.readers {
		slowest = min(slowest, r.pos.Load())
	}
	if slowest == b.size.Load() && b.complete.Load() {
		slowest = math.MaxInt64 // not even the rest of the last segment is needed
	}
	n := 0
	for n < len(b.mu.kept) && b.mu.kept[n].end() <= slowest {
		grown -= int64(len(b.mu.kept[n].buf))
		n++
	}
	if n > 0 {
		// Copied down, so that the array does not hold on to what is dropped.
		left := copy(b.mu.kept, b.mu.kept[n:])
		clear(b.mu.kept[left:])
		b.mu.kept = b.mu.kept[:left]
	}
	return grown
}
