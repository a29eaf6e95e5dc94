package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// stream fills a detached body with n bytes of pattern in chunks.
func stream(ctx context.Context, b *Body, p []byte, n, chunk int) error {
	for at := 0; at < n; at += chunk {
		if err := b.Append(ctx, p[at%len(p):][:min(chunk, n-at)]); err != nil {
			return err
		}
	}
	b.Complete()
	return nil
}

// TestDetachedMemory: two readers of very different speed both get every byte
// of a long stream, at the pace of the slower one, and it takes bounded memory.
func TestDetachedMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const window, chunk, n = 256 << 10, 16 << 10, 16 << 20
		p := pattern(chunk)
		b := NewBody(-1)
		_, most := accounted(b)
		readers := map[time.Duration]*Reader{time.Microsecond: open(t, b, 0), 100 * time.Millisecond: open(t, b, 0)}
		b.Detach(window)
		start := time.Now()

		var wg sync.WaitGroup
		wg.Go(func() {
			if err := stream(t.Context(), b, p, n, chunk); err != nil {
				t.Errorf("filler: %v", err)
			}
		})
		for pause, r := range readers {
			wg.Go(func() {
				if read := steadily(t, r, p, pause); read != n {
					t.Errorf("the reader that pauses %v got %d bytes, want %d", pause, read, n)
				}
			})
		}
		wg.Wait()
		if took := time.Since(start); took != n/chunk*100*time.Millisecond {
			t.Errorf("all took %v, want what the slower one takes", took)
		}
		if most() > window+2*windowSegment {
			t.Errorf("held up to %d bytes, want a window of %d and two segments", most(), window)
		}
		if most() < window/2 {
			t.Errorf("held up to %d bytes: the faster reader never used the window", most())
		}
	})
}

// steadily reads repetitions of p to the end, at most one at a time with a
// pause after each, and returns how many bytes.
func steadily(t *testing.T, r *Reader, p []byte, pause time.Duration) (read int) {
	for {
		got, err := r.Next(t.Context(), int64(len(p)), nil)
		if errors.Is(err, io.EOF) {
			return read
		}
		if err != nil || !bytes.Equal(got, p[read%len(p):][:len(got)]) {
			t.Errorf("a reader at %d: %v, or other bytes", read, err)
			return read
		}
		read += len(got)
		time.Sleep(pause)
	}
}

// TestDetachKeepsWhatReadersNeed: nobody is given up because of Detach itself,
// only for bytes to come; and the filler waits for the slowest.
func TestDetachKeepsWhatReadersNeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const window = 100_000
		p := pattern(1_000_000)
		b := NewBody(-1)
		fast, slow := open(t, b, 0), open(t, b, 0)
		fill(t, b, p, 10_000) // nobody has read: the filler does not wait
		b.Detach(window)
		time.Sleep(time.Hour) // nor does it now

		appended := make(chan error, 1)
		go func() { appended <- b.Append(t.Context(), p[:1]) }()
		if got, err := rest(ended(t), fast); !errors.Is(err, context.Canceled) || !bytes.Equal(got, p) {
			t.Fatalf("fast reader: %d bytes and %v", len(got), err)
		}
		for read := 0; read < 1_000_000-window; {
			time.Sleep(patience - 1)
			if len(appended) > 0 {
				t.Fatalf("the filler went on with the slowest reader at %d", read)
			}
			got, err := slow.Next(t.Context(), 5000, nil)
			if err != nil || !bytes.Equal(got, p[read:][:len(got)]) {
				t.Fatalf("slow reader: %v, or other bytes", err)
			}
			read += len(got)
		}
		synctest.Wait()
		if len(appended) == 0 || <-appended != nil {
			t.Fatal("the filler does not go on with the slowest reader in the window")
		}
		if b.Held() > window+2*firstSegment {
			t.Errorf("Held = %d with all readers in the window", b.Held())
		}
	})
}

// TestLaggardFinishes: after Complete nobody is given up any more.
func TestLaggardFinishes(t *testing.T) {
	p := pattern(300_000)
	b := NewBody(-1)
	fast, slow := open(t, b, 0), open(t, b, 0)
	fill(t, b, p, 10_000)
	b.Detach(1000)
	b.Complete()
	if got, err := rest(t.Context(), fast); err != nil || !bytes.Equal(got, p) {
		t.Errorf("fast reader: %d bytes and %v", len(got), err)
	}
	if got, err := rest(t.Context(), slow); err != nil || !bytes.Equal(got, p) {
		t.Errorf("slow reader: %d bytes and %v", len(got), err)
	}
	if b.Held() != 0 {
		t.Errorf("Held = %d after all is read", b.Held())
	}
	if _, ok := b.Slices(nil, 0, 1); ok {
		t.Error("Slices of what is dropped")
	}
}

func TestNoReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBody(-1)
		fill(t, b, pattern(50_000), 50_000)
		r1, r2 := open(t, b, 0), open(t, b, 0)
		b.Detach(1000)
		done := make(chan error, 1)
		go func() { done <- b.Append(t.Context(), []byte("x")) }()
		synctest.Wait()
		r1.Close()
		r1.Close()
		synctest.Wait()
		if len(done) > 0 {
			t.Fatal("the filler went on with one reader left")
		}
		start := time.Now()
		r2.Close()
		if err := <-done; !errors.Is(err, ErrNoReaders) || time.Since(start) > 0 {
			t.Errorf("Append = %v after %v, want ErrNoReaders at once", err, time.Since(start))
		}
		if err := b.Append(t.Context(), []byte("x")); !errors.Is(err, ErrNoReaders) {
			t.Errorf("Append = %v, want ErrNoReaders", err)
		}
		if b.Held() != 0 {
			t.Errorf("Held = %d with no readers", b.Held())
		}
	})
}

// TestFirstReaderComesLate: nothing is lost if a body is detached before its
// first reader is there, and nothing is held without bound.
func TestFirstReaderComesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, p := NewBody(-1), pattern(200_000)
		b.Detach(100_000)
		done := make(chan error, 1)
		go func() {
			for at := 0; at < len(p); at += 10_000 {
				if err := b.Append(t.Context(), p[at:at+10_000]); err != nil {
					done <- err
					return
				}
			}
			b.Complete()
			done <- nil
		}()
		synctest.Wait()
		if n, _ := b.Length(); n < 100_000 || n > 110_000 {
			t.Errorf("%d bytes without a reader, want a window of them", n)
		}
		if got, err := rest(t.Context(), open(t, b, 0)); err != nil || !bytes.Equal(got, p) {
			t.Errorf("the first reader got %d bytes, %v", len(got), err)
		}
		if err := <-done; err != nil {
			t.Errorf("filler: %v", err)
		}
	})
}

func TestAppendContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBody(-1)
		r := open(t, b, 0)
		defer r.Close()
		fill(t, b, pattern(50_000), 50_000)
		b.Detach(1000)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		err := b.Append(ctx, []byte("x"))
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("Append = %v after %v, want the context's error after a second", err, time.Since(start))
		}
		if n, _ := b.Length(); n != 50_000 {
			t.Errorf("Length = %d: bytes were appended beyond the window", n)
		}
	})
}

// TestWindowIsExact: the filler goes on with the slowest reader, or nobody yet,
// a window behind it, and not with more.
func TestWindowIsExact(t *testing.T) {
	for _, reader := range []bool{true, false} {
		b := NewBody(-1)
		if reader {
			open(t, b, 0)
		}
		b.Detach(1000)
		fill(t, b, pattern(1000), 1000)
		if err := b.Append(ended(t), []byte("x")); err != nil {
			t.Errorf("Append = %v a window ahead (reader: %v)", err, reader)
		}
		if err := b.Append(ended(t), []byte("x")); !errors.Is(err, context.Canceled) {
			t.Errorf("Append = %v more than a window ahead (reader: %v), want to wait", err, reader)
		}
	}
}

// TestDetachAgain: a filler that waits hears of a larger window.
func TestDetachAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBody(-1)
		defer open(t, b, 0).Close()
		fill(t, b, pattern(50_000), 50_000)
		b.Detach(1000)
		done := make(chan error, 1)
		go func() { done <- b.Append(t.Context(), []byte("x")) }()
		synctest.Wait()
		start := time.Now()
		b.Detach(50_000)
		if err := <-done; err != nil || time.Since(start) > 0 {
			t.Errorf("Append = %v after %v, want to go on at once", err, time.Since(start))
		}
	})
}

// TestAbortEndsAppend: a filler that waits for its readers hears of an abort.
func TestAbortEndsAppend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBody(-1)
		r := open(t, b, 0)
		fill(t, b, pattern(50_000), 50_000)
		b.Detach(1000)
		done := make(chan error, 1)
		go func() { done <- b.Append(t.Context(), []byte("x")) }()
		synctest.Wait()
		start := time.Now()
		b.Abort(nil)
		if err := <-done; !errors.Is(err, ErrAborted) || time.Since(start) > 0 {
			t.Errorf("Append = %v after %v, want ErrAborted at once", err, time.Since(start))
		}
		if got, err := rest(t.Context(), r); !errors.Is(err, ErrAborted) || len(got) != 50_000 {
			t.Errorf("reader: %d bytes and %v, want what arrived and ErrAborted", len(got), err)
		}
	})
}

// TestDetachDuringNext: a reader that found its bytes before Detach moves
// without the lock after it, and then waits. The filler must hear of it: it waits
// without a timer.
func TestDetachDuringNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBody(-1)
		r := open(t, b, 0)
		fill(t, b, pattern(50_000), 50_000)
		b.Detach(1000)
		done := make(chan error, 1)
		go func() { done <- b.Append(t.Context(), []byte("x")) }()
		synctest.Wait()
		r.pos.Store(50_000) // what Next does last
		start := time.Now()
		if p, err := r.Next(t.Context(), 0, nil); err != nil || string(p) != "x" {
			t.Errorf("Next = %q, %v", p, err)
		}
		if err := <-done; err != nil || time.Since(start) > 0 {
			t.Errorf("Append: %v after %v", err, time.Since(start))
		}
	})
}

// TestWaitingReadersRest: readers that wait for a detached body do not wake
// each other.
func TestWaitingReadersRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBody(-1)
		b.Detach(1000)
		for range 3 {
			r := open(t, b, 0)
			go func() {
				if _, err := r.Next(t.Context(), 0, nil); !errors.Is(err, io.EOF) {
					t.Errorf("Next: %v", err)
				}
			}()
		}
		synctest.Wait() // returns only if all rest
		b.Complete()
	})
}

// TestReaderAhead: one that waits for bytes far ahead holds nothing up, nor is
// it a reason to drop what those at the end of what has arrived need.
func TestReaderAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, p := NewBody(-1), pattern(200_000)
		ahead := open(t, b, 150_000)
		defer ahead.Close()
		b.Detach(1000)
		start := time.Now()
		fill(t, b, p[:100_000], 500)
		near := open(t, b, 100_000)
		fill(t, b, p[100_000:101_000], 500)
		if got, err := near.Next(t.Context(), 0, nil); err != nil || !bytes.Equal(got, p[100_000:101_000]) {
			t.Errorf("Next = %d bytes and %v, want 1000", len(got), err)
		}
		near.Close()
		fill(t, b, p[101_000:151_000], 500)
		if got, err := ahead.Next(t.Context(), 0, nil); err != nil || !bytes.Equal(got, p[150_000:151_000]) {
			t.Errorf("Next = %d bytes and %v, want the 1000 it came for", len(got), err)
		}
		if took := time.Since(start); took > 0 {
			t.Errorf("the filler waited %v", took)
		}
	})
}

// TestDetachLeavesTheTable: readers that found it before go on with it.
func TestDetachLeavesTheTable(t *testing.T) {
	b, p := NewBody(-1), pattern(50_000)
	r := open(t, b, 0)
	fill(t, b, p, 1000)
	table := b.table.Load()
	b.Detach(1 << 20)
	if _, err := rest(ended(t), r); !errors.Is(err, context.Canceled) {
		t.Fatalf("rest: %v", err)
	}
	if b.Held() >= int64(len(p)) {
		t.Fatalf("Held = %d: nothing was dropped", b.Held())
	}
	for at := 0; at < len(p); {
		got := table.at(int64(at), int64(len(p)))
		if !bytes.Equal(got, p[at:at+len(got)]) {
			t.Fatalf("other bytes at %d", at)
		}
		at += len(got)
	}
}

func ended(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
