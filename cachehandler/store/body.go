package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// This file is the streaming body: one filler appends, any number of readers
// follow while the bytes arrive, and what has arrived is held once, whoever
// reads it. It promises
//
//   - the first byte to every reader as soon as the origin gave it, and no
//     buffering twice: readers get slices of the segments themselves;
//   - that nobody waits for a slower one: before Detach the filler never waits,
//     and a reader waits only for the filler. After it the filler waits for the
//     slowest reader, and if others wait with it, only as long as that one reads
//     on;
//   - never a complete-looking part: an aborted body ends in an error, not in
//     io.EOF (RFC 9111 §3.3, RFC 9112 §8).
//
// A body is in one of these states:
//
//	filling ──Complete──▶ complete    readable from anywhere, for ever, without a lock
//	   │ ╰─────Abort────▶ aborted     what arrived is readable, then the error
//	 Detach
//	   ▼
//	detached ─Complete──▶ complete    what its readers still need is readable
//	     ╰─────Abort────▶ aborted     as above
//
// Where the bytes are: while a body is kept, in an immutable table of segments
// that is replaced when one is added, so that readers find their bytes with two
// atomic loads (size first, then table: a table covers every size published
// before it). When it is detached there is no table; what is still held is
// under the lock, see window.go.

// ErrAborted is what readers get when the filler gave up: the bytes they have
// are not the whole body, and their client must be able to tell.
var ErrAborted = errors.New("body aborted")

// ErrLagging is the ErrAborted of a reader of a detached body that held the
// filler up, and so another reader, without reading on. The body itself goes on
// for that one.
var ErrLagging = fmt.Errorf("%w: this reader held the others up without reading on", ErrAborted)

// ErrNoReaders is what the filler gets when a detached body has nobody left to
// read it.
var ErrNoReaders = errors.New("no readers left")

// ErrNotHeld is what Open returns for bytes a detached body has dropped.
var ErrNotHeld = errors.New("offset is no longer held")

var (
	errComplete = errors.New("body is complete")
	errBeyond   = errors.New("offset is beyond the end of the body")
	errClosed   = errors.New("reader is closed")
)

// Body is the content of one response: segments appended by exactly one filler
// and read, from any offset, by any number of readers while they arrive.
// Segments are never reused, so a reader may keep a slice as long as it likes.
//
// Append and Complete belong to the filler; everything else may be called by
// anyone at any time.
type Body struct {
	announced int64 // -1: unknown

	size     atomic.Int64 // bytes readers may see
	complete atomic.Bool  // set after size is final
	table    atomic.Pointer[table]
	held     atomic.Int64 // changes under mu

	tail segment // the filler's own: the segment it writes to

	mu struct {
		sync.Mutex
		err     error  // why it was aborted
		news    signal // what readers wait for: bytes, or the end
		room    signal // what the filler waits for: readers that move or leave
		onGrow  func(delta int64)
		readers []*Reader // those opened before the end
		opened  bool      // it had a reader
		// Of a detached body:
		window int64
		kept   []segment
	}
}

// NewBody returns an empty body. length is the announced length, -1 if unknown.
// It is only a hint for segment sizes: a lying length costs no memory.
func NewBody(length int64) *Body {
	b := &Body{announced: length}
	b.table.Store(new(table))
	return b
}

// NewBodyAfter returns a body that begins with pieces, which must not change and
// are not copied, but for small ones. length is as for NewBody, of all of it.
func NewBodyAfter(length int64, pieces ...[]byte) *Body {
	b := NewBody(length)
	t := tableOf(pieces)
	if n := len(t.segments); n > 0 {
		b.table.Store(t)
		b.tail = t.segments[n-1] // full: the filler adds the next one
		b.size.Store(b.tail.end())
		b.held.Store(t.capacity())
	}
	return b
}

// BodyOf returns a complete body of pieces, as NewBodyAfter has them.
func BodyOf(pieces ...[]byte) *Body {
	b := NewBodyAfter(-1, pieces...)
	b.tail = segment{}
	b.announced = b.size.Load()
	b.complete.Store(true)
	return b
}

// OnGrow registers a function that is called (without locks held) with every
// change of the memory the body holds, starting with what it holds now. There
// is one at a time, a memory tier's: registering another takes the body over,
// and the former is told that it holds nothing any more.
func (b *Body) OnGrow(f func(delta int64)) {
	b.mu.Lock()
	former, held := b.mu.onGrow, b.held.Load()
	b.mu.onGrow = f
	b.mu.Unlock()

	if held == 0 {
		return
	}
	if former != nil {
		former(-held)
	}
	if f != nil {
		f(held)
	}
}

// Append copies p to the end and wakes the readers. On a detached body it waits
// while the window is full, until ctx ends, gives up readers that keep it full
// for others (see Detach), and returns ErrNoReaders when nobody reads.
func (b *Body) Append(ctx context.Context, p []byte) error {
	for {
		if err := b.room(ctx); err != nil || len(p) == 0 {
			return err
		}
		n, err := b.fill(p)
		if p = p[n:]; err != nil || len(p) == 0 {
			return err // and what is taken needs no room any more
		}
	}
}

// room waits until the filler may append. Before Detach it always may.
func (b *Body) room(ctx context.Context) error {
	for {
		b.mu.Lock()
		switch {
		case b.mu.err != nil:
			defer b.mu.Unlock()
			return b.mu.err
		case b.complete.Load():
			b.mu.Unlock()
			return errComplete
		case !b.Detached():
			b.mu.Unlock()
			return nil
		}
		full, lookAgain := b.watchLocked(time.Now())
		grown := b.dropReadLocked()
		switch {
		case b.abandonedLocked():
			b.unlock(grown)
			return ErrNoReaders
		case !full:
			b.unlock(grown)
			return nil
		case grown != 0: // held for somebody given up: not while it waits for the next
			b.unlock(grown)
			continue
		}
		if err := b.waitLocked(ctx, &b.mu.room, lookAgain); err != nil {
			return err
		}
	}
}

// fill copies what of p fits into the tail segment, or into a new one, and
// publishes it. The copying needs no lock: nobody looks beyond size.
func (b *Body) fill(p []byte) (int, error) {
	size, tail := b.size.Load(), b.tail
	fresh := size == tail.end()
	if fresh {
		tail = segment{start: size, buf: make([]byte, b.segmentSize(size, len(p)))}
	}
	n := copy(tail.buf[size-tail.start:], p)

	b.mu.Lock()
	if err := b.mu.err; err != nil {
		b.mu.Unlock()
		return 0, err
	}
	var grown int64
	if fresh {
		b.tail = tail
		grown = b.addLocked(tail)
	}
	b.size.Store(size + int64(n))
	b.mu.news.give()
	b.unlock(grown)
	return n, nil
}

// Complete ends the body.
func (b *Body) Complete() {
	// Only the filler adds bytes, so that the copying can be done before
	// locking.
	var compact *table
	if t := b.table.Load(); t != nil {
		compact = t.compact(b.size.Load())
	}

	b.mu.Lock()
	if b.mu.err != nil || b.complete.Load() {
		b.mu.Unlock()
		return
	}
	var grown int64
	if !b.Detached() {
		b.mu.readers = nil // nobody asks where they are any more
		if compact != nil {
			grown = compact.capacity() - b.held.Load()
			b.table.Store(compact)
		}
	}
	b.tail = segment{}
	b.complete.Store(true)
	b.mu.news.give()
	b.unlock(grown)
}

// Abort ends it early: readers get err (wrapped so that errors.Is(…,
// ErrAborted)) after the bytes that arrived. It does nothing to a body that has
// ended.
func (b *Body) Abort(err error) {
	switch {
	case err == nil:
		err = ErrAborted
	case !errors.Is(err, ErrAborted):
		err = fmt.Errorf("%w: %w", ErrAborted, err)
	}
	b.mu.Lock()
	if b.mu.err == nil && !b.complete.Load() {
		b.mu.err = err
		b.mu.news.give()
		b.mu.room.give()
	}
	b.mu.Unlock()
}

// Length is the number of bytes so far and whether that is all.
func (b *Body) Length() (n int64, complete bool) {
	complete = b.complete.Load() // first: the size is final once it is set
	return b.size.Load(), complete
}

// Held is the memory the body holds.
func (b *Body) Held() int64 { return b.held.Load() }

// Slices returns the bytes [from, from+n) of a complete body without copying,
// appended to dst. ok is false if the body is not complete (then use Open), no
// longer holds them all, or is shorter.
func (b *Body) Slices(dst [][]byte, from, n int64) (slices [][]byte, ok bool) {
	if !b.complete.Load() {
		return dst, false
	}
	t, size := b.table.Load(), b.size.Load()
	if t == nil || from < 0 || n < 0 || from > size || n > size-from {
		return dst, false
	}
	for n > 0 {
		p := t.at(from, from+n)
		dst = append(dst, p)
		from += int64(len(p))
		n -= int64(len(p))
	}
	return dst, true
}

// signal is what the filler or the readers of a body wait for, guarded by the
// body's lock: a channel that the next change closes, nil while nobody waits.
// There are two, so that readers do not wake each other.
type signal struct{ given chan struct{} }

func (s *signal) give() {
	if s.given != nil {
		close(s.given)
		s.given = nil
	}
}

// waitLocked releases the lock and waits for s, for timeout (0: no matter how
// long) or until ctx ends, which is the only error.
func (b *Body) waitLocked(ctx context.Context, s *signal, timeout time.Duration) error {
	if s.given == nil {
		s.given = make(chan struct{})
	}
	given := s.given
	b.mu.Unlock()

	var expired <-chan time.Time // nil: never
	if timeout > 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case <-given:
		return nil
	case <-expired:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// unlock accounts for a change of the memory held and releases the lock, in
// this order: what OnGrow registers must never be called under it.
func (b *Body) unlock(grown int64) {
	onGrow := b.mu.onGrow
	b.held.Add(grown)
	b.mu.Unlock()

	if grown != 0 && onGrow != nil {
		onGrow(grown)
	}
}
