package store

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestStalledReader: one of three that hangs in a write delays the others by
// patience, once, and is given up.
func TestStalledReader(t *testing.T) {
	for _, c := range []struct {
		name    string
		stalled int // how many hang, all alike
	}{{"one", 1}, {"two at once", 2}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { stalledReaders(t, c.stalled) })
		})
	}
}

func stalledReaders(t *testing.T, stalled int) {
	const window, chunk, n = 256 << 10, 16 << 10, 16 << 20
	p := pattern(chunk)
	b := NewBody(-1)
	held, most := accounted(b)
	readers := []*Reader{open(t, b, 0), open(t, b, 0)}
	hanging := make([]*Reader, stalled)
	for i := range hanging {
		hanging[i] = open(t, b, 0)
	}
	b.Detach(window)
	start := time.Now()

	var wg sync.WaitGroup
	wg.Go(func() {
		for range n / chunk { // the readers could take it faster
			if err := b.Append(t.Context(), p); err != nil {
				t.Errorf("filler: %v", err)
			}
			time.Sleep(time.Millisecond)
		}
		b.Complete()
	})
	for _, r := range readers {
		wg.Go(func() {
			read := steadily(t, r, p, time.Microsecond)
			took, want := time.Since(start), n/chunk*time.Millisecond+patience
			if read != n || took != want {
				t.Errorf("a reader got %d bytes in %v, want %d in %v", read, took, n, want)
			}
		})
	}
	for _, r := range hanging {
		wg.Go(func() {
			if got, err := r.Next(t.Context(), chunk, nil); err != nil || !bytes.Equal(got, p[:len(got)]) {
				t.Errorf("hanging reader: %v at its first bytes", err)
			}
			time.Sleep(time.Minute)
			if _, err := r.Next(t.Context(), 0, nil); !errors.Is(err, ErrLagging) || !errors.Is(err, ErrAborted) {
				t.Errorf("hanging reader: %v, want ErrLagging", err)
			}
		})
	}
	wg.Wait()
	if most() > window+2*windowSegment || held() != 0 {
		t.Errorf("held up to %d bytes and %d at the end, want a window of %d and two segments, and 0", most(), held(), window)
	}
}

// TestSlowestAcceptable: a client that takes 64 KiB in little less than
// patience is never given up, whatever was held when the body was detached and
// whatever it asks for.
func TestSlowestAcceptable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pattern(5 << 20)
		b := NewBody(5 << 20)
		slow, fast := open(t, b, 0), open(t, b, 0)
		fill(t, b, p[:3<<20], 100_000)
		if got, err := slow.Next(t.Context(), 0, nil); len(got) > largestSip || err != nil {
			t.Errorf("%d bytes and %v before Detach, which could come while the client takes them", len(got), err)
		}
		b.Detach(1000)
		var wg sync.WaitGroup
		wg.Go(func() {
			if got, err := rest(t.Context(), fast); err != nil || !bytes.Equal(got, p) {
				t.Errorf("fast reader: %d bytes and %v", len(got), err)
			}
		})
		wg.Go(func() {
			for at := 3 << 20; at < len(p); at += 1 << 20 {
				if err := b.Append(t.Context(), p[at:][:1<<20]); err != nil {
					t.Errorf("filler: %v", err)
				}
			}
			b.Complete()
		})
		for at := largestSip; at < len(p); {
			time.Sleep(1900 * time.Millisecond)
			got, err := slow.Next(t.Context(), []int64{0, 1 << 20, largestSip + 1}[at%3], nil)
			if err != nil || len(got) > largestSip || !bytes.Equal(got, p[at:][:len(got)]) {
				t.Errorf("slow reader at %d: %d bytes and %v, or other bytes", at, len(got), err)
				slow.Close()
				break
			}
			at += len(got)
		}
		wg.Wait()
	})
}

// TestPatienceEnds: the clock of a reader runs from when the filler waits for
// it, anew for every place it holds the filler up at, and not while it does not.
func TestPatienceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, p := NewBody(-1), pattern(50_000)
		fill(t, b, p, len(p))
		r := open(t, b, 0)
		defer r.Close()
		b.Detach(1000)
		giveUp := func(after time.Duration) error {
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			return b.Append(ctx, []byte("x"))
		}
		if err := giveUp(patience - 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Append = %v, want to wait", err)
		}
		b.Detach(60_000) // it is near enough now
		if err := giveUp(time.Second); err != nil {
			t.Errorf("Append = %v in a larger window", err)
		}
		time.Sleep(time.Hour)
		b.Detach(1000)
		if err := giveUp(patience - 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Append = %v, want to wait anew", err)
		}
		if _, err := r.Next(t.Context(), 1, nil); err != nil {
			t.Errorf("Next: %v", err)
		}
		if err := giveUp(patience - 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Append = %v, want to wait anew after a byte", err)
		}
		if err := giveUp(time.Hour); !errors.Is(err, ErrNoReaders) {
			t.Errorf("Append = %v, want ErrNoReaders", err)
		}
	})
}

// TestEachHasItsOwnPatience: the filler looks when the first reader's ends, not
// when the one's does who moved last.
func TestEachHasItsOwnPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBody(-1)
		fill(t, b, pattern(50_000), 50_000)
		hanging, slow := open(t, b, 0), open(t, b, 0)
		b.Detach(1000)
		go func() { _ = b.Append(t.Context(), []byte("x")) }()
		time.Sleep(patience / 2)
		if _, err := slow.Next(t.Context(), 1, nil); err != nil {
			t.Errorf("slow reader: %v", err)
		}
		for _, want := range []int{2, 1, 0} { // after ½, 1 and 1½ times patience
			if synctest.Wait(); b.Readers() != want {
				t.Errorf("%d readers, want %d", b.Readers(), want)
			}
			time.Sleep(patience / 2)
		}
		if p, err := hanging.Next(t.Context(), 0, nil); !errors.Is(err, ErrLagging) {
			t.Errorf("Next = %d bytes and %v, want ErrLagging", len(p), err)
		}
	})
}

// TestOnlyReaderStalls: it is given up too, and then nobody is left.
func TestOnlyReaderStalls(t *testing.T) {
	for _, c := range []struct {
		name   string
		before bool // it is there before the filler waits
	}{{"there before the filler waits", true}, {"comes while the filler waits", false}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := NewBody(-1)
				fill(t, b, pattern(50_000), 50_000)
				b.Detach(1000)
				var r *Reader
				if c.before {
					r = open(t, b, 0)
				}
				done := make(chan error)
				go func() { done <- b.Append(t.Context(), []byte("x")) }()
				synctest.Wait()
				if !c.before {
					time.Sleep(time.Minute)
					r = open(t, b, 0)
				}
				start := time.Now()
				if err := <-done; !errors.Is(err, ErrNoReaders) || time.Since(start) != patience {
					t.Errorf("Append = %v after %v, want ErrNoReaders after %v", err, time.Since(start), patience)
				}
				if p, err := r.Next(t.Context(), 0, nil); !errors.Is(err, ErrLagging) {
					t.Errorf("Next = %d bytes and %v, want ErrLagging", len(p), err)
				}
				if b.Held() != 0 || b.Readers() != 0 {
					t.Errorf("Held = %d with %d readers", b.Held(), b.Readers())
				}
				r.Close()
			})
		})
	}
}

// TestMovesUnseen: a reader that moves without the lock and is then in a long
// write is not given up, though nobody told the filler.
func TestMovesUnseen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBody(-1)
		r := open(t, b, 0)
		fill(t, b, pattern(50_000), 50_000)
		b.Detach(1000)
		done := make(chan error, 1)
		go func() { done <- b.Append(t.Context(), []byte("x")) }()
		time.Sleep(time.Second)
		r.pos.Store(40_000)
		time.Sleep(patience - 1)
		if p, err := r.Next(t.Context(), 0, nil); len(p) != 10_000 || err != nil {
			t.Errorf("Next = %d bytes, %v", len(p), err)
		}
		if err := <-done; err != nil {
			t.Errorf("Append: %v", err)
		}
	})
}
