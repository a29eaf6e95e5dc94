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
			time.Sleep(9900 * time.Millisecond)
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
		defer open(t, b, 50_000).Close() // whom it harms
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
		start := time.Now()
		if err := giveUp(time.Hour); err != nil || time.Since(start) != 1 {
			t.Errorf("Append = %v after %v, want to go on after the 1ns left", err, time.Since(start))
		}
		if p, err := r.Next(t.Context(), 0, nil); !errors.Is(err, ErrLagging) {
			t.Errorf("Next = %d bytes and %v, want ErrLagging", len(p), err)
		}
	})
}

// TestEachHasItsOwnPatience: the filler looks when the first reader's ends, not
// when the one's does who moved last, and what only the first needs goes with
// it.
func TestEachHasItsOwnPatience(t *testing.T) {
	for _, c := range []struct {
		name          string
		hanging, slow int // which of three readers
	}{{"the first hangs", 0, 1}, {"the first moves", 1, 0}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { hangingAndSlow(t, c.hanging, c.slow) })
		})
	}
}

func hangingAndSlow(t *testing.T, hanging, slow int) {
	b := NewBody(-1)
	fill(t, b, pattern(50_000), 10_000)
	readers := []*Reader{open(t, b, 0), open(t, b, 0), open(t, b, 50_000)}
	b.Detach(1000)
	all := b.Held()
	go func() { _ = b.Append(t.Context(), []byte("x")) }()
	time.Sleep(patience / 2)
	if got, err := readers[slow].Next(t.Context(), 0, nil); len(got) != 10_000 || err != nil {
		t.Errorf("slow reader: %d bytes and %v", len(got), err)
	}
	for i, want := range []int{3, 2, 1} { // after ½, 1 and 1½ times patience
		if synctest.Wait(); b.Readers() != want {
			t.Errorf("%d readers, want %d", b.Readers(), want)
		}
		if i == 1 && b.Held() != all-10_000 {
			t.Errorf("Held = %d of %d after the hanging reader is given up, want 10000 less", b.Held(), all)
		}
		time.Sleep(patience / 2)
	}
	for _, i := range []int{hanging, slow} {
		if p, err := readers[i].Next(t.Context(), 0, nil); !errors.Is(err, ErrLagging) {
			t.Errorf("Next = %d bytes and %v, want ErrLagging", len(p), err)
		}
	}
	if p, err := readers[2].Next(t.Context(), 0, nil); string(p) != "x" || err != nil {
		t.Errorf("Next = %q and %v, want what it waited for", p, err)
	}
}

// TestOnlyReaderStalls: it is spared, and so are two that both stall. The filler
// waits for them, until they read on, or one leaves and the other reads on, or
// its context ends.
func TestOnlyReaderStalls(t *testing.T) {
	for _, c := range []struct {
		name    string
		before  bool // they are there before the filler waits
		stalled int
	}{
		{"there before the filler waits", true, 1},
		{"comes while the filler waits", false, 1},
		{"two, there before the filler waits", true, 2},
		{"two, come while the filler waits", false, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { onlyStalled(t, c.before, c.stalled) })
		})
	}
}

func onlyStalled(t *testing.T, before bool, stalled int) {
	b, p := NewBody(-1), pattern(50_000)
	fill(t, b, p, len(p))
	b.Detach(1000)
	var readers []*Reader
	come := func() {
		for range stalled {
			readers = append(readers, open(t, b, 0))
		}
	}
	if before {
		come()
	}
	ctx, leave := context.WithTimeout(t.Context(), time.Hour)
	defer leave()
	start := time.Now()
	done := make(chan error, 1)
	go func() { done <- b.Append(ctx, []byte("x")) }()
	synctest.Wait()
	if !before {
		time.Sleep(time.Minute)
		come()
	}
	if err := <-done; !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Hour {
		t.Errorf("Append = %v after %v, want to wait until its context ends", err, time.Since(start))
	}

	go func() { done <- b.Append(t.Context(), []byte("x")) }()
	time.Sleep(time.Hour)
	for _, r := range readers[1:] {
		r.Close()
	}
	time.Sleep(time.Hour)
	if len(done) > 0 || b.Readers() != 1 {
		t.Fatalf("%d readers, and Append has returned: %v", b.Readers(), len(done) > 0)
	}
	b.mu.Lock()
	full, lookAgain := b.watchLocked(time.Now())
	b.mu.Unlock()
	if !full || lookAgain != 0 {
		t.Errorf("watchLocked = %v, %v, want to wait without a timer", full, lookAgain)
	}
	start = time.Now()
	if got, err := readers[0].Next(t.Context(), 0, nil); err != nil || !bytes.Equal(got, p) {
		t.Errorf("Next = %d bytes and %v, want all %d", len(got), err, len(p))
	}
	if err := <-done; err != nil || time.Since(start) > 0 {
		t.Errorf("Append = %v after %v, want to go on at once", err, time.Since(start))
	}
}

// nearness is a reader that stalls at 0 and another one that does something, in
// a body of 50000 bytes with a window of 1000.
type nearness struct {
	name   string
	after  time.Duration // when the other one comes to the offset at
	opens  bool          // by opening there; else it reads on, having stalled too
	at     int64
	leaves time.Duration // how long after that it leaves; 0: never
	moves  time.Duration // when the stalled one takes a byte; 0: never
	want   time.Duration // after which the stalled one is given up; 0: never
}

// TestAnotherIsNear: one that stalls is given up as soon as it has exhausted
// patience and another reader is within the window, whichever comes last.
func TestAnotherIsNear(t *testing.T) {
	for _, c := range []nearness{
		{name: "catches up early", after: patience / 4, at: 50_000, want: patience},
		{name: "catches up late", after: time.Hour, at: 50_000, want: time.Hour},
		{name: "catches up just then", after: patience, at: 50_000, want: patience},
		{name: "catches up to the edge", after: time.Hour, at: 49_000, want: time.Hour},
		{name: "not quite to the edge", after: time.Hour, at: 48_999},
		{name: "opens early", after: patience / 4, opens: true, at: 50_000, want: patience},
		{name: "opens late", after: time.Hour, opens: true, at: 50_000, want: time.Hour},
		{name: "opens ahead", after: time.Hour, opens: true, at: 50_001, want: time.Hour},
		{name: "opens on the edge", after: time.Hour, opens: true, at: 49_000, want: time.Hour},
		{name: "opens short of the edge", after: time.Hour, opens: true, at: 48_999},
		{name: "leaves too early", after: patience / 4, opens: true, at: 50_000, leaves: patience/2 - 1},
		{name: "stays just long enough", after: patience / 4, opens: true, at: 50_000, leaves: patience, want: patience},
		{name: "the clock began anew", after: time.Hour, opens: true, at: 50_000, moves: time.Hour - 1, want: time.Hour - 1 + patience},
		{name: "it did, long ago", after: time.Hour, at: 50_000, moves: time.Hour - patience, want: time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, c.run)
		})
	}
}

func (c nearness) run(t *testing.T) {
	b := NewBody(-1)
	fill(t, b, pattern(50_000), 50_000)
	stalled := open(t, b, 0)
	defer stalled.Close()
	if !c.opens {
		other := open(t, b, 0)
		time.AfterFunc(c.after, func() { c.read(t, other, c.at) })
	} else {
		time.AfterFunc(c.after, func() { c.open(t, b) })
	}
	if c.moves > 0 {
		time.AfterFunc(c.moves, func() { c.read(t, stalled, 1) })
	}
	b.Detach(1000)

	start := time.Now()
	ctx, leave := context.WithTimeout(t.Context(), 2*time.Hour)
	defer leave()
	err := b.Append(ctx, []byte("x"))
	took := time.Since(start)
	_, lagging := stalled.Next(t.Context(), 1, nil)
	switch {
	case c.want > 0 && (err != nil || took != c.want || !errors.Is(lagging, ErrLagging)):
		t.Errorf("Append = %v after %v, want to go on after %v; the stalled reader: %v, want ErrLagging", err, took, c.want, lagging)
	case c.want == 0 && (!errors.Is(err, context.DeadlineExceeded) || lagging != nil):
		t.Errorf("Append = %v after %v, want to wait; the stalled reader: %v, though nobody gains by it", err, took, lagging)
	}
}

func (c nearness) read(t *testing.T, r *Reader, n int64) {
	if got, err := r.Next(t.Context(), n, nil); int64(len(got)) != n || err != nil {
		t.Errorf("Next = %d bytes and %v, want %d", len(got), err, n)
	}
}

func (c nearness) open(t *testing.T, b *Body) {
	r, err := b.Open(c.at)
	if err != nil {
		t.Errorf("Open(%d): %v", c.at, err)
	} else if c.leaves > 0 {
		time.AfterFunc(c.leaves, r.Close)
	}
}

// TestMovesUnseen: a reader that moves without the lock and is then in a long
// write is not given up, though nobody told the filler.
func TestMovesUnseen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBody(-1)
		r := open(t, b, 0)
		fill(t, b, pattern(50_000), 50_000)
		defer open(t, b, 50_000).Close() // for whom it would be given up
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
