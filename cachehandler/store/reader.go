package store

import (
	"context"
	"io"
	"runtime"
	"slices"
	"sync/atomic"
	"time"
)

// Reader reads one body for one client, from one goroutine. Close may be called
// from any, and ends a Next that waits.
type Reader struct {
	body   *Body
	pos    atomic.Int64 // written by the reader alone
	closed atomic.Bool

	// Of a detached body, guarded by body.mu:
	err   error     // why this reader was aborted
	since time.Time // the filler saw it hold things up at seen since then; zero: it does not
	seen  int64
}

// Open attaches a reader at offset from, which may be ahead of what has
// arrived. It fails when the body is aborted, no longer holds from, or is
// complete and shorter.
func (b *Body) Open(from int64) (*Reader, error) {
	if from < 0 {
		return nil, errBeyond
	}
	r := &Reader{body: b}
	r.pos.Store(from)
	if b.complete.Load() && !b.Detached() {
		if from > b.size.Load() {
			return nil, errBeyond
		}
		return r, nil
	}

	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.mu.err != nil:
		return nil, b.mu.err
	case b.complete.Load() && from > b.size.Load():
		return nil, errBeyond
	case b.Detached() && from < b.firstLocked():
		return nil, ErrNotHeld
	}
	b.mu.readers = append(b.mu.readers, r)
	b.mu.opened = true
	b.mu.room.give() // the filler may wait for this one from now on
	return r, nil
}

// firstLocked is the first offset a detached body holds.
func (b *Body) firstLocked() int64 {
	if len(b.mu.kept) > 0 {
		return b.mu.kept[0].start
	}
	return b.size.Load()
}

// Next returns the next bytes without copying, waiting for them if it must; at
// most max (0: no bound), and at most 64 KiB of a body that is or may yet be
// detached: a call for more is the sign that the client took the last ones.
// wait is called once before it waits (to flush what was sent so far); nil is
// allowed. It returns io.EOF at the end, ErrAborted (wrapped) when the filler
// gave up or this reader held it up, and ctx's error when that ends while it
// waits.
func (r *Reader) Next(ctx context.Context, max int64, wait func()) ([]byte, error) {
	if r.closed.Load() {
		return nil, errClosed
	}
	b, pos := r.body, r.pos.Load()
	complete := b.complete.Load() // before size, which is then final
	size := b.size.Load()         // before table, which then covers it
	if t := b.table.Load(); t != nil {
		if pos < size {
			if !complete {
				max = sip(max)
			}
			return r.advance(t.at(pos, limit(pos, size, max))), nil
		}
		if complete && pos == size {
			return nil, io.EOF
		}
	}
	return r.await(ctx, max, wait)
}

// await is Next where a lock is needed: to wait, or to read a detached body.
func (r *Reader) await(ctx context.Context, max int64, wait func()) ([]byte, error) {
	b := r.body
	for yielded := false; ; {
		b.mu.Lock()
		p, ready, err := r.nextLocked(max)
		if !r.since.IsZero() {
			// The filler waits for this reader, which has moved: now, or
			// without the lock if it found its bytes before Detach.
			b.mu.room.give()
		}
		switch {
		case ready:
			b.unlock(b.dropReadLocked())
			return p, err
		case ctx.Err() != nil:
			b.mu.Unlock()
			return nil, ctx.Err()
		case !yielded: // the filler may have more at hand: wait would be in vain
			b.mu.Unlock()
			runtime.Gosched()
			yielded = true
			continue
		case wait != nil:
			b.mu.Unlock()
			wait()
			wait = nil
			continue // it may have taken long
		}
		if err := b.waitLocked(ctx, &b.mu.news, 0); err != nil {
			return nil, err
		}
	}
}

// nextLocked is what Next returns if it need not wait.
func (r *Reader) nextLocked(max int64) (p []byte, ready bool, err error) {
	b, pos, size := r.body, r.pos.Load(), r.body.size.Load()
	switch {
	case r.closed.Load():
		return nil, true, errClosed
	case r.err != nil:
		return nil, true, r.err
	case pos < size:
		segments := b.mu.kept
		if t := b.table.Load(); t != nil {
			segments = t.segments
		}
		return r.advance(slice(segments, pos, limit(pos, size, sip(max)))), true, nil
	case b.mu.err != nil:
		return nil, true, b.mu.err
	case !b.complete.Load():
		return nil, false, nil
	case pos > size:
		return nil, true, errBeyond
	}
	return nil, true, io.EOF
}

func (r *Reader) advance(p []byte) []byte {
	r.pos.Add(int64(len(p)))
	return p
}

// limit is the end of what may be returned at pos.
func limit(pos, size, max int64) int64 {
	if max > 0 && max < size-pos {
		return pos + max
	}
	return size
}

// Close detaches the reader. It is safe to call twice.
func (r *Reader) Close() {
	if r.closed.Swap(true) {
		return
	}
	b := r.body
	if b.complete.Load() && !b.Detached() {
		return // nobody looks at the readers of a complete body any more
	}
	b.mu.Lock()
	b.removeLocked(r)
	b.mu.room.give() // the filler may wait for this reader
	b.mu.news.give() // or its own Next may wait
	b.unlock(b.dropReadLocked())
}

func (b *Body) removeLocked(r *Reader) {
	if i := slices.Index(b.mu.readers, r); i >= 0 {
		b.mu.readers[i] = b.mu.readers[len(b.mu.readers)-1]
		b.mu.readers[len(b.mu.readers)-1] = nil
		b.mu.readers = b.mu.readers[:len(b.mu.readers)-1]
	}
}

// Readers is how many readers are attached while the body fills; later, nobody
// counts.
func (b *Body) Readers() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.mu.readers)
}
